"""SQLite: one file, one namespace, five storage classes."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import pyarrow as pa

from airflow_materialize.destinations.arrow import canonical, is_binary, parts
from airflow_materialize.destinations.base import STAGING, Capabilities, Destination, Progress, Session, Table
from airflow_materialize.destinations.sqlite.errors import is_busy, translated
from airflow_materialize.destinations.sqlite.publishing import SQLitePublishing
from airflow_materialize.destinations.sqlite.reading import SQLiteReader
from airflow_materialize.destinations.sqlite.values import affinity, check_numbers, column_values, stored
from airflow_materialize.destinations.waiting import wait_for
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.connections import Connection
    from airflow_materialize.destinations.reading import Parameters, Reader

WAIT_SECONDS = 600.0
"""The longest wait for another writer, or for readers at COMMIT."""

_BUSY_MILLISECONDS = 1000
_ROWS_PER_INSERT = 100
_PART_BYTES = 1024 * 1024


class SQLiteSession(SQLitePublishing):
    """One open SQLite connection."""

    dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection, path: str, progress: Progress | None = None) -> None:
        self._connection = connection
        self._path = path
        self._progress = progress
        # Else Python would begin and commit by itself, and DROP TABLE would not be rolled back.
        connection.isolation_level = None
        self.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        # Else a table that a view reads could not be replaced.
        self.execute("PRAGMA legacy_alter_table = ON")
        connection.create_function("regexp", 2, _regexp, deterministic=True)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:  # noqa: D102
        with closing(self._waited(sql, parameters)) as cursor:
            return max(cursor.rowcount, 0)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:  # noqa: D102
        with translated(), closing(self._waited(sql, parameters)) as cursor:
            return cursor.fetchall()

    def interrupt(self) -> None:  # noqa: D102
        self._connection.interrupt()

    def name_of(self, table: Table) -> str:  # noqa: D102
        return super().name_of(Table(table.name, table.schema or "main"))

    def kind(self, table: Table) -> Literal["table", "view", ""]:  # noqa: D102
        found = self.rows(
            "SELECT type FROM main.sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE",
            [table.name],
        )
        return found[0][0] if found else ""

    def columns(self, table: Table) -> dict[str, str] | None:  # noqa: D102
        found = self.rows("SELECT name, type FROM pragma_table_info(?, ?)", [table.name, table.schema or "main"])
        return {name: kind.upper() for name, kind in found} if found else None

    def computed(self, table: Table) -> set[str]:  # noqa: D102
        found = self.rows("SELECT name FROM pragma_table_xinfo(?, 'main') WHERE hidden IN (2, 3)", [table.name])
        return {name for (name,) in found}

    def required(self, table: Table) -> set[str]:  # noqa: D102
        found = self.rows(
            "SELECT name FROM pragma_table_info(?, 'main') WHERE \"notnull\" AND dflt_value IS NULL", [table.name]
        )
        return {name for (name,) in found}

    def arrow_types(self, table: Table) -> dict[str, pa.DataType]:  # noqa: D102
        return {name: affinity(kind) for name, kind in (self.columns(table) or {}).items()}

    def storable(self, arrow_type: pa.DataType) -> pa.DataType:  # noqa: D102
        plain = canonical(arrow_type)
        # An integer has 64 bits with a sign; the cast says which value does not fit.
        return pa.int64() if plain == pa.uint64() else plain

    def column_type(self, arrow_type: pa.DataType) -> str:  # noqa: D102
        if pa.types.is_interval(arrow_type):
            raise MaterializeError(f"{arrow_type} has no exact type in SQLite", hint="a duration")
        if pa.types.is_integer(arrow_type) or pa.types.is_boolean(arrow_type) or pa.types.is_duration(arrow_type):
            return "INTEGER"
        if pa.types.is_floating(arrow_type):
            return "REAL"
        # REAL would lose digits of decimals; ISO texts of moments compare as the moments do.
        return "BLOB" if is_binary(arrow_type) else "TEXT"

    def bind(self, scalar: pa.Scalar[Any]) -> Any:  # noqa: D102
        return stored(pa.repeat(scalar, 1))[0]

    def value(self, value: Any) -> Any:  # noqa: D102
        if value is None or type(value) in {bool, int, float, str, bytes}:
            return value
        if isinstance(value, UUID):
            return str(value)
        try:
            scalar = pa.scalar(value)
            return self.bind(scalar.cast(self.storable(scalar.type)))
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise MaterializeError(f"{type(value).__name__} cannot be bound in SQLite: {error}") from error

    def create_schema(self, table: Table) -> None:
        """There is one namespace."""

    def create_staging(self, columns: Mapping[str, str], keys: Sequence[str], rows: int = 0) -> Table:  # noqa: ARG002, D102
        staging = self.quote(STAGING)
        self.execute(f"DROP TABLE IF EXISTS temp.{staging}")
        self.execute(f"CREATE TABLE temp.{staging} ({self.definitions(columns)})")
        if keys:
            index = self.quote(f"{STAGING}_keys")
            self.execute(f"CREATE INDEX temp.{index} ON {staging} ({', '.join(self.quote(key) for key in keys)})")
        return Table(STAGING, "temp")

    def bulk(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:  # noqa: D102
        width = len(schema.names)
        names = ", ".join(self.quote(name) for name in schema.names)
        limit = self._connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        together = max(1, min(_ROWS_PER_INSERT, limit // width))
        row, insert = f"({', '.join('?' * width)})", f"INSERT INTO {self.name_of(table)} ({names}) VALUES "
        numeric = {name: kind for name, kind in (self.columns(table) or {}).items() if pa.types.is_null(affinity(kind))}
        count = 0
        for batch in parts(batches, _PART_BYTES):
            columns = [column_values(name, batch[name], count) for name in schema.names]
            for name, values in zip(schema.names, columns, strict=True):
                if name in numeric:
                    check_numbers(name, numeric[name], batch[name], values, count)
            cells = list(chain.from_iterable(zip(*columns, strict=True)))
            size, step = len(cells), together * width
            whole = size - size % step
            with translated():
                self._connection.executemany(
                    insert + ", ".join([row] * together), (cells[at : at + step] for at in range(0, whole, step))
                )
                if whole < size:
                    self._connection.execute(insert + ", ".join([row] * ((size - whole) // width)), cells[whole:])
            count += batch.num_rows
        return count

    def begin(self) -> None:  # noqa: D102
        # A deferred transaction that turns to writing fails at once when somebody else wrote; this one waits.
        self.execute("BEGIN IMMEDIATE")

    def same(self, left: str, right: str) -> str:  # noqa: D102
        return f"{left} IS {right}"

    def moment(self, arrow_type: pa.DataType, *, whole_day: bool) -> str:  # noqa: D102
        if pa.types.is_date(arrow_type):
            return "(CURRENT_DATE)"
        if not pa.types.is_timestamp(arrow_type):
            return "(CURRENT_DATE)" if whole_day else "(CURRENT_TIMESTAMP)"
        clock = "00:00:00.000" if whole_day else "%H:%M:%f"
        zone = "Z" if arrow_type.tz else ""
        return f"(strftime('%Y-%m-%d {clock}', 'now') || '000{zone}')"

    def reader(self) -> Reader:  # noqa: D102
        return SQLiteReader(self._connection, self._waited)

    def unmatched_pattern(self, column_sql: str) -> str:  # noqa: D102
        return f"NOT (CAST({column_sql} AS TEXT) REGEXP ?)"

    def _waited(self, sql: str, parameters: Parameters) -> sqlite3.Cursor:
        """Run a statement as soon as nobody else has the file: a load may keep readers out, readers a COMMIT."""
        values = parameters if isinstance(parameters, Mapping) else tuple(parameters)

        def attempt() -> sqlite3.Cursor | None:
            try:
                return self._connection.execute(sql, values)
            except sqlite3.OperationalError as error:
                if is_busy(error):
                    return None
                raise

        def blocker() -> str:
            return f"{self._path} is locked by another process"

        with translated():
            return wait_for(attempt, blocker, limit=WAIT_SECONDS, progress=self._progress)


class SQLite(Destination):
    """An SQLite file."""

    conn_type = "sqlite"
    title = "SQLite"
    capabilities = Capabilities(schemas=False)

    def table(self, name: str) -> Table:  # noqa: D102
        return Table(name)

    @contextmanager
    def open(  # noqa: D102
        self, *, read_only: bool = False, purpose: str = "", progress: Progress | None = None
    ) -> Iterator[Session]:
        del purpose  # SQLite has no place to tell it.
        path = self.connection.host
        if path and path != ":memory:":
            path = str(self.connection.file(path))
        missing = read_only and path and not Path(path).exists()
        opened = sqlite3.connect(":memory:") if missing else _opened(self.connection, path)
        with closing(opened), translated():
            if read_only:
                opened.execute("PRAGMA query_only = ON")
            yield SQLiteSession(opened, path, progress)


def _opened(connection: Connection, path: str) -> sqlite3.Connection:
    with ExitStack() as failed:
        try:
            opened = connection.hook().get_conn() if connection.hook else sqlite3.connect(path)
            failed.callback(opened.close)
            [(file,)] = opened.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchall()
        except sqlite3.Error as error:
            raise MaterializeError(
                f"The SQLite file of connection {connection.conn_id!r} cannot be opened: {error}",
                hint='its path as host, written as JSON: {"conn_type": "sqlite", "host": "/srv/shop.db"}',
            ) from error
        # The hook makes a URI of the path, in which some characters mean something else.
        if not file or (path and str(Path(file).resolve()) != path):
            leads = f": {path!r} leads to {file!r}" if file else ""
            raise MaterializeError(
                f"Connection {connection.conn_id!r} names no SQLite file{leads}",
                hint="the path of a file as host, without '?', '#' and '%'",
            )
        failed.pop_all()
    return opened


def _regexp(pattern: str, text: str | None) -> bool | None:
    return None if text is None else re.search(pattern, text) is not None
