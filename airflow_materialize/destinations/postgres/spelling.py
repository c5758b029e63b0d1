"""How PostgreSQL writes types, names and conditions."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from airflow_materialize.destinations.arrow import canonical
from airflow_materialize.destinations.base import Session
from airflow_materialize.destinations.postgres import types
from airflow_materialize.destinations.spelling import moment_in_utc

LONGEST_NAME = 63
"""Bytes of a name. PostgreSQL cuts off the rest without a word."""


class PostgresSpelling(Session):
    """The part of a session that writes what only PostgreSQL writes so."""

    def spelled(self, name: str) -> str:  # noqa: D102
        if len(name.encode()) <= LONGEST_NAME:
            return name
        mark = "_" + hashlib.sha256(name.encode()).hexdigest()[:8]
        return name.encode()[: LONGEST_NAME - len(mark)].decode(errors="ignore") + mark

    def fold(self, name: str) -> str:  # noqa: D102
        return super().fold(self.spelled(name))

    def storable(self, arrow_type: pa.DataType) -> pa.DataType:  # noqa: D102
        plain = canonical(arrow_type)
        # There are no nanoseconds; the cast says which value has some.
        return pa.timestamp("us") if plain == pa.timestamp("ns") else plain

    def column_type(self, arrow_type: pa.DataType) -> str:  # noqa: D102
        return types.column_type(arrow_type)

    def room_for(self, sql_type: str, length: int) -> str:  # noqa: D102
        return types.room_for(sql_type, length)

    def moment(self, arrow_type: pa.DataType, *, whole_day: bool) -> str:  # noqa: D102
        return moment_in_utc(self.column_type(arrow_type), arrow_type, whole_day=whole_day)

    def unmatched_pattern(self, column_sql: str) -> str:  # noqa: D102
        return f"NOT (CAST({column_sql} AS text) ~ ?)"
