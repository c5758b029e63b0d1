"""From Airflow's runtime context to plain values: what started a DAG run, and which interval it is about."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_materialize.dag.events import union
from airflow_materialize.dag.params import RESERVED, is_same
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.model.variables import types_of
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.interval import Interval, inclusive_days
from airflow_materialize.plan.run_plan import Trigger

__all__ = ["Trigger", "interval_of", "trigger_of"]

_DATES = ("start_date", "end_date")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Whatever a person, another DAG or the API started is manual; names as in Airflow's `DagRunType`.
_RUN_TYPES = {"scheduled": "scheduled", "backfill": "backfill", "asset_triggered": "asset_triggered"}


def trigger_of(context: Mapping[str, Any], pipeline: Pipeline | None = None) -> Trigger:
    """Return what started the DAG run of a task, and which attempt this is.

    Args:
        context: Airflow's runtime context.
        pipeline: Says which entries of the DAG run's `conf` are variables.

    Raises:
        MaterializeError: What the DAG run's `conf` holds is of a wrong kind, or belongs into a manual DAG run.
    """
    dag_run, task_instance = context["dag_run"], context["ti"]
    conf = _conf_of(dag_run)
    run_type = _RUN_TYPES.get(str(getattr(dag_run.run_type, "value", dag_run.run_type)), "manual")
    if run_type == "backfill":
        _refuse_in_backfill(dag_run.dag_id, conf)
    map_index = task_instance.map_index
    return Trigger(
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        run_type=run_type,
        execution_time=dag_run.start_date or dag_run.run_after,
        interval=interval_of(context),
        start_given=bool(conf["start_date"]),
        full_refresh=conf["full_refresh"],
        variables={**_own_entries(dag_run, pipeline), **conf["variables"]},
        map_index=-1 if map_index is None else map_index,
        partition_key=getattr(dag_run, "partition_key", None) or "",
        # Of a bundle from Git the version is the commit.
        commit_hash=getattr(getattr(task_instance, "bundle_instance", None), "version", None) or "",
        task_instance=task_instance.id.hex,
        try_number=task_instance.try_number,
    )


def interval_of(context: Mapping[str, Any]) -> Interval | None:
    """Return the interval of a DAG run, or None where no rule gives one.

    The first that applies: the dates in its `conf`; its data interval; its partition's step of the schedule; the union
    of the intervals on its triggering asset events; the schedule's last complete interval before it. A single date in
    `conf` takes its counterpart from the rule that follows.

    Args:
        context: Airflow's runtime context.

    Raises:
        MaterializeError: A date or an event's interval is none, or the start is not before the end.
    """
    conf = _conf_of(context["dag_run"])
    start, end = (conf[name] for name in _DATES)
    if start and end:
        return inclusive_days(start, end)
    interval = _natural_interval(context)
    return inclusive_days(start, end, interval) if start or end else interval


def _natural_interval(context: Mapping[str, Any]) -> Interval | None:
    dag_run = context["dag_run"]
    start, end = dag_run.data_interval_start, dag_run.data_interval_end
    if start and end and end > start:
        return Interval(start, end, "the DAG run's data interval")
    return _partition(context) or union(context) or _last_complete(context)


def _conf_of(dag_run: Any) -> dict[str, Any]:
    """Return our own part of the DAG run's `conf`, in order and checked.

    `conf` has what the trigger form sent, too. The context's `params` are no substitute: in one process the values of
    one DAG run stay in the DAG's params for the next.
    """
    conf = dag_run.conf or {}
    values = {name: conf.get(name) for name in ("full_refresh", *_DATES, "variables")}
    kinds = {"full_refresh": (bool, False, "true or false"), "variables": (dict, {}, "an object of names and values")}
    kinds |= dict.fromkeys(_DATES, (str, "", "a day as 2026-04-01, or a time as 2026-04-01T05:00:00Z"))
    for name, (kind, nothing, hint) in kinds.items():
        if values[name] is None:
            values[name] = nothing
        if not isinstance(values[name], kind):
            raise MaterializeError(f"{name} in the DAG run's conf is {json.dumps(values[name])}", hint=hint)
    return values


def _own_entries(dag_run: Any, pipeline: Pipeline | None) -> dict[str, Any]:
    """Return the variables that the DAG run's `conf` holds under their own names, as the trigger form sends them.

    The form sends every one: a value that is the default, or an empty field, changes nothing.
    """
    conf = dag_run.conf or {}
    found: dict[str, Any] = {}
    for name, variable in (pipeline.variables if pipeline else {}).items():
        value = conf.get(name)
        nothing = value is None and "null" not in types_of(variable.type)
        if name in conf and name not in RESERVED and not nothing and not is_same(value, variable.default):
            found[name] = value
    return found


def _refuse_in_backfill(dag_id: str, conf: dict[str, Any]) -> None:
    """Raise where each DAG run of a backfill would load, or rebuild, the same."""
    if not any(conf[name] for name in ("full_refresh", *_DATES)):
        return
    given = [name for name in ("full_refresh", *_DATES) if conf[name]]
    once = shlex.quote(json.dumps({name: value for name, value in conf.items() if value}))
    range_hint = " (with start_date and end_date beside it where it is to cover no more than a range)"
    raise MaterializeError(
        f"{' and '.join(given)} in the conf of a backfill: each of its DAG runs would do the same work over the whole",
        hint=f"one manual DAG run does it: airflow dags trigger {shlex.quote(dag_id)} --conf {once}"
        + (range_hint if given == ["full_refresh"] else ""),
    )


def _partition(context: Mapping[str, Any]) -> Interval | None:
    """Return the step of the schedule that the DAG run's partition names (Airflow 3.2 and later)."""
    dag_run = context["dag_run"]
    key = getattr(dag_run, "partition_key", None)
    if not key:
        return None
    start = getattr(dag_run, "partition_date", None) or _time_in(key)
    # Airflow has no public way to ask a timetable for the tick after a given one.
    get_next = getattr(_timetable_of(context), "_get_next", None)
    if start is None or get_next is None:
        return None
    return Interval(start, get_next(_pendulum(start)), f"the DAG run's partition {key}")


def _time_in(partition_key: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(partition_key)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _last_complete(context: Mapping[str, Any]) -> Interval | None:
    """Return the last interval of the schedule that had ended when the DAG run was made."""
    from airflow.timetables.interval import DeltaDataIntervalTimetable

    timetable, before = _timetable_of(context), context["dag_run"].run_after
    last = timetable.infer_manual_data_interval(run_after=_pendulum(before))
    if last is None or last.end <= last.start:  # None is scheduled: no interval is complete.
        return None
    if isinstance(timetable, DeltaDataIntervalTimetable):
        # Airflow counts these back from the very moment; its scheduled ones lie on a grid.
        step: timedelta = last.end - last.start
        dag = context["dag"]
        anchor = dag.start_date if dag.catchup and dag.start_date else _EPOCH
        end = before - (before - anchor) % step
        return Interval(end - step, end, "the schedule's last complete interval")
    return Interval(last.start, last.end, "the schedule's last complete interval")


def _timetable_of(context: Mapping[str, Any]) -> Any:
    """Return the DAG's timetable as the scheduler's class of it, which alone computes intervals.

    `schedule_for` gives that class. A schedule that the user set on the DAG may be of the Task SDK's.
    """
    timetable = context["dag"].timetable
    if hasattr(timetable, "infer_manual_data_interval"):
        return timetable
    from airflow.serialization.encoders import coerce_to_core_timetable

    return coerce_to_core_timetable(timetable)


def _pendulum(moment: datetime) -> Any:
    from airflow.sdk.timezone import coerce_datetime

    return coerce_datetime(moment)
