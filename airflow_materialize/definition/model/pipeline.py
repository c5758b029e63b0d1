"""The pipeline: what `pipeline.yml` can say."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from airflow_materialize.definition.model.notifications import Notifications
from airflow_materialize.definition.text.fields import (
    Bag,
    Day,
    Json,
    Labels,
    Model,
    Named,
    Tags,
    Text,
    Whole,
    Words,
    as_flag,
    as_text,
    as_value,
    parse_duration,
    quoted,
    refuse,
)
from airflow_materialize.definition.text.problems import suggest

SCHEDULE_WORDS = ("hourly", "daily", "weekly", "monthly", "yearly", "continuous")
"""Schedules that need no cron, with or without `@`."""

ON_ASSETS = "assets"
"""The schedule of a pipeline that runs when what it depends on in other pipelines is there."""

_CRON_ALIASES = ("@annually", "@midnight")
_CRON_FIELDS = 5
_NAME = re.compile(r"[\w-]+(?:[.\w-]*[\w-])?")
_LONGEST_NAME = 200


def _as_types(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple("null" if item is None else as_text(item) for item in value)
    return as_text(value)


class Variable(Model):
    """A value that a run may change, declared as in JSON Schema."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str | tuple[str, ...], BeforeValidator(_as_types)] = Field(
        default="", description="string, integer, number, boolean, array or object, or a list of them."
    )
    default: Json = Field(default=None, validate_default=True, description="Its value unless a run says otherwise.")
    description: Text = Field(default="", description="What it is for.")

    @model_validator(mode="before")
    @classmethod
    def _type_all_values(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        named = {"type", "default", "description"}
        return {key: value if key in named else as_value(value) for key, value in data.items()}

    @field_validator("default")
    @classmethod
    def _is_there(cls, default: Any, info: ValidationInfo) -> Any:
        if default is None and "null" not in info.data.get("type", ""):
            raise refuse("a variable needs a `default`", code="AM611")
        return default


def _as_catchup(value: Any) -> bool:
    return True if isinstance(value, str) and value in {"active", "all"} else as_flag(value)


class Pipeline(Model):
    """One pipeline: a folder of assets that run together."""

    name: Text = Field(description="The pipeline's name, which is the DAG's id. From the folder unless said.")
    id: Text = Field(default="", description="A former name.")
    description: Text = Field(default="", description="What it is.")
    schedule: Text = Field(default="", description="Five cron fields, a word as `daily`, `@every 1h`, or `assets`.")
    start_date: Day = Field(default="", description="The first day that is run: `YYYY-MM-DD`.")
    default_connections: dict[str, Named] = Field(default_factory=dict, description="Kind of database → connection id.")
    default: Bag = Field(default_factory=dict, description="Asset fields that every asset inherits.")
    variables: dict[str, Variable] = Field(default_factory=dict, description="Values that a run may change.")
    variants: Bag = Field(default_factory=dict, description="Values of variables under a name: one DAG for each.")
    retries: Whole | None = Field(default=None, ge=0, description="How often `run` of an asset is tried again.")
    tags: Tags = Field(default=(), description="Words to find it by.")
    domains: Words = Field(default=(), description="Business domains.")
    meta: Labels = Field(default_factory=dict, description="Anything else about it.")
    owner: Text = Field(default="", description="Who answers for it.")
    catchup: Annotated[bool, BeforeValidator(_as_catchup)] = Field(
        default=False, description="Whether intervals before now are run."
    )
    concurrency: Whole = Field(default=1, ge=0, description="DAG runs at a time.")
    max_active_steps: Whole | None = Field(default=None, ge=1, description="Steps at a time.")
    check_tasks: Annotated[Literal["one", "each"], BeforeValidator(as_text)] = Field(
        default="one", description="One task for an asset's checks, or one for each."
    )
    notifications: Notifications | None = Field(default=None, description="Who hears of success and failure.")
    metadata_push: Bag = Field(default_factory=dict, description="Where descriptions are sent.")
    assets: tuple[Bag, ...] = Field(default=(), description="Refused: each asset has a file of its own.")
    commit: Json = Field(default=None, description="Read by Bruin Cloud alone.")
    snapshot: Json = Field(default=None, description="Read by Bruin Cloud alone.")
    agent: Json = Field(default=None, description="Read by Bruin Cloud alone.")

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if len(name) > _LONGEST_NAME:
            raise refuse(f"the name has {len(name)} characters", f"at most {_LONGEST_NAME}", code="AM109")
        if not _NAME.fullmatch(name):
            raise refuse(f"{quoted(name)} is no name", "letters, digits, '_', '-' and '.'", code="AM109")
        return name

    @field_validator("schedule")
    @classmethod
    def _is_a_schedule(cls, schedule: str) -> str:
        schedule = schedule.strip()
        if schedule.startswith("@every"):
            return _every(schedule)
        if schedule in {"", ON_ASSETS, *_CRON_ALIASES} or schedule.removeprefix("@") in SCHEDULE_WORDS:
            return schedule
        if len(schedule) <= _LONGEST_NAME and len(schedule.split()) == _CRON_FIELDS and _is_cron(schedule):
            return schedule
        known = (*SCHEDULE_WORDS, ON_ASSETS, "@every 1h", "five cron fields as '0 6 * * *'")
        raise refuse(f"{quoted(schedule)} is no schedule", suggest(schedule.lower(), known), code="AM113")

    @field_validator("concurrency")
    @classmethod
    def _none_is_one(cls, concurrency: int) -> int:
        return concurrency or 1


def _every(schedule: str) -> str:
    try:
        long_enough = parse_duration(schedule.removeprefix("@every").strip()) >= timedelta(seconds=1)
    except (ValueError, OverflowError):
        long_enough = False
    if not long_enough:
        raise refuse(f"{quoted(schedule)} is no schedule", "@every and a duration, as @every 1h30m", code="AM113")
    return schedule


# The same at every parse, so that the answer is, too.
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def _is_cron(schedule: str) -> bool:
    from croniter import CroniterBadDateError, croniter

    if not croniter.is_valid(schedule):
        return False
    try:
        croniter(schedule, _SOME_DAY).get_next()
    except CroniterBadDateError:
        # It never comes, as 31 February. Airflow looks for its next run when it stores the DAG, and fails there.
        return False
    return True
