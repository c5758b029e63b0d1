"""The asset: everything that a header can say."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from airflow_materialize.definition.model.column import Column
from airflow_materialize.definition.model.materialization import Materialization
from airflow_materialize.definition.model.notifications import Notifications
from airflow_materialize.definition.model.resources import Resources
from airflow_materialize.definition.model.retries import RetryRule
from airflow_materialize.definition.model.uris import Uri
from airflow_materialize.definition.text.fields import (
    Bag,
    Day,
    Flag,
    Json,
    Labels,
    Model,
    Tags,
    Text,
    Whole,
    Words,
    as_flag,
    as_text,
    parse_duration,
    quoted,
    refuse,
)
from airflow_materialize.definition.text.problems import suggest

PYTHONS = tuple(f"python:3.{minor}" for minor in range(9, 15))
"""The images that an asset may ask for."""

_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_LONGEST_NAME = 200
_TABLE_PARTS = 3
_MODIFIER = re.compile(r"[+-]?\d+(?:h|ms|ns|m|s|d|M)|0")
_TEMPLATE = re.compile(r"\{\{|\{%")


def _lower(value: Any) -> str:
    return as_text(value).lower()


class Dependency(Model):
    """Something that must be there before the asset runs."""

    asset: Text = Field(default="", description="The name of an asset.")
    uri: Uri = Field(default="", description="The URI of an asset of another pipeline.")
    columns: tuple[dict[str, Text], ...] = Field(default=(), description="Its columns that are read, for lineage.")
    mode: Annotated[Literal["full", "symbolic"], BeforeValidator(_lower)] = Field(
        default="full", description="`full` waits for it; `symbolic` is lineage only."
    )

    @model_validator(mode="before")
    @classmethod
    def _a_name_alone_is_an_asset(cls, data: Any) -> Any:
        return {"asset": data} if isinstance(data, str) else data

    @field_validator("columns", mode="before")
    @classmethod
    def _a_column_may_be_its_name(cls, columns: Any) -> Any:
        if not isinstance(columns, list | tuple):
            return columns
        return [{"name": column} if isinstance(column, str) else column for column in columns]

    @model_validator(mode="after")
    def _names_one_thing(self) -> Self:
        if bool(self.asset) == bool(self.uri):
            both = "both asset and uri" if self.asset else "neither asset nor uri"
            raise refuse(f"a dependency names {both}", "exactly one of the two", code="AM115")
        return self


class Secret(Model):
    """A connection that user code gets to see."""

    key: Text = Field(description="The connection id.", min_length=1)
    inject_as: Text = Field(default="", description="The environment variable; the connection id unless said.")

    @model_validator(mode="before")
    @classmethod
    def _is_injected_as_its_key(cls, data: Any) -> Any:
        if isinstance(data, dict) and "key" in data and not data.get("inject_as"):
            return {**data, "inject_as": data["key"]}
        return data


class CustomCheck(Model):
    """A check by a query of its own."""

    name: Text = Field(description="What a report calls it.", min_length=1)
    description: Text = Field(default="", description="Why the check is there.")
    query: Text = Field(description="One SELECT, with templates.")
    value: Whole = Field(default=0, description="The number that the query must give.")
    count: Whole | None = Field(default=None, ge=0, description="The number of rows that the query must give instead.")
    blocking: Flag = Field(default=True, description="Whether downstream assets wait for it and fail with it.")
    retries: Whole | None = Field(default=None, ge=0, description="How often a failed check is tried again.")
    notifications: Json = Field(default=None, description="Who hears of its result.")

    @field_validator("query")
    @classmethod
    def _says_something(cls, query: str) -> str:
        if not query.strip():
            raise refuse("the query is empty", "one SELECT", code="AM211")
        return query


class Hook(Model):
    """One statement around the load."""

    query: Text = Field(description="One statement, with templates.")

    @field_validator("query")
    @classmethod
    def _says_something(cls, query: str) -> str:
        if not query.strip():
            raise refuse("the query is empty", "one statement", code="AM211")
        return query


class Hooks(Model):
    """Statements around the load."""

    pre: tuple[Hook, ...] = Field(default=(), description="Before it, in its transaction.")
    post: tuple[Hook, ...] = Field(default=(), description="After it, in its transaction.")
    applicable_type: Words = Field(
        default=(), description="Under `default`: the asset types that the hooks are for; all of them unless said."
    )


class IntervalModifiers(Model):
    """A longer or shifted reach of the interval."""

    start: Text = Field(default="", description="Added to the start: a number and h, m, s, d, M, ms or ns, as `-2h`.")
    end: Text = Field(default="", description="Added to the end, likewise.")

    @field_validator("start", "end")
    @classmethod
    def _is_a_modifier(cls, text: str) -> str:
        if text and not _MODIFIER.fullmatch(text) and not _TEMPLATE.search(text):
            message, hint = f"{quoted(text)} is no interval modifier", "a number and its unit (h, m, s, d, M), as -2h"
            raise refuse(message, hint, code="AM112")
        return text


class Asset(Model):
    """One asset: a Python file that makes a table, or a plain script."""

    name: Text = Field(description="The asset's name: `[catalog.][schema.]table`. From the path unless said.")
    uri: Uri = Field(default="", description="Its identity for other pipelines: a URI without a credential.")
    type: Text = Field(default="python", description="The kind of asset: `python`.")
    enabled: bool | str = Field(default=True, description="Whether it runs: a boolean or a template.")
    description: Text = Field(default="", description="What it is.")
    run: Text = Field(default="", description="In `x.asset.yml`: the Python file, relative to that file.")
    depends: tuple[Dependency, ...] = Field(default=(), description="What must be there before it runs.")
    parameters: Bag = Field(
        default_factory=dict,
        description="Anything that the asset wants to know, with templates; and load options, as Bruin has them.",
    )
    connection: Text = Field(default="", description="The connection id of its table's database.")
    connections: Words = Field(default=(), description="Further connection ids that `query()` may use.")
    secrets: tuple[Secret, ...] = Field(default=(), description="Connections that user code gets to see.")
    image: Text = Field(default="", description="The Python that it runs on: `python:3.12`.")
    instance: Text = Field(default="", description="Where it runs: a queue, `queue:NAME`, or `pool:NAME`.")
    materialization: Materialization | None = Field(default=None, description="How its result becomes the table.")
    owner: Text = Field(default="", description="Who answers for it.")
    tier: Whole | None = Field(default=None, ge=1, le=5, description="How much it matters: 1 to 5.")
    start_date: Day = Field(default="", description="The first day that a full refresh covers: `YYYY-MM-DD`.")
    extends: Words = Field(default=(), description="Glossary entities whose attributes are its columns.")
    columns: tuple[Column, ...] = Field(default=(), description="Its columns.")
    custom_checks: tuple[CustomCheck, ...] = Field(default=(), description="Checks by queries of its own.")
    unit_tests: tuple[Bag, ...] = Field(default=(), description="Inputs and the output that they must give.")
    hooks: Hooks | None = Field(default=None, description="Statements around the load.")
    tags: Tags = Field(default=(), description="Words to find it by.")
    domains: Words = Field(default=(), description="Business domains.")
    meta: Labels = Field(default_factory=dict, description="Anything else about it.")
    metadata: Labels = Field(default_factory=dict, description="Anything else about it, likewise.")
    interval_modifiers: IntervalModifiers = Field(
        default_factory=IntervalModifiers, description="A longer or shifted reach of the interval."
    )
    retries: RetryRule | None = Field(
        default=None, description="How often `run` is tried again; the pipeline's unless said."
    )
    rerun_cooldown: Whole | None = Field(default=None, ge=-1, description="Seconds before `run` is tried again.")
    timeout: Text = Field(default="", description="How long `run` may take: `30s`, `10m`, `1h30m`.")
    refresh_restricted: Flag | None = Field(default=None, description="Whether a full refresh leaves the table alone.")
    full_refresh_restricted: Flag | None = Field(default=None, description="The same; it wins over the shorter name.")
    notifications: Notifications | None = Field(default=None, description="Who hears of success and failure.")
    routing: Bag = Field(default_factory=dict, description="How its traffic leaves the network.")
    resources: Resources = Field(default_factory=Resources, description="What its processes may use of the machine.")
    freshness: Json = Field(default=None, description="How old its table may become.")
    outputs: Json = Field(default=None, description="The tables of an asset that makes several.")
    snowflake: Bag = Field(default_factory=dict, description="Options for Snowflake.")
    athena: Bag = Field(default_factory=dict, description="Options for Athena.")
    bigquery: Bag = Field(default_factory=dict, description="Options for BigQuery.")
    doris: Bag = Field(default_factory=dict, description="Options for Doris.")
    starrocks: Bag = Field(default_factory=dict, description="Options for StarRocks.")

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The names of the columns that rows are matched by, in the order of the header."""
        return tuple(column.name for column in self.columns if column.primary_key)

    @property
    def is_table(self) -> bool:
        """Whether the asset makes a table."""
        return self.materialization is not None

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if len(name) > _LONGEST_NAME:
            raise refuse(f"the name has {len(name)} characters", f"at most {_LONGEST_NAME}", code="AM109")
        if not _NAME.fullmatch(name):
            hint = "letters, digits, '_' and '-', in parts joined by '.'"
            raise refuse(f"{quoted(name)} is no name", hint, code="AM109")
        return name

    @field_validator("type")
    @classmethod
    def _is_python(cls, kind: str) -> str:
        if kind.lower() not in {"", "python"}:
            raise refuse(f"{quoted(kind)} is no type of asset", suggest(kind, ("python",)), code="AM107")
        return kind

    @field_validator("enabled", mode="before")
    @classmethod
    def _is_a_flag_or_a_template(cls, value: Any) -> bool | str:
        if isinstance(value, str) and _TEMPLATE.search(value):
            return str(value)
        if isinstance(value, str) and value in {"1", "t", "T", "0", "f", "F"}:
            return value in {"1", "t", "T"}
        return as_flag(value)

    @field_validator("depends", mode="before")
    @classmethod
    def _one_dependency_is_a_list_of_one(cls, depends: Any) -> Any:
        return [depends] if isinstance(depends, str | dict) else depends

    @field_validator("connections", mode="before")
    @classmethod
    def _a_mapping_stands_for_its_values(cls, connections: Any) -> Any:
        return list(connections.values()) if isinstance(connections, dict) else connections

    @field_validator("instance")
    @classmethod
    def _is_a_queue_or_a_pool(cls, instance: str) -> str:
        kind, colon, name = instance.partition(":")
        if colon and (kind not in {"pool", "queue"} or not name.strip()):
            hint = "the name of a queue, queue:NAME or pool:NAME"
            raise refuse(f"{quoted(instance)} is neither a queue nor a pool", hint, code="AM134")
        return instance

    @field_validator("image")
    @classmethod
    def _is_a_python(cls, image: str) -> str:
        if image and image not in PYTHONS:
            hint = f"one of: {', '.join(PYTHONS)}"
            raise refuse(f"{quoted(image)} is no image that assets run on", hint, code="AM114")
        return image

    @field_validator("materialization")
    @classmethod
    def _no_type_is_no_materialization(
        cls, materialization: Materialization | None, info: ValidationInfo
    ) -> Materialization | None:
        if materialization is None or materialization.type in {"", "none"}:
            return None
        name = info.data.get("name", "")
        if name.count(".") >= _TABLE_PARTS:
            message = f"{quoted(name)} has too many parts for a table"
            raise refuse(message, "[catalog.][schema.]table", instead="name", code="AM109")
        return materialization

    @field_validator("timeout")
    @classmethod
    def _is_a_duration(cls, timeout: str) -> str:
        try:
            short = bool(timeout) and parse_duration(timeout) < timedelta(seconds=1)
        except ValueError:
            raise refuse(f"{quoted(timeout)} is no duration", "as 30s, 10m or 1h30m", code="AM111") from None
        if short:
            raise refuse(f"{quoted(timeout)} is too short", "at least 1s", code="AM111")
        return timeout
