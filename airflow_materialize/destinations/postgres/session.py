"""A session on PostgreSQL: statements, transactions, locks and bulk."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from airflow_materialize.destinations.base import STAGING, Progress, Table
from airflow_materialize.destinations.placeholders import formatted
from airflow_materialize.destinations.postgres import types
from airflow_materialize.destinations.postgres.copy import ahead, copy_in, encoded
from airflow_materialize.destinations.postgres.errors import Grants, Translator, driver_errors
from airflow_materialize.destinations.postgres.reading import PostgresReader
from airflow_materialize.destinations.postgres.spelling import LONGEST_NAME
from airflow_materialize.destinations.postgres.strategies import Strategies
from airflow_materialize.destinations.postgres.swap import Swapping
from airflow_materialize.destinations.postgres.waiting import Watch
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_materialize.destinations.reading import Reader

QUEUE_SECONDS = 3600.0
"""The longest wait for our own loads: those of a backfill stand in one queue."""

LOCK_SECONDS = 600.0
"""The longest wait for anybody else, as a person who has changed rows and not yet committed."""

_IDLE_SECONDS = 60
"""After so long without a statement the server ends a transaction: a process that was stopped holds no lock."""

_APPLICATION = "airflow-materialize"

_SETTINGS = {
    # A cursor of user code is read to its end, and planned for that.
    "cursor_tuple_fraction": "1",
    "client_min_messages": "warning",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "jit": "off",
    "timezone": "UTC",
    # Else rows that a policy hides would stay where all are to be replaced.
    "row_security": "off",
    # What the server does about a client that is gone without a word.
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
    "tcp_user_timeout": "60000",
}


class PostgresSession(Strategies, Swapping):
    """One open PostgreSQL connection.

    Args:
        connection: Of psycopg or psycopg2.
        purpose: What others see who wait for it.
        read_only: Whether each statement is a transaction of its own that only reads.
        connect: Opens another connection, to ask who is in the way.
        progress: Told of waits.
    """

    dialect = "postgres"
    swaps_lock_readers = True

    def __init__(
        self,
        connection: Any,
        purpose: str = "",
        *,
        read_only: bool = False,
        connect: Callable[[], Any] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._connection = connection
        self._read_only = read_only
        self._say: Progress = progress or (lambda _: None)
        self._purpose = f"{_APPLICATION}: {purpose}" if purpose else _APPLICATION
        self._translated = Translator()
        self._watch: Watch | None = None
        self._target: Table | None = None
        self._searched = ""
        self._in_transaction = False
        connection.autocommit = True
        if hasattr(connection, "prepare_threshold"):
            # Names of tables come to mean other tables: no statement is prepared.
            connection.prepare_threshold = None
            self._fetched("SET client_encoding = 'UTF8'")
        else:
            connection.set_client_encoding("UTF8")
        [(schema, self._database, user, pid)] = self._fetched(
            "SELECT current_schema(), current_database(), current_user, pg_backend_pid()"
        )
        self._schema = schema or ""
        self._translated.grants = Grants(self.quote(user), database=self.quote(self._database))
        if connect and not read_only:
            self._watch = Watch(pid, purpose.removeprefix("load of "), connect, self._blocked, progress)
            self._watch.start()

    def close(self) -> None:
        """Close the connection; a transaction that is open is rolled back."""
        if self._watch:
            self._watch.stop()
        with suppress(*driver_errors()):
            self._connection.close()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:  # noqa: D102
        if self._read_only:
            self.rows(sql, parameters)
            return 0
        with closing(self._run(sql, parameters)) as cursor:
            return max(int(cursor.rowcount), 0)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:  # noqa: D102
        if self._read_only:
            self._fetched(self._beginning(LOCK_SECONDS, reads=True))
            try:
                return self._fetched(sql, parameters)
            finally:
                with suppress(MaterializeError):
                    self._fetched("ROLLBACK")
        if not self._in_transaction:
            return self._fetched(sql, parameters)
        # A query that is refused does not take the transaction with it.
        self._fetched("SAVEPOINT _materialize_query")
        try:
            found = self._fetched(sql, parameters)
        except MaterializeError:
            with suppress(MaterializeError):
                self._fetched("ROLLBACK TO SAVEPOINT _materialize_query")
            raise
        self._fetched("RELEASE SAVEPOINT _materialize_query")
        return found

    def interrupt(self) -> None:  # noqa: D102
        with suppress(*driver_errors()):
            # The newer way is encrypted where the connection is.
            cancel = getattr(self._connection, "cancel_safe", self._connection.cancel)
            cancel()

    def lock(self, table: Table) -> None:  # noqa: D102
        place = Table(table.name, table.schema or self._schema)
        if self._target is None:
            self._target = place
            grants = self._translated.grants
            grants.table, grants.schema = self.name_of(place), self.quote(place.schema) if place.schema else ""
        key = int.from_bytes(hashlib.sha256(f"materialize {place}".encode()).digest()[:8], signed=True)
        self._limited(QUEUE_SECONDS, f"SELECT pg_advisory_xact_lock({key})")
        if not self._read_only and self.relkind(table) in {"r", "p"}:
            # Nobody alters or drops it from here on.
            self._limited(LOCK_SECONDS, f"LOCK TABLE {self.name_of(table)} IN ROW EXCLUSIVE MODE")

    def name_of(self, table: Table) -> str:  # noqa: D102
        if table.catalog and table.catalog != self._database:
            raise MaterializeError(
                f"{table} is in another database than the connection's, which is {self._database!r}",
                hint="[schema.]table",
            )
        schema = table.schema or self._schema
        if not schema:
            raise MaterializeError(
                f"{table} has no schema, and the connection's search_path has none that exists", hint="schema.table"
            )
        return f"{self.quote(schema)}.{self.quote(table.name)}"

    def create_schema(self, table: Table) -> None:  # noqa: D102
        # With IF NOT EXISTS it would take the right to create one even where it is there.
        schema = table.schema or self._schema
        if schema and not self.rows("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ?", [schema]):
            self.execute(f"CREATE SCHEMA {self.quote(schema)}")

    def create_staging(self, columns: Mapping[str, str], keys: Sequence[str], rows: int = 0) -> Table:  # noqa: ARG002, D102  # joins hash
        self._searched = ", ".join(map(self.quote, keys))
        return self._temporary(STAGING, columns)

    def bulk(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:  # noqa: D102
        there = self.columns(table) or {}
        sql_types = {name: there.get(name, "") for name in schema.names}
        for name, sql_type in sql_types.items():
            if types.rounds(sql_type):
                raise MaterializeError(
                    f"Column {name!r} is {sql_type}, which rounds what it takes", hint="a type of 0, 3 or 6 digits"
                )
        if all(types.writes_directly(field.type, sql_types[field.name]) for field in schema):
            count = self._copied(table, schema, batches, sql_types)
        else:
            count = self._cast(table, schema, batches, sql_types)
        if table.schema == "pg_temp":
            # What the other columns hold is of no use to a join, and to look at all takes four times as long.
            self.execute(f"ANALYZE {self.name_of(table)}" + (f" ({self._searched})" if self._searched else ""))
        return count

    def reader(self) -> Reader:  # noqa: D102
        return PostgresReader(self._connection, self._beginning(LOCK_SECONDS, reads=True), self._translated)

    def begin(self) -> None:  # noqa: D102
        self._fetched(self._beginning(LOCK_SECONDS))
        self._in_transaction = True

    def commit(self) -> None:  # noqa: D102
        self._in_transaction = False
        super().commit()

    def _roll_back(self) -> None:
        self._in_transaction = False
        super()._roll_back()

    def _copied(
        self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch], sql_types: Mapping[str, str]
    ) -> int:
        names = ", ".join(self.quote(name) for name in schema.names)
        statement = f"COPY {self.name_of(table)} ({names}) FROM STDIN (FORMAT binary)"
        chunks = ahead(encoded(schema, batches, sql_types))
        with self._translated(self._connection), self._watched(), closing(chunks):
            return copy_in(self._connection, statement, chunks)

    def _cast(
        self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch], sql_types: Mapping[str, str]
    ) -> int:
        """Insert by way of texts, which the server casts: into types that binary COPY is not sure of."""
        plain = {
            field.name: sql_types[field.name]
            if types.writes_directly(field.type, sql_types[field.name])
            else types.text_type(field.type)
            for field in schema
        }
        texts = self._temporary(f"{STAGING}_texts", plain)
        self._copied(texts, schema, batches, plain)
        names = ", ".join(self.quote(name) for name in schema.names)
        values = ", ".join(f"CAST({self.quote(name)} AS {sql_types[name]})" for name in schema.names)
        count = self.execute(f"INSERT INTO {self.name_of(table)} ({names}) SELECT {values} FROM {self.name_of(texts)}")
        self.drop_table(texts)
        return count

    def _temporary(self, name: str, columns: Mapping[str, str]) -> Table:
        table = Table(name, "pg_temp")
        while self.relkind(table):
            # Somebody else's: a hook may have made one.
            table = Table(f"{table.name}_", "pg_temp")
        self.execute(f"CREATE TEMPORARY TABLE {self.quote(table.name)} ({self.definitions(columns)}) ON COMMIT DROP")
        return table

    def _beginning(self, lock_seconds: float, *, reads: bool = False) -> str:
        kind = "READ ONLY" if reads else "READ WRITE"
        local = _SETTINGS | {
            "application_name": self._purpose.encode()[:LONGEST_NAME].decode(errors="ignore"),
            "lock_timeout": f"{round(lock_seconds * 1000)}",
            "idle_in_transaction_session_timeout": f"{_IDLE_SECONDS * 1000}",
        }
        settings = "".join(f"; SET LOCAL {name} = {self.text(value)}" for name, value in local.items())
        return f"BEGIN ISOLATION LEVEL READ COMMITTED {kind}{settings}"

    def _limited(self, seconds: float, statement: str) -> None:
        self._translated.seconds = seconds
        if self._read_only:
            self.rows(statement)
            return
        self._fetched(f"SET LOCAL lock_timeout = {round(seconds * 1000)}")
        self.execute(statement)
        self._fetched(f"SET LOCAL lock_timeout = {round(LOCK_SECONDS * 1000)}")
        self._translated.seconds = LOCK_SECONDS

    def _blocked(self, sentence: str) -> None:
        self._translated.blocker = sentence

    def _fetched(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with closing(self._run(sql, parameters)) as cursor, self._translated(self._connection):
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def _run(self, sql: str, parameters: Sequence[Any]) -> Any:
        with self._translated(self._connection), self._watched():
            cursor = self._connection.cursor()
            if parameters:
                cursor.execute(formatted(sql), tuple(parameters))
            else:
                cursor.execute(sql)
        return cursor

    def _watched(self) -> Any:
        return self._watch.statement() if self._watch else nullcontext()
