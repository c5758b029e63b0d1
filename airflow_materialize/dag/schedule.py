"""When a pipeline's DAG runs, and what its trigger form asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_materialize.definition.fields import parse_duration
from airflow_materialize.definition.pipeline import Pipeline
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow.sdk import Param
    from airflow.timetables.base import Timetable

# Bruin's words: those of https://pkg.go.dev/github.com/robfig/cron/v3, which may stand without their @.
_WORDS = {
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "midnight": "0 0 * * *",
    "weekly": "0 0 * * 0",
    "monthly": "0 0 1 * *",
    "yearly": "0 0 1 1 *",
    "annually": "0 0 1 1 *",
}
_CRON_FIELDS = 5
_HINT = "five cron fields, hourly, daily, weekly, monthly, yearly, @every 1h, or continuous"

# A day or a time; which of them is one is decided when the DAG run reads it.
_DATE_PATTERN = r"^(\d{4}-\d{2}-\d{2}([T ].+)?)?$"


def schedule_for(pipeline: Pipeline) -> Timetable | None:
    """Return the timetable of a pipeline's DAG, or None where it has no schedule.

    Each of its DAG runs has a data interval that lasts: Airflow's own reading of a plain cron expression gives one of
    no length. Times are UTC.

    Raises:
        MaterializeError: The pipeline's schedule is none.
    """
    from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
    from airflow.timetables.simple import ContinuousTimetable

    schedule = pipeline.schedule.strip()
    word = schedule.removeprefix("@")
    if not schedule:
        return None
    if word == "continuous":
        return ContinuousTimetable()
    if schedule.startswith("@every"):
        return DeltaDataIntervalTimetable(_duration(pipeline, schedule.removeprefix("@every").strip()))
    cron = _WORDS.get(word, schedule)
    if len(cron.split()) != _CRON_FIELDS:
        raise _schedule_error(pipeline, "is no schedule")
    timetable = CronDataIntervalTimetable(cron, timezone="UTC")
    try:
        timetable.validate()
    except Exception as error:  # Its class has moved between Airflow's releases.
        raise _schedule_error(pipeline, f"is no schedule: {error}") from error
    return timetable


def dag_params(pipeline: Pipeline) -> dict[str, Param]:
    """Return what the trigger form of a pipeline's DAG asks for; each name may stand in a DAG run's `conf` as well."""
    from airflow.sdk import Param

    day: dict[str, Any] = {"type": ["null", "string"], "pattern": _DATE_PATTERN}
    params = {
        "full_refresh": Param(
            False,
            type="boolean",
            title="Full refresh",
            description="Rebuild the tables from the start_date of each asset, else of the pipeline.",
        ),
        "start_date": Param(
            None,
            title="Start date",
            description="First day to load, as 2026-04-01, or a time. Empty: where the DAG run's interval starts.",
            **day,
        ),
        "end_date": Param(
            None,
            title="End date",
            description="Last day to load, as 2026-04-23; of a time, the first one that is not loaded. "
            "Empty: where the DAG run's interval ends.",
            **day,
        ),
    }
    if pipeline.variables:
        params["variables"] = Param(
            {},
            type="object",
            title="Variables",
            description=f"Values for this DAG run in place of the defaults of: {', '.join(pipeline.variables)}.",
        )
    return params


def _duration(pipeline: Pipeline, text: str) -> timedelta:
    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise _schedule_error(pipeline, "has no duration", "as @every 1h30m") from error


def _schedule_error(pipeline: Pipeline, what: str, hint: str = _HINT) -> MaterializeError:
    return MaterializeError(f"The schedule {pipeline.schedule!r} of the pipeline {pipeline.name} {what}", hint=hint)
