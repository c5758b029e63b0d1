"""How a database writes names, conditions and what a header says of a column."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    import pyarrow as pa

_UPPER = re.compile("[A-Z]+")


@dataclass(frozen=True)
class Table:
    """A table's name in its parts, unquoted. Empty parts take the connection's default.

    Attributes:
        name, schema, catalog: The parts.
        view: The name of the view over it that readers see, where there is one; it is what people are told.
    """

    name: str
    schema: str = ""
    catalog: str = ""
    view: str = field(default="", compare=False)

    def __str__(self) -> str:
        return ".".join(part for part in (self.catalog, self.schema, self.view or self.name) if part)

    @classmethod
    def named(cls, name: str, form: str, where: str = "", fold: Callable[[str], str] = str) -> Table:
        """Return the table of a name that has its parts in it.

        Args:
            name: What the author wrote.
            form: The parts that a name may have, as `[catalog.][schema.]table`.
            where: What errors say behind the name, as " in DuckDB".
            fold: What becomes of each part.

        Raises:
            MaterializeError: A part is empty, or there are too many.
        """
        parts = name.split(".")
        if len(parts) > form.count(".") + 1 or not all(parts):
            raise MaterializeError(f"{name!r} is no table name{where}", hint=form)
        catalog, schema, table = ["", ""][: 3 - len(parts)] + [fold(part) for part in parts]
        return cls(table, schema, catalog)


class Spelling(ABC):
    """The part of a session that writes SQL and runs none."""

    dialect: str
    """sqlglot's name of the dialect."""

    committing: frozenset[str] = frozenset()
    """First words of statements that commit what came before them, whatever the transaction."""

    def quote(self, identifier: str) -> str:
        """Return one name as a quoted identifier, as the SQL standard has it.

        Raises:
            MaterializeError: No database can hold such a name.
        """
        if not identifier or "\0" in identifier:
            raise MaterializeError(
                f"{identifier!r} is no name for a table or column", hint="at least one character, no NUL"
            )
        doubled = identifier.replace('"', '""')
        return f'"{doubled}"'

    def name_of(self, table: Table) -> str:
        """Return the table's quoted full name."""
        return ".".join(self.quote(part) for part in (table.catalog, table.schema, table.name) if part)

    def definitions(self, columns: Mapping[str, str]) -> str:
        """Return columns as CREATE TABLE lists them."""
        return ", ".join(f"{self.quote(name)} {definition}" for name, definition in columns.items())

    def definition(self, sql_type: str, *, collation: str = "", default: str = "", required: bool = False) -> str:
        """Return what stands behind a column's name where it is created.

        Args:
            sql_type: Its type.
            collation: The name of its collation; dots part the names of several.
            default: The expression of its default.
            required: Whether it is NOT NULL.
        """
        collate = f" COLLATE {'.'.join(map(self.quote, collation.split('.')))}" if collation else ""
        return sql_type + collate + (f" DEFAULT {default}" if default else "") + (" NOT NULL" if required else "")

    def spelled(self, name: str) -> str:
        """Return a column's name as the database keeps it, which shortens a name that is too long for it."""
        return name

    def fold(self, name: str) -> str:
        """Return what two names have in common that the database takes for one: here ASCII without case."""
        return _UPPER.sub(lambda match: match[0].lower(), name)

    def same(self, left: str, right: str) -> str:
        """Return the condition that two expressions are equal, where NULL equals NULL."""
        return f"{left} IS NOT DISTINCT FROM {right}"

    def unchanged(self, left: str, right: str, arrow_type: pa.DataType, *, collated: bool) -> str:  # noqa: ARG002
        """Return the condition that two values of a column are the very same, where NULL is NULL.

        Args:
            left: One expression.
            right: The other.
            arrow_type: What they hold.
            collated: Whether the column has a collation, by which other texts may count as equal.
        """
        return self.same(left, right)

    def apart(self, query: str) -> str:
        """Return a query as a table to join, computed before the join where the database does better so."""
        return f"({query})"

    def update_from(self, target: str, staging: str, changes: Mapping[str, str], condition: str) -> str:
        """Return the statement that changes rows of a table by those of another that meet a condition.

        Args:
            target: The table's quoted name; it is `target` in expressions.
            staging: The other's; it is `source`.
            changes: Quoted columns with the expressions that they are set to.
            condition: What joins them.
        """
        listed = ", ".join(f"{name} = {value}" for name, value in changes.items())
        return f"UPDATE {target} AS target SET {listed} FROM {staging} AS source WHERE {condition}"  # noqa: S608

    def as_text(self, sql: str) -> str:
        """Return the text of an expression's value."""
        return f"CAST({sql} AS VARCHAR)"

    def table_id(self, table: Table) -> str:
        """Return what two names have in common that the database takes for one table."""
        return self.fold(str(table))

    def text(self, value: str) -> str:
        """Return a text as a literal, as the SQL standard has it."""
        doubled = value.replace("'", "''")
        return f"'{doubled}'"

    @abstractmethod
    def moment(self, arrow_type: pa.DataType, *, whole_day: bool) -> str:
        """Return the expression of the current moment in UTC, or of its day, as a column of this type holds it."""

    @abstractmethod
    def unmatched_pattern(self, column_sql: str) -> str:
        """Return the condition that is true where a text has no part that matches the pattern bound to its one `?`.

        It is NULL where the column is NULL.
        """


def moment_in_utc(column_type: str, arrow_type: pa.DataType, *, whole_day: bool) -> str:
    """Return `moment` in the words that PostgreSQL and DuckDB share.

    Args:
        column_type: The database's own name of the type.
        arrow_type: The type.
        whole_day: Whether its day is meant.
    """
    import pyarrow as pa

    moment = "(now() AT TIME ZONE 'UTC')"
    if whole_day or pa.types.is_date(arrow_type):
        moment = f"CAST({moment} AS DATE)"
    if pa.types.is_timestamp(arrow_type) and arrow_type.tz:
        return f"(CAST({moment} AS TIMESTAMP) AT TIME ZONE 'UTC')"
    return f"CAST({moment} AS {column_type})"
