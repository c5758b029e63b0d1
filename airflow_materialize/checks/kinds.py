"""The column checks: for each kind, the SQL that counts the rows that break it, and its words.

NULL breaks `not_null` alone; every other check passes over it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from airflow_materialize.checks.subject import Condition, Subject
from airflow_materialize.errors import MaterializeError

_LISTED = 10


@dataclass(frozen=True)
class Probe:
    """One aggregate of the scan, and what to say of its answer.

    Attributes:
        sql: The number of rows that break the rule.
        expected: What would have been right.
        one, many: What breaks the rule, for one row and for several.
        parameters: The values of the placeholders in `sql`.
    """

    sql: str
    expected: str
    one: str
    many: str
    parameters: tuple[Any, ...] = ()

    def found(self, count: int, rows: int) -> str:
        """Say what the table has: `3 NULLs in 1,000 rows`."""
        broken = f"{count:,} {self.one if count == 1 else self.many}" if count else f"no {self.one}"
        return f"{broken} in {rows:,} {'row' if rows == 1 else 'rows'}"


KINDS: dict[str, Callable[[Subject], Probe]] = {}
"""What each check of `definition/model/column.py` does, by its name."""


def _kind(function: Callable[[Subject], Probe]) -> Callable[[Subject], Probe]:
    KINDS[function.__name__.strip("_")] = function
    return function


@_kind
def not_null(subject: Subject) -> Probe:
    """No value is NULL."""
    return _rows(Condition(f"{subject.column} IS NULL"), "no NULL", "NULL", "NULLs")


@_kind
def unique(subject: Subject) -> Probe:
    """No value stands twice. The count is of the rows beyond the first of each value."""
    column = subject.column
    sql = f"COUNT({column}) - COUNT(DISTINCT {column})"
    return Probe(sql, "each value once", "repeated value", "repeated values")


@_kind
def positive(subject: Subject) -> Probe:
    """Every value is above zero."""
    return _values(subject.compared("<=", 0), "only values above 0", "of 0 or less")


@_kind
def non_negative(subject: Subject) -> Probe:
    """Every value is zero or more."""
    return _values(subject.compared("<", 0), "no value below 0", "below 0")


@_kind
def negative(subject: Subject) -> Probe:
    """Every value is below zero."""
    return _values(subject.compared(">=", 0), "only values below 0", "of 0 or more")


@_kind
def min_(subject: Subject) -> Probe:
    """Every value is at least the check's value."""
    place = f"below {subject.value}"
    return _values(subject.compared("<", subject.value), f"no value {place}", place)


@_kind
def max_(subject: Subject) -> Probe:
    """Every value is at most the check's value."""
    place = f"above {subject.value}"
    return _values(subject.compared(">", subject.value), f"no value {place}", place)


@_kind
def accepted_values(subject: Subject) -> Probe:
    """Every value, as the database writes it as text, is one of the check's values.

    So a float `1.0` is not in `[1]`, and a day is `2026-04-01`. A boolean is `true` or `false` in every database.
    """
    accepted = tuple(map(str, subject.value))
    lowered = tuple(text.lower() for text in accepted)
    column = subject.text
    if pa.types.is_boolean(subject.arrow_type) or (subject.stores(pa.bool_()) and {*lowered} <= {"true", "false"}):
        accepted, column = lowered, subject.truth
    shown = ", ".join(map(repr, accepted[:_LISTED]))
    more = f" and {len(accepted) - _LISTED} more" if len(accepted) > _LISTED else ""
    condition = Condition(f"{column} NOT IN ({', '.join('?' * len(accepted))})", accepted)
    return _rows(condition, f"only {shown}{more}", "other value", "other values")


@_kind
def pattern(subject: Subject) -> Probe:
    """The regular expression is found in the text of every value; anchors make it cover the whole."""
    condition = Condition(subject.session.unmatched_pattern(subject.column), (subject.value,))
    expected = f"only values that match {subject.value!r}"
    return _rows(condition, expected, "value that does not match", "values that do not match")


@_kind
def relationships(subject: Subject) -> Probe:
    """Every value stands in the column that `foreign_key` names.

    Raises:
        MaterializeError: The column has no foreign key.
    """
    if subject.parent is None:
        raise MaterializeError("the column has no `foreign_key`, which says where its values come from")
    table, name = subject.parent
    key = subject.session.quote(name)
    # A NULL among the keys would make NOT IN unknown for every row.
    keys = f"SELECT {key} FROM {subject.session.name_of(table)} WHERE {key} IS NOT NULL"  # noqa: S608  # quoted
    condition = Condition(f"{subject.column} IS NOT NULL AND {subject.column} NOT IN ({keys})")
    return _rows(condition, f"only values of {table}.{name}", "value that is not there", "values that are not there")


def _values(broken: Condition, expected: str, place: str) -> Probe:
    return _rows(broken, expected, f"value {place}", f"values {place}")


def _rows(broken: Condition, expected: str, one: str, many: str) -> Probe:
    return Probe(f"COUNT(CASE WHEN {broken.sql} THEN 1 END)", expected, one, many, broken.parameters)
