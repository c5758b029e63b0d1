"""When a pipeline's DAG runs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.text.fields import parse_duration
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from datetime import timedelta

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


def schedule_for(pipeline: Pipeline) -> Timetable | None:
    """Return the timetable of a pipeline's DAG, or None where it has no schedule.

    Each of its DAG runs has a data interval that lasts: Airflow's own reading of a plain cron expression gives one of
    no length. Times are UTC.

    Raises:
        MaterializeError: The pipeline's schedule is none.
    """
    schedule = pipeline.schedule.strip()
    word = schedule.removeprefix("@")
    if not schedule:
        return None
    if word == "continuous":
        # Takes a tenth of a second to import, which every task of every other pipeline would pay.
        from airflow.timetables.simple import ContinuousTimetable

        return ContinuousTimetable()
    if schedule.startswith("@every"):
        from airflow.timetables.interval import DeltaDataIntervalTimetable

        return DeltaDataIntervalTimetable(_duration(pipeline, schedule.removeprefix("@every").strip()))
    cron = _WORDS.get(word, schedule)
    if len(cron.split()) != _CRON_FIELDS:
        raise _schedule_error(pipeline, "is no schedule")
    try:
        return _timetable(cron)
    except Exception as error:  # Its class has moved between Airflow's releases.
        raise _schedule_error(pipeline, f"is no schedule: {error}") from error


@cache
def _timetable(cron: str) -> Timetable:
    """Return the timetable of a cron expression: one for all DAGs that have it, as it takes longer than a DAG."""
    from airflow.timetables.interval import CronDataIntervalTimetable

    timetable = CronDataIntervalTimetable(cron, timezone="UTC")
    timetable.validate()
    return timetable


def _duration(pipeline: Pipeline, text: str) -> timedelta:
    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise _schedule_error(pipeline, "has no duration", "as @every 1h30m") from error


def _schedule_error(pipeline: Pipeline, what: str, hint: str = _HINT) -> MaterializeError:
    return MaterializeError(f"The schedule {pipeline.schedule!r} of the pipeline {pipeline.name} {what}", hint=hint)
