"""How MySQL and MariaDB write names, values and conditions."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa

from airflow_materialize.destinations.arrow import is_json, is_text
from airflow_materialize.destinations.mysql.types import is_text_type, length_of
from airflow_materialize.destinations.placeholders import formatted
from airflow_materialize.destinations.reading import Parameters
from airflow_materialize.destinations.spelling import Spelling
from airflow_materialize.errors import MaterializeError

LONGEST_NAME = 64
_DIGEST = 8
_INDEXED = 190
"""The characters of an unlimited text that an index holds: four such columns fit into one."""


class MySQLSpelling(Spelling):
    """The part of a session that writes SQL and runs none."""

    dialect = "mysql"
    committing = frozenset(
        {*("alter", "create", "drop", "grant", "install", "rename", "revoke", "truncate", "uninstall"),
         *("analyze", "call", "check", "flush", "lock", "optimize", "repair", "reset", "unlock")}
    )  # fmt: skip
    collation = ""
    """The one of texts that the header gives none."""

    def quote(self, identifier: str) -> str:  # noqa: D102
        super().quote(identifier)
        return f"`{self.spelled(identifier).replace('`', '``')}`"

    def spelled(self, name: str) -> str:  # noqa: D102
        if len(name) <= LONGEST_NAME:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST]
        return f"{name[: LONGEST_NAME - _DIGEST - 1]}_{digest}"

    def fold(self, name: str) -> str:  # noqa: D102
        return self.spelled(name).lower()

    def same(self, left: str, right: str) -> str:  # noqa: D102
        return f"{left} <=> {right}"

    def unchanged(self, left: str, right: str, arrow_type: pa.DataType, *, collated: bool) -> str:  # noqa: ARG002, D102
        if is_text(arrow_type) or is_json(arrow_type):
            # Whatever the table's collation takes for equal.
            left, right = (f"CAST({side} AS BINARY)" for side in (left, right))
        return self.same(left, right)

    def apart(self, query: str) -> str:  # noqa: D102
        # Else it would be joined row by row where the table has no index: this one gets its own.
        return f"({query} LIMIT {2**64 - 1})"

    def update_from(self, target: str, staging: str, changes: Mapping[str, str], condition: str) -> str:  # noqa: D102
        listed = ", ".join(f"target.{name} = {value}" for name, value in changes.items())
        return f"UPDATE {target} AS target JOIN {staging} AS source ON {condition} SET {listed}"  # noqa: S608

    def text(self, value: str) -> str:  # noqa: D102
        quoted = value.replace("\\", "\\\\").replace("'", "''")
        return f"'{quoted}'"

    def as_text(self, sql: str) -> str:  # noqa: D102
        return f"CAST({sql} AS CHAR)"

    def definition(  # noqa: D102
        self, sql_type: str, *, collation: str = "", default: str = "", required: bool = False
    ) -> str:
        # Only an expression in parentheses may be the default of a text.
        return super().definition(
            sql_type, collation=collation, default=f"({default})" if default else "", required=required
        )

    def completed(self, definition: str) -> str:
        """Return a column's definition with the collation of texts, where it has none."""
        kind, _, rest = definition.partition(" ")
        if not is_text_type(kind) or rest.startswith(("COLLATE", "CHARACTER")):
            return definition
        return f"{kind} COLLATE {self.collation} {rest}".rstrip()

    def creation(self, what: str, columns: Mapping[str, str], further: str = "", comment: str = "") -> str:
        """Return a CREATE statement.

        Args:
            what: The kind and the quoted name.
            columns: Its columns with their definitions.
            further: What stands behind the columns.
            comment: The table's.
        """
        defined = self.definitions({name: self.completed(kind) for name, kind in columns.items()})
        told = f" COMMENT = {self.text(comment)}" if comment else ""
        return f"CREATE {what} ({defined}{further}) ENGINE = InnoDB COLLATE = {self.collation}{told}"

    def index_part(self, name: str, definition: str) -> str:
        """Return a column as an index lists it: with a length, where it holds long texts or bytes."""
        kind = definition.partition(" ")[0]
        is_long = kind.endswith(("TEXT", "BLOB", "JSON")) or (length_of(kind) or 0) > _INDEXED
        return f"{self.quote(name)}({_INDEXED})" if is_long else self.quote(name)

    def moment(self, arrow_type: pa.DataType, *, whole_day: bool) -> str:  # noqa: D102
        if pa.types.is_date(arrow_type):
            return "UTC_DATE()"
        moment = "CAST(UTC_DATE() AS DATETIME(6))" if whole_day else "UTC_TIMESTAMP(6)"
        if pa.types.is_timestamp(arrow_type):
            return moment
        return self.as_text("UTC_DATE()" if whole_day else moment)

    def unmatched_pattern(self, column_sql: str) -> str:  # noqa: D102
        return f"NOT ({self.as_text(column_sql)} COLLATE utf8mb4_bin REGEXP ?)"


def placed(sql: str, parameters: Parameters) -> tuple[str, Any]:
    """Return a statement and its values as the driver takes them: `%s` for each `?`, or `%(name)s` for each `:name`."""
    if not parameters:
        return sql, None
    named = isinstance(parameters, Mapping)
    return formatted(sql, named=named, backslashes=True), dict(parameters) if named else tuple(parameters)


def bound(value: Any) -> Any:
    """Return a value of Python's as the driver takes it, as a column holds such values.

    Raises:
        MaterializeError: The database has no exact value for it.
    """
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return moment.isoformat(" ", "microseconds")
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if isinstance(value, date | time | UUID):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise MaterializeError(f"MySQL has no {value}", hint="None in its place")
    if value is None or isinstance(value, bool | int | float | str | bytes | Decimal):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise MaterializeError(f"{type(value).__name__} cannot be bound in MySQL: {error}") from error


def time_of_day(value: Any) -> Any:
    """Return a time of day as Python has it, where the driver counts from midnight; anything else as it is."""
    if isinstance(value, timedelta) and timedelta(0) <= value < timedelta(days=1):
        seconds, microseconds = divmod(value // timedelta(microseconds=1), 1_000_000)
        return time(seconds // 3600, seconds // 60 % 60, seconds % 60, microseconds)
    return value
