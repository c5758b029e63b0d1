"""How a result becomes the table: what a user may type under `materialization`."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field, field_validator

from airflow_materialize.definition.text.fields import Flag, Model, Text, Words, as_text, quoted, refuse
from airflow_materialize.definition.text.problems import suggest


class Strategy(NamedTuple):
    """What one strategy requires of the header.

    Attributes:
        description: What the table holds after the load.
        primary_key: Whether at least one column must be a primary key.
        incremental_key: Whether an `incremental_key` is needed.
        whole: Whether the result is all that there is, so that one of an older interval is superseded.
        history: Whether the table keeps the former versions of each row.
    """

    description: str
    primary_key: bool = False
    incremental_key: bool = False
    whole: bool = False
    history: bool = False


DEFAULT_STRATEGY = "create+replace"

STRATEGIES: dict[str, Strategy] = {
    "append": Strategy("The result's rows are added."),
    "create+replace": Strategy("The table holds exactly the result, and has its columns.", whole=True),
    "delete+insert": Strategy(
        "Rows of the result's incremental keys are replaced by the result.", incremental_key=True
    ),
    "merge": Strategy("Rows are updated by primary key, new ones are inserted.", primary_key=True),
    "scd2_by_column": Strategy(
        "A changed row stays as a former version, valid until the load; the result's version is current. Rows that the "
        "result lacks are no longer current.",
        primary_key=True,
        whole=True,
        history=True,
    ),
    "scd2_by_time": Strategy(
        "The same, where a version is newer if its `incremental_key` is, and is valid from then on.",
        primary_key=True,
        incremental_key=True,
        whole=True,
        history=True,
    ),
    "truncate+insert": Strategy(
        "The table holds exactly the result's rows, and keeps the columns that the result lacks.", whole=True
    ),
}
"""The strategies that a user may ask for. What each does is in `load/strategies.py`."""

TYPES = ("none", "table", "view")
"""What a materialization may be."""

HISTORY_COLUMNS = ("_valid_from", "_valid_until", "_is_current")
"""The columns by which a table with history tells the versions of a row apart, filled by the load."""


class Materialization(Model):
    """How the result of `materialize()` becomes the table."""

    type: Text = Field(
        default="",
        description="`table` makes a table, `view` one with a view over it; `none`, or nothing, a plain script.",
    )
    strategy: Text = Field(default=DEFAULT_STRATEGY, description="How the result meets the rows that are there.")
    partition_by: Text = Field(default="", description="Column or expression by which the database partitions.")
    cluster_by: Words = Field(default=(), description="Columns by which the database clusters.")
    incremental_key: Text = Field(
        default="", description="The column by which delete+insert replaces rows, and a merge knows the newer of two."
    )
    incremental_predicate: Text = Field(
        default="", description="A further condition on the rows that a merge matches, of `target.…` and `source.…`."
    )
    time_granularity: Annotated[Literal["", "date", "timestamp"], BeforeValidator(as_text)] = Field(
        default="", description="Whether the incremental key holds days or points in time."
    )
    on_schema_change: Annotated[Literal["evolve", "freeze", "ignore", "sync"], BeforeValidator(as_text)] = Field(
        default="evolve", description="What happens where result and table differ in their columns."
    )
    enforce_schema: Flag = Field(default=False, description="Whether declared types are the table's, by checked casts.")
    enforce_key: Flag = Field(
        default=False, description="Whether the table has a unique index on its primary key, made where it is missing."
    )
    on_duplicate_key: Annotated[Literal["error", "last"], BeforeValidator(as_text)] = Field(
        default="error", description="What a merge does with two rows of one key."
    )
    on_null_key: Annotated[Literal["error", "match"], BeforeValidator(as_text)] = Field(
        default="error", description="What a merge does with a NULL in a key."
    )
    delete_by: Annotated[Literal["values", "interval"], BeforeValidator(as_text)] = Field(
        default="values", description="Whether delete+insert deletes by the result's values or by the interval."
    )
    allow_empty: Flag = Field(default=False, description="Whether a full refresh may empty a table that has rows.")
    publish: Annotated[Literal["at_once", "after_checks"], BeforeValidator(as_text)] = Field(
        default="at_once", description="Whether readers see the load before or after its blocking checks."
    )
    guarantee: Annotated[Literal["exactly_once", "at_least_once"], BeforeValidator(as_text)] = Field(
        default="exactly_once", description="The weakest promise of the destination that is good enough."
    )

    @field_validator("type")
    @classmethod
    def _is_a_type(cls, text: str) -> str:
        word = text.lower()
        if word not in {"", *TYPES}:
            message = f"{quoted(text)} is no type of materialization"
            raise refuse(message, suggest(word, TYPES), code="AM202")
        return word

    @field_validator("strategy")
    @classmethod
    def _is_a_strategy(cls, text: str) -> str:
        word = text.lower() or DEFAULT_STRATEGY
        if word in STRATEGIES:
            return word
        if word == "time_interval":
            hint = "use delete+insert with an `incremental_key`"
            raise refuse("'time_interval' is not supported", hint, code="AM201")
        raise refuse(f"{quoted(text)} is no strategy", suggest(word, STRATEGIES), code="AM201")
