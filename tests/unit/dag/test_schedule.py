from __future__ import annotations

import json
from datetime import timedelta

import pendulum
import pytest
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
from airflow.timetables.simple import ContinuousTimetable

from airflow_materialize.dag.params import dag_params
from airflow_materialize.dag.schedule import schedule_for
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.errors import MaterializeError


def pipeline_of(schedule: str = "daily", **more) -> Pipeline:
    return Pipeline.model_validate({"name": "sales", "schedule": schedule, **more})


@pytest.mark.parametrize(
    ("schedule", "cron"),
    [
        ("@daily", "0 0 * * *"),
        ("daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("hourly", "0 * * * *"),
        ("weekly", "0 0 * * 0"),
        ("monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("30 6 * * 1-5", "30 6 * * 1-5"),
    ],
)
def test_a_word_or_a_cron_expression_gives_data_intervals_in_utc(schedule, cron):
    timetable = schedule_for(pipeline_of(schedule))
    assert timetable == CronDataIntervalTimetable(cron, timezone="UTC")
    assert timetable.serialize() == {"expression": cron, "timezone": "UTC"}


@pytest.mark.parametrize("schedule", ["daily", "0 0 * * *", "hourly", "30 6 * * 1-5", "@every 90m"])
def test_a_scheduled_interval_lasts(schedule):
    timetable = schedule_for(pipeline_of(schedule))
    assert timetable is not None
    start = pendulum.datetime(2026, 4, 1)
    info = timetable.next_dagrun_info(
        last_automated_data_interval=DataInterval(start.subtract(days=1), start),
        restriction=TimeRestriction(start.subtract(days=9), None, catchup=True),
    )
    assert info is not None
    assert info.data_interval.end > info.data_interval.start


@pytest.mark.parametrize(
    ("schedule", "delta"),
    [
        ("@every 1h", timedelta(hours=1)),
        ("@every 1h30m", timedelta(minutes=90)),
        ("@every 90s", timedelta(seconds=90)),
        ("@every1.5h", timedelta(minutes=90)),
    ],
)
def test_every_gives_intervals_of_that_length(schedule, delta):
    assert schedule_for(pipeline_of(schedule)) == DeltaDataIntervalTimetable(delta)


@pytest.mark.parametrize("schedule", ["continuous", "@continuous"])
def test_continuous_follows_on_itself(schedule):
    assert isinstance(schedule_for(pipeline_of(schedule)), ContinuousTimetable)


def test_no_schedule_is_no_timetable():
    assert schedule_for(pipeline_of("")) is None


@pytest.mark.parametrize(
    "schedule", ["fortnightly", "@every", "@every 1 day", "* * * * * *", "61 * * * *", "TZ=UTC 0 0 * * *"]
)
def test_what_is_no_schedule_is_refused_with_the_pipeline(schedule):
    # The definition refuses most of them; a pipeline that did not come from a file is no exception here.
    pipeline = Pipeline.model_construct(name="sales", schedule=schedule)
    with pytest.raises(MaterializeError) as caught:
        schedule_for(pipeline)
    assert str(caught.value).startswith(f"The schedule {schedule!r} of the pipeline sales ")
    assert caught.value.hint


def test_the_trigger_form_asks_for_full_refresh_and_dates():
    params = dag_params(pipeline_of())
    assert {name: param.resolve() for name, param in params.items()} == {
        "full_refresh": False,
        "start_date": None,
        "end_date": None,
    }
    assert all(param.schema["title"] and param.description for param in params.values())


@pytest.mark.parametrize("value", ["2026-04-01", "2026-04-01T05:00:00Z", "2026-04-01 05:00", "", None])
def test_the_trigger_form_takes_days_and_times(value):
    assert dag_params(pipeline_of())["start_date"].resolve(value) == value


@pytest.mark.parametrize(("name", "value"), [("start_date", "yesterday"), ("end_date", 5), ("full_refresh", "yes")])
def test_the_trigger_form_refuses_what_a_dag_run_could_not_use(name, value):
    with pytest.raises(ValueError, match=r"is not of type|does not match"):
        dag_params(pipeline_of())[name].resolve(value)


def test_the_trigger_form_asks_for_variables_where_there_are_any():
    params = dag_params(pipeline_of(variables={"country": {"type": "string", "default": "BE"}}))
    assert params["variables"].resolve({"country": "NL"}) == {"country": "NL"}
    assert "country" in params["variables"].description


def test_the_trigger_form_is_the_same_at_each_parse():
    first, second = (
        json.dumps({name: param.serialize() for name, param in dag_params(pipeline_of()).items()}) for _ in range(2)
    )
    assert first == second
