from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pendulum
import pytest
from airflow.sdk import DAG
from airflow.sdk.api.datamodels._generated import (
    AssetEventDagRunReference,
    AssetReferenceAssetEventDagRun,
    DagRun,
    DagRunState,
    DagRunType,
    TaskInstance,
)
from airflow.sdk.execution_time.comms import AssetEventDagRunReferenceResult
from airflow.sdk.execution_time.context import TriggeringAssetEventsAccessor

from airflow_materialize.dag.schedule import schedule_for
from airflow_materialize.dag.trigger import interval_of, trigger_of
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.interval import Interval

MADE = datetime(2026, 4, 23, 10, 20, 30, tzinfo=UTC)
ATTEMPT = uuid.UUID("01890af0-0000-7000-8000-000000000001")


def utc(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)


def context_of(schedule: str = "daily", run_type: DagRunType = DagRunType.MANUAL, events=(), dag=None, **run) -> dict:
    """Return a task's context, made of the objects that Airflow's task runner puts into it."""
    values = {
        "dag_id": "sales",
        "run_id": "run_1",
        "logical_date": None,
        "data_interval_start": None,
        "data_interval_end": None,
        "run_after": MADE,
        "start_date": MADE + timedelta(seconds=5),
        "end_date": None,
        "run_type": run_type,
        "state": DagRunState.RUNNING,
        "consumed_asset_events": [],
        "partition_key": None,
    }
    task_instance = TaskInstance(
        id=ATTEMPT, task_id="t", dag_id="sales", run_id="run_1", try_number=2, dag_version_id=uuid.uuid4()
    )
    return {
        "dag": dag or DAG("sales", schedule=schedule_for(Pipeline(name="sales", schedule=schedule)), max_active_runs=1),
        "dag_run": DagRun(**(values | run)),
        "ti": task_instance,
        "triggering_asset_events": TriggeringAssetEventsAccessor.build(events),
    }


def event_of(extra: dict) -> AssetEventDagRunReferenceResult:
    reference = AssetEventDagRunReference(
        asset=AssetReferenceAssetEventDagRun(name="raw.orders", uri="materialize://w/raw.orders", extra={}),
        extra=extra,
        source_task_id="load",
        source_dag_id="raw",
        source_run_id="run_0",
        source_map_index=-1,
        source_aliases=[],
        timestamp=MADE,
    )
    return AssetEventDagRunReferenceResult.from_asset_event_dag_run_reference(reference)


def event_from(start: str, end: str) -> AssetEventDagRunReferenceResult:
    return event_of({"interval": {"start": f"2026-04-{start}T00:00:00+00:00", "end": f"2026-04-{end}T00:00:00+00:00"}})


DATA_INTERVAL = {
    "logical_date": utc(2026, 4, 1),
    "data_interval_start": utc(2026, 4, 1),
    "data_interval_end": utc(2026, 4, 2),
}


def test_a_trigger_tells_run_and_attempt_in_plain_values():
    trigger = trigger_of(context_of(run_type=DagRunType.SCHEDULED, **DATA_INTERVAL))
    assert (trigger.dag_id, trigger.run_id, trigger.run_type, trigger.map_index) == ("sales", "run_1", "scheduled", -1)
    assert (trigger.task_instance, trigger.try_number) == (ATTEMPT.hex, 2)
    assert trigger.execution_time == MADE + timedelta(seconds=5)
    assert (trigger.full_refresh, trigger.start_given, trigger.variables) == (False, False, {})
    assert trigger.interval == Interval(utc(2026, 4, 1), utc(2026, 4, 2), "the DAG run's data interval")


@pytest.mark.parametrize(
    ("run_type", "name"),
    [
        (DagRunType.SCHEDULED, "scheduled"),
        (DagRunType.BACKFILL, "backfill"),
        (DagRunType.ASSET_TRIGGERED, "asset_triggered"),
        (DagRunType.MANUAL, "manual"),
        (DagRunType.OPERATOR_TRIGGERED, "manual"),
        (DagRunType.ASSET_MATERIALIZATION, "manual"),
    ],
)
def test_what_neither_schedule_nor_backfill_nor_asset_started_is_manual(run_type, name):
    assert trigger_of(context_of(run_type=run_type)).run_type == name


def test_dates_in_conf_win_over_the_data_interval():
    conf = {"start_date": "2026-03-01", "end_date": "2026-03-02"}
    trigger = trigger_of(context_of(conf=conf, **DATA_INTERVAL))
    assert trigger.start_given
    assert trigger.interval == Interval(utc(2026, 3, 1), utc(2026, 3, 3), "the start date and end date that were given")


def test_a_start_date_alone_ends_with_the_data_interval():
    trigger = trigger_of(context_of(conf={"start_date": "2026-03-01"}, **DATA_INTERVAL))
    assert trigger.start_given
    assert trigger.interval is not None
    assert (trigger.interval.start, trigger.interval.end) == (utc(2026, 3, 1), utc(2026, 4, 2))


def test_an_end_date_alone_does_not_give_a_start():
    trigger = trigger_of(context_of(conf={"end_date": "2026-04-05"}, **DATA_INTERVAL))
    assert not trigger.start_given
    assert trigger.interval is not None
    assert (trigger.interval.start, trigger.interval.end) == (utc(2026, 4, 1), utc(2026, 4, 6))


def test_an_empty_trigger_form_changes_nothing():
    conf = {"full_refresh": False, "start_date": None, "end_date": "", "variables": {}}
    assert trigger_of(context_of(conf=conf, **DATA_INTERVAL)) == trigger_of(context_of(**DATA_INTERVAL))


def test_conf_gives_full_refresh_and_variables():
    trigger = trigger_of(context_of(conf={"full_refresh": True, "variables": {"country": "NL"}}))
    assert (trigger.full_refresh, trigger.variables) == (True, {"country": "NL"})


VARIABLES = {
    "country": {"type": "string", "default": "BE"},
    "days": {"type": "integer", "default": 1},
    "start_date": {"type": "integer", "default": 7},
    "note": {"type": ["string", "null"], "default": "x"},
}


@pytest.mark.parametrize(
    ("conf", "variables"),
    [
        # As the trigger form sends it: every field, changed or not.
        ({"full_refresh": False, "start_date": None, "country": "BE", "days": 1, "note": "x", "variables": {}}, {}),
        ({"country": "NL", "days": 1, "variables": {}}, {"country": "NL"}),
        ({"days": True}, {"days": True}),
        ({"country": None, "note": None}, {"note": None}),
        ({"country": "NL", "days": 3, "variables": {"country": "FR"}}, {"country": "FR", "days": 3}),
        ({"start_date": "2026-04-01", "variables": {"start_date": 8}}, {"start_date": 8}),
        ({"elsewhere": 1}, {}),
    ],
)
def test_variables_stand_in_conf_under_their_names_or_together_and_their_defaults_change_nothing(conf, variables):
    pipeline = Pipeline.model_validate({"name": "sales", "schedule": "daily", "variables": VARIABLES})
    assert trigger_of(context_of(conf=conf), pipeline).variables == variables


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"full_refresh": "yes"}, 'full_refresh in the DAG run\'s conf is "yes"\nHint: true or false'),
        ({"start_date": 20260401}, "start_date in the DAG run's conf is 20260401\nHint: a day as 2026-04-01"),
        ({"variables": ["a"]}, 'variables in the DAG run\'s conf is ["a"]\nHint: an object of names and values'),
        ({"start_date": "soon", "end_date": "2026-04-01"}, "The start date is 'soon'\nHint: a day as 2026-04-01"),
        (
            {"start_date": "2026-04-02", "end_date": "2026-04-01"},
            "The start date 2026-04-02 lies after the end date 2026-04-01\nHint: the start date comes first",
        ),
    ],
)
def test_a_conf_of_the_wrong_kind_is_an_error_with_what_is_right(conf, message):
    with pytest.raises(MaterializeError) as caught:
        trigger_of(context_of(conf=conf))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        (
            {"full_refresh": True},
            (
                "full_refresh in the conf of a backfill: each of its DAG runs would do the same work over the whole\n"
                "Hint: one manual DAG run does it: airflow dags trigger sales --conf '{\"full_refresh\": true}'"
                " (with start_date and end_date beside it where it is to cover no more than a range)"
            ),
        ),
        (
            {"end_date": "2026-04-02", "start_date": "2026-04-01", "full_refresh": True, "variables": {"a": 1}},
            (
                "full_refresh and start_date and end_date in the conf of a backfill: each of its DAG runs would do the "
                "same work over the whole\n"
                'Hint: one manual DAG run does it: airflow dags trigger sales --conf \'{"full_refresh": true, '
                '"start_date": "2026-04-01", "end_date": "2026-04-02", "variables": {"a": 1}}\''
            ),
        ),
    ],
)
def test_a_backfill_refuses_full_refresh_and_dates_with_the_one_run_that_does_it(conf, message):
    with pytest.raises(MaterializeError) as caught:
        trigger_of(context_of(run_type=DagRunType.BACKFILL, conf=conf, **DATA_INTERVAL))
    assert str(caught.value) == message


def test_a_backfill_takes_variables():
    context = context_of(run_type=DagRunType.BACKFILL, conf={"variables": {"a": 1}}, **DATA_INTERVAL)
    assert trigger_of(context).variables == {"a": 1}


@pytest.mark.parametrize(
    ("schedule", "start", "end"),
    [
        ("daily", utc(2026, 4, 22), utc(2026, 4, 23)),
        ("hourly", utc(2026, 4, 23, 9), utc(2026, 4, 23, 10)),
        ("monthly", utc(2026, 3, 1), utc(2026, 4, 1)),
        ("30 6 * * 1-5", utc(2026, 4, 22, 6, 30), utc(2026, 4, 23, 6, 30)),
        ("@every 1h", utc(2026, 4, 23, 9), utc(2026, 4, 23, 10)),
        ("@every 10m", utc(2026, 4, 23, 10, 10), utc(2026, 4, 23, 10, 20)),
    ],
)
def test_a_run_without_an_interval_takes_the_schedules_last_complete_one(schedule, start, end):
    assert interval_of(context_of(schedule)) == Interval(start, end, "the schedule's last complete interval")


def test_the_last_complete_interval_of_a_run_on_the_tick_ends_there():
    interval = interval_of(context_of("hourly", run_after=utc(2026, 4, 23, 10)))
    assert interval is not None
    assert interval.end == utc(2026, 4, 23, 10)


@pytest.mark.parametrize(("catchup", "minute"), [(True, 7), (False, 0)])
def test_the_last_complete_interval_of_a_duration_lies_on_the_schedulers_grid(catchup, minute):
    timetable = schedule_for(Pipeline(name="sales", schedule="@every 1h"))
    dag = DAG("sales", schedule=timetable, start_date=pendulum.datetime(2026, 4, 1, 0, 7), catchup=catchup)
    interval = interval_of(context_of(dag=dag))
    assert interval is not None
    assert interval.end == utc(2026, 4, 23, 10, minute)


@pytest.mark.parametrize("schedule", ["", "continuous"])
def test_a_run_for_which_no_rule_has_an_interval_has_none(schedule):
    assert interval_of(context_of(schedule)) is None


def test_a_data_interval_of_no_length_is_none():
    instant = {name: utc(2026, 4, 1) for name in DATA_INTERVAL}
    assert interval_of(context_of("", **instant)) is None


def test_a_schedule_of_the_task_sdk_gives_its_last_complete_interval_too():
    from airflow.sdk import CronDataIntervalTimetable

    dag = DAG("sales", schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"))
    interval = interval_of(context_of(dag=dag))
    assert interval is not None
    assert interval.start == utc(2026, 4, 22)


def test_a_partition_is_its_step_of_the_schedule():
    from airflow.timetables.trigger import CronPartitionTimetable

    dag = DAG("sales", schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC"))
    run = {"partition_key": "2026-04-01T00:00:00", "partition_date": utc(2026, 4, 1)}
    expected = Interval(utc(2026, 4, 1), utc(2026, 4, 2), "the DAG run's partition 2026-04-01T00:00:00")
    assert interval_of(context_of(dag=dag, **run)) == expected
    # Airflow 3.2 hands over the key alone.
    assert interval_of(context_of(dag=dag, partition_key="2026-04-01T00:00:00")) == expected


def test_triggering_events_give_the_union_of_their_intervals():
    events = [event_from("03", "04"), event_from("01", "03")]
    interval = interval_of(context_of("", run_type=DagRunType.ASSET_TRIGGERED, events=events))
    assert interval == Interval(utc(2026, 4, 1), utc(2026, 4, 4), "the intervals of 2 triggering asset events")


def test_a_union_with_gaps_is_its_hull_and_names_them():
    events = [event_from("01", "05"), event_from("02", "03"), event_from("07", "08")]
    interval = interval_of(context_of("", run_type=DagRunType.ASSET_TRIGGERED, events=events))
    assert interval == Interval(
        utc(2026, 4, 1),
        utc(2026, 4, 8),
        "the intervals of 3 triggering asset events, and the gaps between them: "
        "2026-04-05T00:00:00+00:00 to 2026-04-07T00:00:00+00:00",
    )


def test_an_event_whose_interval_is_none_is_an_error():
    with pytest.raises(MaterializeError, match="'April' is no interval"):
        interval_of(context_of("", events=[event_of({"interval": "April"})]))


PROBE = """
import dataclasses, json, os
from airflow.sdk import DAG, BaseOperator
from airflow_materialize.dag.params import dag_params
from airflow_materialize.dag.schedule import schedule_for
from airflow_materialize.dag.trigger import trigger_of
from airflow_materialize.definition.model.pipeline import Pipeline

class Probe(BaseOperator):
    def execute(self, context):
        told = dataclasses.asdict(trigger_of(context))
        with open(os.environ["PROBE"], "a") as file:
            file.write(json.dumps(told, default=str) + "\\n")

for name, schedule in {"probe_daily": "daily", "probe_hourly": "@every 1h", "probe_never": ""}.items():
    pipeline = Pipeline(name=name, schedule=schedule)
    with DAG(name, schedule=schedule_for(pipeline), params=dag_params(pipeline), catchup=False) as dag:
        Probe(task_id="probe")
    globals()[name] = dag
"""

RUNS = """
import json, os
from datetime import datetime, timezone
from airflow.utils.db import initdb
from airflow.dag_processing.dagbag import DagBag

initdb()
dags = DagBag(os.environ["AIRFLOW_HOME"] + "/dags").dags
after = datetime(2026, 4, 23, 10, 20, 30, tzinfo=timezone.utc)
day = datetime(2026, 4, 23, 10, 0, tzinfo=timezone.utc)
conf = {"start_date": "2026-03-01", "end_date": "2026-03-07", "full_refresh": True}
for dag_id, arguments in [
    ("probe_daily", {"logical_date": day}),
    ("probe_daily", {"logical_date": None, "run_after": after}),
    ("probe_daily", {"logical_date": None, "run_conf": conf}),
    ("probe_daily", {"logical_date": None, "run_after": after.replace(minute=21)}),
    ("probe_hourly", {"logical_date": None, "run_after": after}),
    ("probe_never", {"logical_date": None, "run_after": after}),
]:
    assert dags[dag_id].test(**arguments).state == "success", (dag_id, arguments)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> list[dict]:
    """What a task in a real DAG run learns, run by run."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    (home / "dags" / "probe.py").write_text(PROBE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")} | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "PROBE": str(home / "told.jsonl"),
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    done = subprocess.run(
        [sys.executable, "-c", RUNS],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in (home / "told.jsonl").read_text().splitlines()]


def span(trigger: dict) -> tuple[str, str]:
    return trigger["interval"]["start"], trigger["interval"]["end"]


def test_a_real_run_with_a_logical_date_is_told_its_data_interval(told):
    assert span(told[0]) == ("2026-04-22 00:00:00+00:00", "2026-04-23 00:00:00+00:00")
    assert told[0]["interval"]["rule"] == "the DAG run's data interval"


def test_a_real_run_without_a_logical_date_is_told_the_last_complete_interval(told):
    assert span(told[1]) == ("2026-04-22 00:00:00+00:00", "2026-04-23 00:00:00+00:00")
    assert told[1]["interval"]["rule"] == "the schedule's last complete interval"
    assert told[1]["full_refresh"] is False


def test_a_real_run_is_told_what_its_conf_says(told):
    assert span(told[2]) == ("2026-03-01 00:00:00+00:00", "2026-03-08 00:00:00+00:00")
    assert (told[2]["full_refresh"], told[2]["start_given"]) == (True, True)


def test_the_conf_of_a_real_run_does_not_reach_the_next(told):
    assert span(told[3]) == ("2026-04-22 00:00:00+00:00", "2026-04-23 00:00:00+00:00")
    assert (told[3]["full_refresh"], told[3]["start_given"]) == (False, False)


def test_a_real_run_of_a_duration_is_told_the_last_interval_of_its_grid(told):
    assert span(told[4]) == ("2026-04-23 09:00:00+00:00", "2026-04-23 10:00:00+00:00")


def test_a_real_run_without_a_schedule_is_told_no_interval(told):
    assert told[5]["interval"] is None


def test_a_real_run_is_told_its_attempt(told):
    assert (told[0]["dag_id"], told[0]["run_type"], told[0]["map_index"]) == ("probe_daily", "manual", -1)
    assert told[0]["try_number"] == 1
    assert len({uuid.UUID(trigger["task_instance"]) for trigger in told}) == len(told)


def test_a_run_knows_its_partition_and_the_version_of_its_files():
    context = context_of(partition_key="2026-04-01T00:00:00")
    assert trigger_of(context).partition_key == "2026-04-01T00:00:00"
    assert trigger_of(context).commit_hash == ""
    object.__setattr__(context["ti"], "bundle_instance", SimpleNamespace(version="c0ffee"))
    assert trigger_of(context).commit_hash == "c0ffee"
    assert trigger_of(context_of()).partition_key == ""
