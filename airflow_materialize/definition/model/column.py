"""Columns and their checks, as a header declares them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import Field, ValidationInfo, field_validator, model_validator

from airflow_materialize.definition.model.default import default_problem
from airflow_materialize.definition.model.masks import mask_problem
from airflow_materialize.definition.text.fields import (
    Flag,
    Json,
    Labels,
    Model,
    Plain,
    Text,
    Whole,
    Words,
    as_text,
    as_value,
    describe,
    quoted,
    refuse,
)
from airflow_materialize.definition.text.problems import suggest

# Databases know more than Python's `re`: classes by property, \z, \Q…\E, and flags inside of the pattern.
_FOREIGN_PATTERN = re.compile(r"\\[pP](?:\{\^?\w+\}|\w)|\\[zQEC]|\(\?[a-zA-Z]+\)")
_COLLATION = re.compile(r"\w[\w@-]*(?:\.\w[\w@-]*)*")


class CheckKind(NamedTuple):
    """What one kind of column check asks of its value.

    Attributes:
        description: What the check says about the column.
        wants: What its value is, in words; empty where it takes none.
        accepts: Whether a value will do.
        schema: The same as JSON Schema, as far as it goes.
    """

    description: str
    wants: str = ""
    accepts: Callable[[Any], bool] = lambda value: value is None
    schema: Mapping[str, Any] = MappingProxyType({})


_NO_CHOICE = (dict, list, tuple, type(None))


def _is_bound(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _is_choice(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and not any(isinstance(item, _NO_CHOICE) for item in value)


def _is_pattern(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # POSIX classes look like nested sets to Python.
        try:
            re.compile(_FOREIGN_PATTERN.sub("x", value))
        except (re.error, OverflowError, RecursionError):
            return False
    return True


_BOUND = "a number or a text"
_SCALAR = {"type": ["string", "number", "boolean"]}
_BOUND_SCHEMA = {"type": ["number", "string"]}
_CHOICES_SCHEMA = {"type": "array", "minItems": 1, "items": {"type": [*_SCALAR["type"], "null"]}}

CHECKS: dict[str, CheckKind] = {
    "not_null": CheckKind("No value is NULL."),
    "unique": CheckKind("No value stands twice. NULLs do not count."),
    "positive": CheckKind("Every value is above zero."),
    "non_negative": CheckKind("Every value is zero or more."),
    "negative": CheckKind("Every value is below zero."),
    "min": CheckKind("Every value is at least `value`.", _BOUND, _is_bound, _BOUND_SCHEMA),
    "max": CheckKind("Every value is at most `value`.", _BOUND, _is_bound, _BOUND_SCHEMA),
    "accepted_values": CheckKind(
        "Every value is one of `value`.", "a list of at least one value", _is_choice, _CHOICES_SCHEMA
    ),
    "pattern": CheckKind(
        "Every value matches the regular expression `value`.", "a regular expression", _is_pattern, _SCALAR
    ),
    "relationships": CheckKind("Every value stands in the column that `foreign_key` names."),
}
"""The checks that a column may ask for. What each does is in `checks/kinds.py`."""


class Check(Model):
    """One check of one column."""

    name: Text = Field(description="Which check.")
    value: Json = Field(
        default=None, validate_default=True, description="What min, max, accepted_values and pattern compare with."
    )
    blocking: Flag = Field(default=True, description="Whether downstream assets wait for it and fail with it.")
    description: Text = Field(default="", description="Why the check is there.")
    retries: Whole | None = Field(default=None, ge=0, description="How often a failed check is tried again.")
    notifications: Json = Field(default=None, description="Who hears of its result.")

    @model_validator(mode="before")
    @classmethod
    def _read_value_as_its_kind_does(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        value = data.get("value")
        if data.get("name") == "pattern" and isinstance(value, Plain):
            return {**data, "value": str(value)}
        if data.get("name") == "accepted_values" and isinstance(value, list | tuple):
            return {**data, "value": _choices(value)}
        return data

    @field_validator("name")
    @classmethod
    def _is_a_check(cls, name: str) -> str:
        if name not in CHECKS:
            raise refuse(f"{quoted(name)} is no check", suggest(name, CHECKS), code="AM206")
        return name

    @field_validator("value")
    @classmethod
    def _value_fits(cls, value: Any, info: ValidationInfo) -> Any:
        value = tuple(value) if isinstance(value, list) else value
        kind = CHECKS.get(info.data.get("name", ""))
        if kind and kind.wants and value in (None, ""):
            raise refuse(f"{info.data['name']} needs a `value`", kind.wants, instead="name", code="AM207")
        if kind and kind.wants and not kind.accepts(value):
            raise refuse(f"{info.data['name']} cannot use {_shown(value)}", f"it takes {kind.wants}", code="AM207")
        return value


def _choices(values: Sequence[Any]) -> list[Any]:
    """Whole numbers if all of them are, else their texts as written: `001` and `1.50` keep their zeros."""
    typed = as_value(values)
    if all(isinstance(value, int) and not isinstance(value, bool) for value in typed):
        return typed  # type: ignore[no-any-return]  # as_value keeps a list a list
    return [str(value) if isinstance(value, str | int | float) else value for value in values]


def _shown(value: Any) -> str:
    if not isinstance(value, tuple) or not value:
        return "an empty list" if value == () else describe(value)
    odd = [item for item in value if isinstance(item, _NO_CHOICE)]
    return f"a list in which an item is {describe(odd[0])}" if odd else "a list"


class ForeignKey(Model):
    """The column that a column's values come from."""

    table: Text = Field(description="The other table.")
    column: Text = Field(description="Its column.")


class Upstream(Model):
    """A column that a column is made of."""

    table: Text = Field(description="The other table.")
    column: Text = Field(default="", description="Its column.")


class Column(Model):
    """One column of the table."""

    name: Text = Field(description="Its name in the table; with `extends`, the glossary's unless said.", min_length=1)
    type: Text = Field(default="", description="Its type, in the words of any database.")
    description: Text = Field(default="", description="What it holds.")
    primary_key: Flag = Field(default=False, description="Whether it is part of the key that merge matches rows by.")
    nullable: Flag = Field(default=True, description="Whether it may be NULL.")
    default: Text = Field(
        default="",
        description="Its value where the result lacks it: a number, a text in single quotes, true, false, CURRENT_DATE "
        "or CURRENT_TIMESTAMP.",
    )
    update_on_merge: Flag = Field(default=False, description="Whether a merge changes it in matched rows.")
    merge_sql: Text = Field(
        default="", description="The expression that a merge sets it to in matched rows, of `target.…` and `source.…`."
    )
    checks: tuple[Check, ...] = Field(default=(), description="Checks of its values.")
    mask: Text = Field(default="", description="How its values are masked before they are staged.")
    source_column: Text = Field(default="", description="Its name in the result, where that differs.")
    precision: Whole | None = Field(default=None, ge=1, description="Digits of a decimal.")
    scale: Whole | None = Field(default=None, ge=0, description="Digits of a decimal after the point.")
    length: Whole | None = Field(default=None, ge=1, description="Length of a text.")
    collation: Text = Field(default="", description="How its texts compare: a collation of the database.")
    foreign_key: ForeignKey | None = Field(default=None, description="The column that its values come from.")
    upstreams: tuple[Upstream, ...] = Field(default=(), description="Columns that it is made of, for lineage.")
    tags: Words = Field(default=(), description="Words to find it by.")
    domains: Words = Field(default=(), description="Business domains.")
    meta: Labels = Field(default_factory=dict, description="Anything else about it.")
    owner: Text = Field(default="", description="Who answers for it.")
    extends: Text = Field(default="", description="A glossary attribute, as `Entity.Attribute`.")
    sensitive: Flag = Field(default=False, description="Whether its values stay out of samples and logs.")

    @field_validator("default")
    @classmethod
    def _is_a_default(cls, default: str) -> str:
        if hint := default_problem(default):
            raise refuse(f"{quoted(default)} is no default", hint, code="AM213")
        return default.strip()

    @field_validator("mask")
    @classmethod
    def _is_a_mask(cls, mask: str, info: ValidationInfo) -> str:
        if mask and (problem := mask_problem(mask, info.data.get("name", ""))):
            raise refuse(*problem, code="AM221")
        return mask

    @field_validator("collation")
    @classmethod
    def _is_a_collation(cls, collation: str) -> str:
        if collation and not _COLLATION.fullmatch(collation):
            raise refuse(f"{quoted(collation)} is no collation", "a name that the database knows", code="AM214")
        return collation

    @field_validator("extends")
    @classmethod
    def _names_an_attribute(cls, extends: str) -> str:
        if extends and not re.fullmatch(r"[^.]+\.[^.]+", as_text(extends)):
            raise refuse(f"{quoted(extends)} is no glossary attribute", "Entity.Attribute", code="AM601")
        return extends

    @field_validator("scale")
    @classmethod
    def _goes_with_the_precision(cls, scale: int | None, info: ValidationInfo) -> int | None:
        if scale is None or "precision" not in info.data:
            return scale
        precision = info.data["precision"]
        if precision is None:
            raise refuse("scale needs a precision", "add `precision`", code="AM118")
        if scale > precision:
            raise refuse(f"scale {scale} is above precision {precision}", f"at most {precision}", code="AM118")
        return scale
