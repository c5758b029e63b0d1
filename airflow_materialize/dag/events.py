"""Asset events: what the last blocking step of an asset says of its load, and the interval that others make of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_materialize.errors import TransientError
from airflow_materialize.plan.interval import Interval

if TYPE_CHECKING:
    from airflow_materialize.manifest import Manifest

# So many events back, the last DAG run that succeeded is looked for.
_LOOKED_AT = 200


def say(context: Mapping[str, Any], report: Mapping[str, Any] | None, manifest: Manifest) -> None:
    """Put the report of a load on the event that a task emits when it succeeds, and what user code says of its run.

    Args:
        context: Airflow's runtime context.
        report: The load's report; None where it has left none.
        manifest: What `run` handed over.
    """
    plan, run = manifest.plan, manifest.report
    told: dict[str, Any] = {"metadata": run.metadata} if run.metadata else {}
    if run.materialized is not None:
        told["materialized"] = run.materialized
    interval = {"interval": plan.interval.to_json()} if plan.interval else {}
    for asset in context["task"].outlets:
        extra = {**(report or {}), **told, **interval, "asset": plan.asset.name, "run_id": plan.run_id}
        context["outlet_events"][asset].extra = extra


def union(context: Mapping[str, Any]) -> Interval | None:
    """Return the hull of the intervals on the events that triggered a DAG run; None where there is no such event.

    An event without an interval counts from the last successful DAG run: from the event of its asset that this run
    consumed. Where no run has, it has no interval, and so has the union: to leave an event out would lose its data
    without a word.

    Args:
        context: Airflow's runtime context.

    Raises:
        MaterializeError: The interval on an event is none.
    """
    events = [event for group in (context.get("triggering_asset_events") or {}).values() for event in group]
    given = [_given(event) for event in events]
    found = [interval or _since_success(event, context) for event, interval in zip(events, given, strict=True)]
    parts = sorted((part for part in found if part), key=lambda part: part.start)
    if not parts or len(parts) < len(events):
        return None
    rule = f"the intervals of {len(parts)} triggering asset events"
    counted = given.count(None)
    if counted:
        rule += f", {counted} of them without one and counted from the last successful DAG run"
    gaps = [f"{start.isoformat()} to {end.isoformat()}" for start, end in _gaps(parts)]
    if gaps:
        rule += f", and the gaps between them: {', '.join(gaps)}"
    return Interval(parts[0].start, max(part.end for part in parts), rule)


def _given(event: Any) -> Interval | None:
    data = (event.extra or {}).get("interval")
    return None if data is None else Interval.from_json(data)


def _since_success(event: Any, context: Mapping[str, Any]) -> Interval | None:
    dag_run = context["dag_run"]
    start = last_consumed(_earlier(event, context), dag_run.dag_id, but=dag_run.run_id)
    return Interval(start, event.timestamp) if start else None


def last_consumed(events: Iterable[Any], dag_id: str, *, but: str) -> datetime | None:
    """Return the time of the newest of some asset events that started a DAG run which succeeded.

    Args:
        events: The events, as Airflow hands them to a task.
        dag_id: The DAG of that DAG run.
        but: The id of the DAG run that does not count.
    """
    consumed = [
        event.timestamp
        for event in events
        if any((run.dag_id, run.state) == (dag_id, "success") and run.run_id != but for run in event.created_dagruns)
    ]
    return max(consumed, default=None)


def _earlier(event: Any, context: Mapping[str, Any]) -> list[Any]:
    """Return the events of the same asset before one; the nearest ones where they are many."""
    from airflow.sdk import Asset

    asset = Asset(name=event.asset.name, uri=event.asset.uri)
    # Each task asks in the same way, whether or not the asset is an inlet of its own.
    events = type(context["inlet_events"])([asset])[asset]
    try:
        if hasattr(events, "before"):  # Airflow 3.2 and later.
            events = events.before(event.timestamp.isoformat()).ascending(ascending=False).limit(_LOOKED_AT)
        return [one for one in events if one.timestamp < event.timestamp]
    except Exception as error:
        # The server answers with an error as long as a DAG run that one of the events made has not begun.
        raise TransientError(f"The earlier events of {asset.uri} cannot be read: {error}") from error


def _gaps(parts: list[Interval]) -> Iterable[tuple[datetime, datetime]]:
    covered = parts[0].end
    for part in parts[1:]:
        if part.start > covered:
            yield covered, part.start
        covered = max(covered, part.end)
