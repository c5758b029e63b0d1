"""DuckDB: one file, read by many processes or written by one."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import pyarrow as pa

from airflow_materialize.destinations.arrow import canonical, is_binary, is_json, is_text, is_uuid
from airflow_materialize.destinations.base import STAGING, Destination, Progress, Session, Table
from airflow_materialize.destinations.duckdb.bulk import DuckDBBulk
from airflow_materialize.destinations.duckdb.errors import translated
from airflow_materialize.destinations.duckdb.reading import DuckDBReader
from airflow_materialize.destinations.duckdb.spilled import sweep
from airflow_materialize.destinations.duckdb.thrift import Sparing, Thrift
from airflow_materialize.destinations.spelling import moment_in_utc
from airflow_materialize.destinations.waiting import queue, wait_for
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.connections import Connection
    from airflow_materialize.destinations.reading import Reader

QUEUE_SECONDS = 3600.0
"""The longest wait for our own processes: a backfill's loads stand in one queue."""

FOREIGN_SECONDS = 600.0
"""The longest wait for a process that does not know the queue, as a notebook."""

_CONFLICT = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_KIND = """
SELECT 'table' FROM duckdb_tables()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)
UNION ALL SELECT 'view' FROM duckdb_views()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(view_name) = lower(?)
"""
_COLUMNS = """
SELECT column_name, data_type FROM duckdb_columns()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)
ORDER BY column_index
"""
_TEMPORARY_VALUES = 6_000_000
"""Values that a temporary table holds: it has two bits in memory for each of them, which it cannot put away."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})

_TYPES: dict[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint8(): "UTINYINT",
    pa.uint16(): "USMALLINT",
    pa.uint32(): "UINTEGER",
    pa.uint64(): "UBIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.time64("us"): "TIME",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("ns"): "TIMESTAMP_NS",
    pa.timestamp("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
    pa.duration("us"): "INTERVAL",
    pa.month_day_nano_interval(): "INTERVAL",
}


class DuckDBSession(DuckDBBulk):
    """One open DuckDB connection."""

    dialect = "duckdb"

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Mapping[str, Any] = _NOTHING,
        thrift: Thrift | None = None,
    ) -> None:
        self._connection = connection
        self._thrift = thrift or Thrift()
        self._settings = settings
        self._sparing = Sparing(connection, settings)
        self._types: dict[str, str] = {}
        # Else a table that does not exist would be looked for among the variables of the calling Python code.
        self.execute("SET python_enable_replacements = false")
        # It would draw into the log of a task.
        self.execute("SET enable_progress_bar = false")
        self._catalog, self._schema = self.rows("SELECT current_database(), current_schema()")[0]

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:  # noqa: D102
        with self._translated():
            rows = self._connection.execute(sql, list(parameters)).fetchall()
        return rows[0][0] if rows and isinstance(rows[0][0], int) else 0

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:  # noqa: D102
        with self._translated():
            relation = self._connection.sql(sql, params=list(parameters))
            if relation is None:
                return []
            if not any("TIME ZONE" in str(kind) for kind in relation.types):
                return relation.fetchall()
            # As Python objects these would need the package pytz.
            columns = relation.to_arrow_table().columns
            return list(zip(*(column.to_pylist() for column in columns), strict=True))

    def interrupt(self) -> None:  # noqa: D102
        self._connection.interrupt()

    def name_of(self, table: Table) -> str:  # noqa: D102
        # Always in full: "raw"."orders" is ambiguous in a database file that is itself called raw.
        full = Table(table.name, table.schema or self._schema, table.catalog or self._catalog)
        return super().name_of(full)

    def kind(self, table: Table) -> Literal["table", "view", ""]:  # noqa: D102
        found = self.rows(_KIND, [*self.parts(table), *self.parts(table)])
        return found[0][0] if found else ""

    def count_to(self, table: Table, most: int) -> int:  # noqa: ARG002, D102
        # It is known without reading the table.
        return self.count(table)

    def columns(self, table: Table) -> dict[str, str] | None:  # noqa: D102
        kind = self.kind(table)
        if kind == "table":
            # The catalog's own list of columns would bind each view of the database, and its own thirty, first.
            return {name: data_type for name, data_type, *_ in self.rows(f"DESCRIBE {self.name_of(table)}")}
        found = self.rows(_COLUMNS, self.parts(table)) if kind else []
        return dict(found) if found else None

    def required(self, table: Table) -> set[str]:  # noqa: D102
        found = self.rows(
            "SELECT column_name FROM duckdb_columns() WHERE lower(database_name) = lower(?)"
            " AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)"
            " AND NOT is_nullable AND column_default IS NULL",
            self.parts(table),
        )
        return {name for (name,) in found}

    def arrow_types(self, table: Table) -> dict[str, pa.DataType]:  # noqa: D102
        with translated():
            schema = self._connection.sql(f"SELECT * FROM {self.name_of(table)} LIMIT 0").to_arrow_table().schema
        return {field.name: canonical(field.type) for field in schema}

    def column_type(self, arrow_type: pa.DataType) -> str:  # noqa: D102
        spelled = self._spelled(arrow_type)
        if not pa.types.is_nested(arrow_type):
            return spelled
        if spelled not in self._types:
            with translated():
                query = f"SELECT typeof(CAST(NULL AS {spelled}))"
                self._types[spelled] = str(self._connection.sql(query).fetchall()[0][0])
        return self._types[spelled]

    def create_schema(self, table: Table) -> None:  # noqa: D102
        if table.schema:
            super().create_schema(Table(table.name, table.schema, table.catalog or self._catalog))

    def create_staging(self, columns: Mapping[str, str], keys: Sequence[str], rows: int = 0) -> Table:  # noqa: ARG002, D102  # joins hash
        staging, create = self.aside(STAGING, rows * len(columns))
        self.execute(f"{create} ({self.definitions(columns)})")
        return staging

    def aside(self, name: str, values: int) -> tuple[Table, str]:  # noqa: D102
        kind, catalog = "TEMPORARY TABLE", "temp"
        if values > _TEMPORARY_VALUES and self._target:
            # It comes and goes with the transaction.
            kind, catalog = "TABLE", self.parts(self._target)[0]
        table = Table(name, "main", catalog)
        return table, f"CREATE OR REPLACE {kind} {self.name_of(table)}"

    def reader(self) -> Reader:  # noqa: D102
        return DuckDBReader(self._connection, self.quote, self._settings)

    def moment(self, arrow_type: pa.DataType, *, whole_day: bool) -> str:  # noqa: D102
        return moment_in_utc(self.column_type(arrow_type), arrow_type, whole_day=whole_day)

    def unmatched_pattern(self, column_sql: str) -> str:  # noqa: D102
        return f"NOT regexp_matches(CAST({column_sql} AS VARCHAR), ?)"

    def parts(self, table: Table) -> tuple[str, str, str]:  # noqa: D102
        return table.catalog or self._catalog, table.schema or self._schema, table.name

    def _spelled(self, arrow_type: pa.DataType) -> str:
        if arrow_type in _TYPES:
            return _TYPES[arrow_type]
        for test, name in ((is_uuid, "UUID"), (is_json, "JSON"), (is_text, "VARCHAR"), (is_binary, "BLOB")):
            if test(arrow_type):
                return name
        if pa.types.is_decimal(arrow_type):
            return f"DECIMAL({arrow_type.precision},{arrow_type.scale})"
        if pa.types.is_nested(arrow_type):
            return self._nested(arrow_type)
        raise MaterializeError(f"{arrow_type} has no exact type in DuckDB")

    def _nested(self, arrow_type: pa.DataType) -> str:
        if pa.types.is_struct(arrow_type):
            return (
                f"STRUCT({', '.join(f'{self.quote(field.name)} {self._spelled(field.type)}' for field in arrow_type)})"
            )
        if pa.types.is_map(arrow_type):
            return f"MAP({self._spelled(arrow_type.key_type)}, {self._spelled(arrow_type.item_type)})"
        if pa.types.is_fixed_size_list(arrow_type):
            return f"{self._spelled(arrow_type.value_type)}[{arrow_type.list_size}]"
        return f"{self._spelled(arrow_type.value_type)}[]"


class DuckDB(Destination):
    """A DuckDB file."""

    conn_type = "duckdb"
    title = "DuckDB"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._thrift = Thrift()

    def table(self, name: str) -> Table:  # noqa: D102
        return Table.named(name, "[catalog.][schema.]table", " in DuckDB")

    @contextmanager
    def open(  # noqa: D102
        self, *, read_only: bool = False, purpose: str = "", progress: Progress | None = None
    ) -> Iterator[Session]:
        hook = self.connection.hook(read_only=True if read_only else None) if self.connection.hook else None
        path = _path(self.connection, hook)
        if read_only and not path.exists():
            # A database that nobody has written yet has no tables.
            with duckdb.connect() as empty:
                yield DuckDBSession(empty)
            return

        def open_file() -> duckdb.DuckDBPyConnection:
            if not read_only and not path.exists():
                _create(path)
            opened: duckdb.DuckDBPyConnection = (
                hook.get_conn() if hook else duckdb.connect(str(path), read_only=read_only)
            )
            return opened

        with queue(path, shared=read_only, purpose=purpose, limit=QUEUE_SECONDS, progress=progress):
            connection = _opened(open_file, path, progress)
            if not read_only:
                sweep(path)
            try:
                extra = self.connection.extra
                yield DuckDBSession(connection, {**extra, **(extra.get("settings") or {})}, self._thrift)
            finally:
                connection.close()


def _create(path: Path) -> None:
    """Make an empty database that appears whole: a process that dies amid the first write leaves an unreadable file."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    duckdb.connect(str(draft)).close()
    draft.rename(path)


def _path(connection: Connection, hook: Any) -> Path:
    name = hook.get_database() if hook else connection.host
    if name in {"", ":memory:"} or name.startswith(("md:", "motherduck:")):
        # A path in a URI arrives in Airflow as the schema; the name itself is not shown: it may bear a token.
        raise MaterializeError(
            f"Connection {connection.conn_id!r} names no DuckDB file: a table in memory would be gone after the task",
            hint='the path of a file as host, written as JSON: {"conn_type": "duckdb", "host": "/srv/shop.duckdb"}',
        )
    return connection.file(name)


def _opened(
    open_file: Callable[[], duckdb.DuckDBPyConnection], path: Path, progress: Progress | None
) -> duckdb.DuckDBPyConnection:
    holder = ""

    def attempt() -> duckdb.DuckDBPyConnection | None:
        nonlocal holder
        try:
            return open_file()
        except duckdb.IOException as error:
            found = _CONFLICT.search(str(error))
            if found is None:
                raise MaterializeError(f"{path} cannot be opened: {error}") from error
            holder = f"process {found['pid']} ({found['program']})"
            return None
        except (duckdb.Error, ValueError) as error:
            raise MaterializeError(f"{path} cannot be opened: {error}") from error

    def blocker() -> str:
        return f"{path} is held by {holder}, which does not take part in the queue"

    return wait_for(attempt, blocker, limit=FOREIGN_SECONDS, progress=progress)
