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

import pyarrow as pa
import pyarrow.compute as pc

from airflow_materialize.destinations.arrow import (
    canonical,
    is_binary,
    is_json,
    is_text,
    is_uuid,
    to_json_text,
    to_text,
)
from airflow_materialize.destinations.base import STAGING, Capabilities, Destination, Progress, Session, Table
from airflow_materialize.destinations.waiting import wait_for
from airflow_materialize.errors import MaterializeError, TransientError

if TYPE_CHECKING:
    from airflow_materialize.connections import Connection

WAIT_SECONDS = 600.0
"""The longest wait for another writer, or for readers at COMMIT."""

_BUSY_MILLISECONDS = 1000
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PASSING = {*_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT}
_BASE_CODE = 0xFF
_ROWS_PER_INSERT = 100


class SQLiteSession(Session):
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
        with _translated(), closing(self._waited(sql, parameters)) as cursor:
            return cursor.fetchall()

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

    def required(self, table: Table) -> set[str]:  # noqa: D102
        found = self.rows(
            "SELECT name FROM pragma_table_info(?, 'main') WHERE \"notnull\" AND dflt_value IS NULL", [table.name]
        )
        return {name for (name,) in found}

    def arrow_types(self, table: Table) -> dict[str, pa.DataType]:  # noqa: D102
        return {name: _affinity(kind) for name, kind in (self.columns(table) or {}).items()}

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
        return _stored(pa.array([scalar.as_py()], scalar.type))[0]

    def create_schema(self, table: Table) -> None:
        """There is one namespace."""

    def create_staging(self, columns: Mapping[str, str], keys: Sequence[str]) -> Table:  # noqa: D102
        staging = self.quote(STAGING)
        self.execute(f"DROP TABLE IF EXISTS temp.{staging}")
        self.execute(f"CREATE TABLE temp.{staging} ({self.definitions(columns)})")
        if keys:
            index = self.quote(f"{STAGING}_keys")
            self.execute(f"CREATE INDEX temp.{index} ON {staging} ({', '.join(self.quote(key) for key in keys)})")
        return Table(STAGING, "temp")

    def change_type(self, table: Table, name: str, sql_type: str) -> None:
        """Rebuild the table: SQLite has no statement for it. Its indexes and triggers are made again.

        Raises:
            MaterializeError: The table has constraints, which would be lost.
        """
        constrained = self.rows(
            "SELECT name FROM pragma_table_info(?, 'main') WHERE \"notnull\" OR pk OR dflt_value IS NOT NULL"
            " UNION ALL SELECT name FROM pragma_index_list(?, 'main') WHERE origin <> 'c'",
            [table.name, table.name],
        )
        if constrained:
            raise MaterializeError(
                f"the type of a column of {table} cannot be changed: the table has constraints ({constrained[0][0]})",
                hint="rebuild the table by a full refresh",
            )
        made_again = self.rows(
            "SELECT sql FROM main.sqlite_master WHERE tbl_name = ? COLLATE NOCASE"
            " AND type IN ('index', 'trigger') AND sql IS NOT NULL",
            [table.name],
        )
        columns = (self.columns(table) or {}) | {name: sql_type}
        target, kept = self.name_of(table), f"temp.{self.quote(STAGING + '_kept')}"
        self.execute(f"CREATE TABLE {kept} AS SELECT * FROM {target}")
        self.drop_table(table)
        self.create_table(table, columns)
        self.execute(f"INSERT INTO {target} SELECT * FROM {kept}")
        self.execute(f"DROP TABLE {kept}")
        for (statement,) in made_again:
            self.execute(statement)

    def bulk(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:  # noqa: D102
        width = len(schema.names)
        names = ", ".join(self.quote(name) for name in schema.names)
        limit = self._connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        together = max(1, min(_ROWS_PER_INSERT, limit // width))
        row, insert = f"({', '.join('?' * width)})", f"INSERT INTO {self.name_of(table)} ({names}) VALUES "
        count = 0
        for batch in batches:
            columns = [_column(name, batch[name], count) for name in schema.names]
            cells = list(chain.from_iterable(zip(*columns, strict=True)))
            size, step = len(cells), together * width
            whole = size - size % step
            with _translated():
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

    def unmatched_pattern(self, column_sql: str) -> str:  # noqa: D102
        return f"NOT (CAST({column_sql} AS TEXT) REGEXP ?)"

    def _waited(self, sql: str, parameters: Sequence[Any]) -> sqlite3.Cursor:
        """Run a statement as soon as nobody else has the file: a load may keep readers out, readers a COMMIT."""

        def attempt() -> sqlite3.Cursor | None:
            try:
                return self._connection.execute(sql, tuple(parameters))
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & _BASE_CODE in _BUSY:
                    return None
                raise

        def blocker() -> str:
            return f"{self._path} is locked by another process"

        with _translated():
            return wait_for(attempt, blocker, limit=WAIT_SECONDS, progress=self._progress)


class SQLite(Destination):
    """An SQLite file."""

    conn_type = "sqlite"
    capabilities = Capabilities(schemas=False)

    def table(self, name: str) -> Table:  # noqa: D102
        return Table(name)

    @contextmanager
    def session(  # noqa: D102
        self, *, read_only: bool = False, purpose: str = "", progress: Progress | None = None
    ) -> Iterator[Session]:
        del purpose  # SQLite has no place to tell it.
        path = self.connection.host
        if path and path != ":memory:":
            path = str(self.connection.file(path))
        missing = read_only and path and not Path(path).exists()
        opened = sqlite3.connect(":memory:") if missing else _opened(self.connection, path)
        with closing(opened), _translated():
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


def _affinity(declared: str) -> pa.DataType:
    # The rules of https://sqlite.org/datatype3.html#determination_of_column_affinity, in their order.
    if "INT" in declared:
        return pa.int64()
    if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
        return pa.string()
    if "BLOB" in declared:
        return pa.binary()
    if any(word in declared for word in ("REAL", "FLOA", "DOUB")):
        return pa.float64()
    return pa.null()


def _column(name: str, array: pa.Array, first_row: int) -> list[Any]:
    if pa.types.is_floating(array.type) and pc.any(pc.is_nan(array)).as_py():
        row = first_row + pc.index(pc.is_nan(array), True).as_py() + 1
        raise MaterializeError(
            f"Column {name!r}, row {row}: SQLite has no NaN and would store NULL", hint="return None in place of NaN"
        )
    try:
        return _stored(array)
    except (pa.ArrowInvalid, ValueError) as error:
        raise MaterializeError(f"Column {name!r}, rows from {first_row + 1}: {error}") from error


def _stored(array: pa.Array) -> list[Any]:
    kind = array.type
    if pa.types.is_boolean(kind) or pa.types.is_duration(kind):
        array = array.cast(pa.int8() if pa.types.is_boolean(kind) else pa.int64())
    elif pa.types.is_decimal(kind) or pa.types.is_temporal(kind):
        array = to_text(array)
    elif is_uuid(kind):
        return [None if value is None else str(value) for value in array.to_pylist()]
    elif is_json(kind):
        array = array.storage
    elif pa.types.is_nested(kind):
        array = to_json_text(array)
    elif not (is_text(kind) or is_binary(kind) or pa.types.is_primitive(kind)):
        raise ValueError(f"{kind} has no exact type in SQLite")
    values: list[Any] = array.to_pylist()
    return values


def _regexp(pattern: str, text: str | None) -> bool | None:
    return None if text is None else re.search(pattern, text) is not None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & _BASE_CODE
        kind = TransientError if code in _PASSING else MaterializeError
        raise kind(f"SQLite: {error}") from error
