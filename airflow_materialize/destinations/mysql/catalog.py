"""What is there on a server of MySQL or MariaDB, and of which types."""

# ruff: noqa: D102  # Most of it is described where sessions are.

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_materialize.destinations.arrow import as_python
from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.destinations.mysql import types as mysql_types
from airflow_materialize.destinations.mysql.errors import INVALID_VIEW, code_of
from airflow_materialize.destinations.mysql.spelling import MySQLSpelling, bound
from airflow_materialize.destinations.spelling import Table
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_materialize.destinations.mysql.changes import Changes

_CHECK = re.compile(r"^  CONSTRAINT `((?:[^`]|``)+)` (CHECK .*?),?$", re.MULTILINE)
_JSON = re.compile(r"CHECK \(json_valid\(`((?:[^`]|``)+)`\)\)")


@dataclass(frozen=True)
class Server:
    """What there is to know of the server.

    Attributes:
        product: What it calls itself.
        home: The database that the connection starts in; empty where there is none.
        collation: In which texts are equal where they are the same, and not otherwise.
        folds_tables: Whether it takes `Orders` and `orders` for one table.
        local_infile: Whether it lets clients send files.
        is_read_only: Whether this session is for reading alone.
        undoes_statements: Whether a statement that waited too long for a lock leaves its transaction as it was.
    """

    product: str
    home: str
    collation: str
    folds_tables: bool
    local_infile: bool
    is_read_only: bool
    undoes_statements: bool


class MySQLCatalog(MySQLSpelling):
    """The part of a session that looks around.

    Args:
        server: Where the session is.
    """

    _changes: Changes

    def __init__(self, server: Server) -> None:
        self._server = server
        self._temporary: dict[Table, dict[str, str]] = {}
        self.product, self.collation = server.product, server.collation

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int: ...

    @abstractmethod
    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def is_going(self, table: Table, name: str) -> bool:
        """Whether a column is about to be dropped."""

    def place_of(self, table: Table) -> tuple[str, str]:
        """Return the database and the name of a table, as the server keeps them."""
        schema = table.schema or self._server.home
        if not schema:
            raise MaterializeError(
                f"{table} is in no database", hint=f"name it as database.{table.name}, or give the connection a schema"
            )
        place = schema, table.name
        return (place[0].lower(), place[1].lower()) if self._server.folds_tables else place

    def table_id(self, table: Table) -> str:
        return ".".join(self.place_of(table))

    def name_of(self, table: Table) -> str:
        return ".".join(map(self.quote, self.place_of(table)))

    def kind(self, table: Table) -> Literal["table", "view", ""]:
        found = self.rows(
            "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?",
            self.place_of(table),
        )
        return "" if not found else "view" if found[0][0].endswith("VIEW") else "table"

    def columns(self, table: Table) -> dict[str, str] | None:
        described = self.described(table)
        if described is None:
            return None
        kinds = {row[0]: mysql_types.spelled(row[1]) for row in described if not _is_computed(row)}
        # MariaDB's JSON is a text with a constraint.
        if any(row[1] == "longtext" and row[2] == "utf8mb4_bin" for row in described):
            statement = self.rows(f"SHOW CREATE TABLE {self.name_of(table)}")[0][1]
            kinds |= {name.replace("``", "`"): "JSON" for name in _JSON.findall(statement)}
        return {name: kind for name, kind in kinds.items() if not self.is_going(table, name)}

    def computed(self, table: Table) -> set[str]:
        return {row[0] for row in self.described(table) or () if _is_computed(row)}

    def required(self, table: Table) -> set[str]:
        return {
            name
            for name, _, _, null, _, default, extra, *_ in self.described(table) or ()
            if null == "NO" and default is None and not re.search("(?i)auto_increment|generated", extra)
        }

    def arrow_types(self, table: Table) -> dict[str, pa.DataType]:
        return {name: mysql_types.arrow_type(kind) for name, kind in (self.columns(table) or {}).items()}

    def collations(self, table: Table) -> dict[str, str]:
        described = self.described(table) or ()
        return {name: collation for name, _, collation, *_ in described if collation}

    def described(self, table: Table) -> list[tuple[Any, ...]] | None:
        """Return what SHOW FULL COLUMNS says, of temporary tables too; None where there is no such table."""
        if table not in self._temporary and self.kind(table) == "":
            return None
        try:
            return self.rows(f"SHOW FULL COLUMNS FROM {self.name_of(table)}")
        except StatementError as error:
            # A view over columns that are gone.
            if code_of(error.__cause__ or error) == INVALID_VIEW:
                return []
            raise

    def defined(self, table: Table, name: str) -> tuple[str, str]:
        """Return a column's type and its other rules, as SHOW CREATE TABLE has them."""
        statement = self.rows(f"SHOW CREATE TABLE {self.name_of(table)}")[0][1]
        kind = next(row[1] for row in self.described(table) or () if row[0] == name)
        start = f"  {self.quote(name)} {kind}"
        # A name may have line breaks; what follows the type has none.
        rest = statement.partition(f"\n{start}")[2]
        return kind, rest.partition("\n")[0].rstrip(",")

    def checks(self, table: Table) -> dict[str, str]:
        """Return the CHECK constraints of a table by their names; one of a column is a part of its definition."""
        statement = self.rows(f"SHOW CREATE TABLE {self.name_of(table)}")[0][1]
        return {name.replace("``", "`"): text for name, text in _CHECK.findall(statement)}

    def comments(self, table: Table) -> dict[str, str]:
        told = self.rows(
            "SELECT TABLE_COMMENT FROM information_schema.TABLES"
            " WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND TABLE_TYPE NOT LIKE '%TEMPORARY%'",
            self.place_of(table),
        )
        found = {"": told[0][0] if told else ""} | {row[0]: row[8] for row in self.described(table) or ()}
        return {name: text for name, text in found.items() if text}

    def indexes(self, table: Table) -> dict[str, tuple[bool, list[tuple[str, int | None]]]]:
        """Return each index with whether it is unique, and its columns with the length that counts of each."""
        found: dict[str, tuple[bool, list[tuple[str, int | None]]]] = {}
        for row in self.rows(f"SHOW INDEX FROM {self.name_of(table)}"):
            found.setdefault(row[2], (not row[1], []))[1].append((row[4], row[7]))
        return found

    def has_unique_index(self, table: Table, columns: Sequence[str]) -> bool:
        wanted = set(map(self.fold, columns))
        return any(
            unique and {self.fold(name) for name, _ in parts} == wanted and not any(length for _, length in parts)
            for unique, parts in self.indexes(table).values()
        )

    def enforce_key(self, table: Table, columns: Sequence[str]) -> None:
        name, listed = "enforced_key", ", ".join(map(self.quote, columns))
        self.execute(f"ALTER TABLE {self.name_of(table)} ADD UNIQUE INDEX {self.quote(name)} ({listed})")
        self._changes.indexed(table, name)

    def storable(self, arrow_type: pa.DataType) -> pa.DataType:
        return mysql_types.storable(arrow_type)

    def column_type(self, arrow_type: pa.DataType) -> str:
        return mysql_types.column_type(arrow_type)

    def key_type(self, arrow_type: pa.DataType) -> str:
        return mysql_types.key_type(arrow_type)

    def room_for(self, sql_type: str, length: int) -> str:
        return mysql_types.room_for(sql_type, length)

    def bind(self, scalar: pa.Scalar[Any]) -> Any:
        return bound(as_python(scalar))

    def value(self, value: Any) -> Any:
        return bound(value)


def _is_computed(row: tuple[Any, ...]) -> bool:
    """Whether the server fills a column by itself. A default that is an expression is DEFAULT_GENERATED."""
    return re.search("(?i)(virtual|stored|persistent) generated", row[6]) is not None
