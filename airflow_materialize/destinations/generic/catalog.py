"""What stands in any database: by its information_schema, else by what a query gives."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from airflow_materialize.destinations.base import Table
from airflow_materialize.destinations.generic.spelling import GenericSpelling
from airflow_materialize.destinations.generic.types import arrow_type
from airflow_materialize.destinations.sqlite.values import affinity
from airflow_materialize.errors import MaterializeError

Way = Literal["information_schema", "pragma", "description"]
"""How a database says what stands in it."""

_UNTOLD = "of a type that the database does not tell"
_TABLES = {"BASE TABLE", "TABLE"}
_COLUMNS = "column_name, data_type, numeric_precision, numeric_scale, datetime_precision, is_nullable, column_default"
_SCHEMAS = ("SELECT CURRENT_SCHEMA", "SELECT CURRENT_SCHEMA()", "SELECT SCHEMA_NAME()", "SELECT DATABASE()")


class Place(NamedTuple):
    """Where a connection leads.

    Attributes:
        way: How its catalog is read.
        schema: The schema of names without one; empty where nobody can tell.
    """

    way: Way
    schema: str = ""


class Column(NamedTuple):
    """A column of a table that is there. `arrow` is null where no type is known that holds its values exactly."""

    name: str
    sql: str
    arrow: pa.DataType
    required: bool = False


class GenericCatalog(GenericSpelling):
    """The part of a session that looks at what is there."""

    place: Place

    def __init__(self) -> None:
        self._made: dict[Table, list[str]] = {}
        self._unknown: set[str] = set()

    def enforce_key(self, table: Table, columns: Sequence[str]) -> None:  # noqa: ARG002, D102
        raise MaterializeError(
            "enforce_key has no meaning here: nobody knows how this database makes an index, and whether it has one",
            hint="leave it out, and make the index by hand",
        )

    def count_to(self, table: Table, most: int) -> int:  # noqa: ARG002, D102
        # Databases have no common word for the first rows.
        return self.count(table)

    @abstractmethod
    def described(self, sql: str) -> list[str] | None:
        """Return the names of a query's columns; None where the database refuses the query."""

    def find_place(self) -> Place:
        """Return where this connection leads. Nothing may be open that a refused query would take along."""
        if self.style.few_classes and self.described("SELECT name, type FROM pragma_table_info('sqlite_master')"):
            return Place("pragma")
        if self.described("SELECT table_type FROM information_schema.tables WHERE 1 = 0"):
            found = (self.rows(query)[0][0] for query in _SCHEMAS if self.described(query))
            return Place("information_schema", next(filter(None, found), ""))
        return Place("description")

    def kind(self, table: Table) -> Literal["table", "view", ""]:  # noqa: D102
        if self.place.way == "description":
            return "table" if self.columns(table) else ""
        if self.place.way == "pragma":
            query = "SELECT upper(type) FROM sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE"
            found = self.rows(query, [table.name])
        else:
            found = self.rows(*self._information("table_type", "tables", table))
        if not found:
            return ""
        word = str(found[0][0]).upper()
        if word in _TABLES:
            return "table"
        if word != "VIEW":
            raise MaterializeError(
                f"{table} is a {word.lower()}, into which nothing is loaded",
                hint="drop it, or give the asset another name",
            )
        return "view"

    def columns(self, table: Table) -> dict[str, str] | None:  # noqa: D102
        return {column.name: column.sql for column in self.described_columns(table)} or None

    def required(self, table: Table) -> set[str]:  # noqa: D102
        return {column.name for column in self.described_columns(table) if column.required}

    def arrow_types(self, table: Table) -> dict[str, pa.DataType]:  # noqa: D102
        return {column.name: column.arrow for column in self.described_columns(table)}

    def create_schema(self, table: Table) -> None:  # noqa: D102
        schema = table.schema or self.place.schema
        if self.place.way != "information_schema" or not schema:
            return
        query = "SELECT 1 FROM information_schema.schemata WHERE schema_name = ?"
        if not self.rows(query, [schema]):
            self.execute(f"CREATE SCHEMA {self.quote(schema)}")

    def is_unknown(self, sql_type: str) -> bool:
        """Whether this is the type of a column that is there, and no Arrow type is known for it."""
        return sql_type in self._unknown

    def described_columns(self, table: Table) -> list[Column]:
        """Return the columns of a table; none where there is no such table."""
        found = self._read(table)
        self._unknown |= {column.sql for column in found if pa.types.is_null(column.arrow)}
        return found

    def _read(self, table: Table) -> list[Column]:
        if self.place.way == "pragma":
            query = 'SELECT name, type, "notnull", dflt_value FROM pragma_table_info(?)'
            return [
                Column(name, kind.upper(), affinity(kind.upper()), bool(required) and default is None)
                for name, kind, required, default in self.rows(query, [table.name])
            ]
        if self.place.way == "description":
            names = self._made.get(table)
            if names is None:
                names = self.described(f"SELECT * FROM {self.name_of(table)} WHERE 1 = 0")
            return [Column(name, _UNTOLD, pa.null()) for name in names or ()]
        query, parameters = self._information(_COLUMNS, "columns", table)
        return [self._column(row) for row in self.rows(f"{query} ORDER BY ordinal_position", parameters)]

    def _column(self, row: Sequence[Any]) -> Column:
        name, kind, precision, scale, fraction, nullable, default = row
        arrow = arrow_type(kind, precision, scale, fraction, self.style)
        # As a new table would have it, so that the two compare.
        sql = kind.upper() if pa.types.is_null(arrow) else self.column_type(arrow)
        return Column(name, sql, arrow, nullable == "NO" and default is None)

    def _information(self, what: str, view: str, table: Table) -> tuple[str, list[str]]:
        conditions = {"table_name": table.name, "table_schema": table.schema or self.place.schema}
        if not conditions["table_schema"]:
            raise MaterializeError(f"{table} has no schema, and the connection has none by itself", hint="schema.table")
        if table.catalog:
            conditions["table_catalog"] = table.catalog
        condition = " AND ".join(f"{name} = ?" for name in conditions)
        return f"SELECT {what} FROM information_schema.{view} WHERE {condition}", [*conditions.values()]
