"""One connection to MySQL or MariaDB: its statements, its locks, its changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import MySQLdb
from MySQLdb.constants import FIELD_TYPE
from MySQLdb.cursors import Cursor

from airflow_materialize.destinations.base import STAGING, Progress, Session, Table, UnknownOutcomeError
from airflow_materialize.destinations.mysql import strategies as mysql_strategies
from airflow_materialize.destinations.mysql import types as mysql_types
from airflow_materialize.destinations.mysql.bulk import columns_of, insert_rows, load_data, text_schema, texts
from airflow_materialize.destinations.mysql.catalog import MySQLCatalog, Server
from airflow_materialize.destinations.mysql.changes import Changes
from airflow_materialize.destinations.mysql.comments import Comments
from airflow_materialize.destinations.mysql.errors import LOCK_WAIT, code_of, translated
from airflow_materialize.destinations.mysql.reading import MySQLReader
from airflow_materialize.destinations.mysql.spelling import placed, time_of_day
from airflow_materialize.destinations.waiting import wait_for
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_materialize.destinations.publishing import Publication, Statement
    from airflow_materialize.destinations.reading import Reader

QUEUE_SECONDS = 3600.0
"""The longest wait for other loads of the same table: those of a backfill stand in one queue."""

FOREIGN_SECONDS = 600.0
"""The longest wait for a lock of somebody who does not take part in the queue."""

_NO_LOCAL_INFILE = {1148, 2068, 3948, 4166}


class MySQLSession(MySQLCatalog, Session):
    """One open connection.

    Args:
        connection: The driver's, set up.
        server: Where it leads.
        connect: Opens another one, to end a statement of this one.
        progress: Told who is waited for.
    """

    changes_roll_back = False
    has_comments = True

    def __init__(
        self, connection: Any, server: Server, connect: Callable[[], Any], progress: Progress | None = None
    ) -> None:
        self._connection = connection
        super().__init__(server)
        self._connect = connect
        # The driver answers no other thread while a statement runs.
        self._number = int(connection.thread_id())
        self._progress = progress
        self._locks: list[str] = []
        self._is_ending = False
        self._target: Table | None = None
        self._changes, self._comments = Changes(self, self.say), Comments(self)

    # Statements.

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:  # noqa: D102
        with closing(self._waited(sql, parameters)) as cursor:
            return max(int(cursor.rowcount), 0)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:  # noqa: D102
        with translated(self.product), closing(self._waited(sql, parameters)) as cursor:
            found = list(cursor.fetchall())
            if any(column[1] == FIELD_TYPE.TIME for column in cursor.description or ()):
                return [tuple(map(time_of_day, row)) for row in found]
            return found

    def say(self, sentence: str) -> None:
        """Write a sentence into the log of the load."""
        if self._progress:
            self._progress(sentence)

    def _waited(self, sql: str, parameters: Sequence[Any]) -> Any:
        """Run a statement, again and again while somebody else holds a lock that it needs."""
        text, values = placed(sql, parameters)

        def attempt() -> Any:
            cursor = self._connection.cursor(Cursor)
            try:
                cursor.execute(text, values)
            except MySQLdb.Error as error:
                if code_of(error) == LOCK_WAIT and self._server.undoes_statements:
                    return None
                raise
            return cursor

        with translated(self.product):
            return wait_for(attempt, self._blocker, limit=FOREIGN_SECONDS, progress=self._progress)

    def lock(self, table: Table) -> None:  # noqa: D102
        name = "airflow_materialize:" + hashlib.sha256(self.table_id(table).encode()).hexdigest()[:40]
        if name in self._locks:
            return

        def attempt() -> bool | None:
            [(got,)] = self.rows("SELECT GET_LOCK(?, 1)", [name])
            return got == 1 or None

        def blocker() -> str:
            [(holder,)] = self.rows("SELECT IS_USED_LOCK(?)", [name])
            return f"{table} is being loaded by {self._connection_name(holder)}"

        wait_for(attempt, blocker, limit=QUEUE_SECONDS, progress=self._progress)
        self._locks.append(name)
        # Who only reads leaves what a load left to the next load.
        if self._target is None and not self._server.is_read_only:
            self._target = table
            self._changes.begin(table)

    @contextmanager
    def transaction(self) -> Iterator[None]:  # noqa: D102
        try:
            with super().transaction():
                yield
        except UnknownOutcomeError:
            raise
        except BaseException:
            # Whoever wants the load to end has that now; what is left is cleaning up.
            self._is_ending = True
            self._changes.take_back()
            raise
        else:
            self._is_ending = True
            self._changes.finish()
            self._comments.write()
        finally:
            self._is_ending = False
            with suppress(MaterializeError):
                self.execute("SET autocommit = 1")
                for name in self._locks:
                    self.rows("SELECT RELEASE_LOCK(?)", [name])
            self._locks, self._target = [], None
            self._comments.forget()

    def begin(self) -> None:  # noqa: D102
        # A statement that commits by itself ends this transaction; with this, the next statement begins another one.
        self.execute("SET autocommit = 0")

    def interrupt(self) -> None:
        """End the statement that runs, from another thread."""
        if self._is_ending:
            return
        # Where there is no way to the server, the statement has none either.
        with suppress(MaterializeError), translated(self.product), closing(self._connect()) as other:
            other.query(f"KILL QUERY {self._number}")

    def _connection_name(self, number: int | None) -> str:
        found: list[tuple[Any, ...]] = []
        with suppress(MaterializeError):
            found = self.rows(
                "SELECT USER, HOST, COMMAND, TIME FROM information_schema.PROCESSLIST WHERE ID = ?", [number]
            )
        if not found:
            return f"connection {number}" if number else "another connection"
        user, host, command, seconds = found[0]
        return f"connection {number} ({user}@{host}, {command.lower()} for {seconds} s)"

    def _blocker(self) -> str:
        number = None
        # Who may not see the transactions of others is told less.
        with suppress(MaterializeError, MySQLdb.Error), closing(self._connection.cursor(Cursor)) as cursor:
            cursor.execute(
                "SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX"
                " WHERE trx_mysql_thread_id NOT IN (0, CONNECTION_ID()) ORDER BY trx_started LIMIT 1"
            )
            [(number,)] = cursor.fetchall() or [(None,)]
        who = self._connection_name(number) if number else "a transaction of another connection"
        return f"a table or row is locked; the oldest open transaction is that of {who}" if number else (
            f"a table or row is locked by {who} (the right PROCESS shows whose)"
        )  # fmt: skip

    def is_going(self, table: Table, name: str) -> bool:  # noqa: D102
        return self._changes.is_going(table, name)

    # Changes.

    def create_table(self, table: Table, columns: Mapping[str, str]) -> None:  # noqa: D102
        self.execute(self.creation(f"TABLE {self.name_of(table)}", columns))
        if table == self._target:
            self._changes.created(table)
            if table.view:
                # Before the first row, as this commits.
                view = Table(table.view, table.schema)
                super().create_view(view, table, list(columns))
                self._changes.created_view(view)

    def create_view(self, view: Table, table: Table, columns: Sequence[str]) -> None:  # noqa: D102
        if list(self.columns(view) or ()) != list(columns):
            create = super().create_view
            self._changes.do_later(lambda: create(view, table, columns))

    def create_staging(self, columns: Mapping[str, str], keys: Sequence[str], rows: int = 0) -> Table:  # noqa: ARG002, D102
        schema = self._target.schema if self._target else ""
        name = STAGING
        while self._target and self.fold(name) == self.fold(self._target.name):
            name += "_"
        return self.create_temporary(Table(name, schema), columns, keys)

    def create_temporary(self, table: Table, columns: Mapping[str, str], keys: Sequence[str] = ()) -> Table:
        """Create a table that only this connection sees, also in place of another of its name.

        Args:
            table: Its name.
            columns: Its columns.
            keys: The columns that it will be searched by: it gets an index on them, and a column for a mark.
        """
        self.execute(f"DROP TEMPORARY TABLE IF EXISTS {self.name_of(table)}")
        further = ""
        if keys:
            parts = ", ".join(self.index_part(key, columns[key]) for key in keys)
            mark = self.quote(mysql_strategies.mark_of(columns))
            further = f", {mark} TINYINT NOT NULL DEFAULT 0, INDEX ({parts})"
        self.execute(self.creation(f"TEMPORARY TABLE {self.name_of(table)}", columns, further))
        self._temporary[table] = dict(columns)
        return table

    def drop_table(self, table: Table) -> None:  # noqa: D102
        if table in self._temporary:
            self.drop_temporary(table)
        else:
            super().drop_table(table)

    def drop_temporary(self, table: Table) -> None:
        """Drop a table that only this connection sees; without the word, this would commit, or drop another one."""
        self.execute(f"DROP TEMPORARY TABLE IF EXISTS {self.name_of(table)}")
        self._temporary.pop(table, None)

    def add_column(self, table: Table, name: str, definition: str) -> None:  # noqa: D102
        super().add_column(table, name, self.completed(definition))
        self._changes.added(table, name)

    def drop_column(self, table: Table, name: str) -> None:  # noqa: D102
        self._changes.drop_column(table, name)

    def change_type(self, table: Table, name: str, sql_type: str) -> None:  # noqa: D102
        self._changes.change_type(table, name, sql_type)

    def comment(self, table: Table, column: str, text: str) -> None:  # noqa: D102
        self._comments.want(table, column, text)

    def swap(self, table: Table, columns: Mapping[str, str], changed: Mapping[str, str]) -> Table:  # noqa: ARG002, D102
        self._changes.prepare_swap(table, columns)
        return table

    def announce(self, ledger: Table, row: Mapping[str, Any]) -> None:  # noqa: D102
        self._changes.swap_now(ledger, row)

    def bulk(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:  # noqa: D102
        kinds = self._temporary.get(table) or self.columns(table) or {}
        lengths = {name: mysql_types.length_of(kinds.get(name, "").partition(" ")[0]) for name in schema.names}
        limits = {name: length for name, length in lengths.items() if length is not None}
        name = self.name_of(table)
        if self._server.local_infile:
            ready = texts(batches, limits, hexadecimal=True)
            columns = f"{name} {columns_of(schema, self.quote)}"
            try:
                return load_data(self._connection, self.product, columns, text_schema(schema), ready)
            except MaterializeError as error:
                if code_of(error.__cause__ or error) not in _NO_LOCAL_INFILE:
                    raise
        self.say(
            f"{self.product} takes no LOAD DATA LOCAL here, and INSERT takes about five times as long;"
            " SET GLOBAL local_infile = ON mends it"
        )
        columns = f"{name} ({', '.join(map(self.quote, schema.names))})"
        return insert_rows(self._connection, self.product, columns, texts(batches, limits, hexadecimal=False))

    # Strategies of its own.

    def merge(self, publication: Publication) -> list[Statement]:
        """Merge by one statement where a unique index allows it, else by marks in the staging table."""
        return mysql_strategies.merge(self, publication)

    def delete_insert(self, publication: Publication) -> list[Statement] | None:
        """Delete by a join, which uses an index of either side."""
        return mysql_strategies.delete_insert(self, publication)

    def keep_last(self, staging: Table, keys: Sequence[str], position: str) -> int:  # noqa: D102
        return mysql_strategies.keep_last(self, staging, keys, position)

    def reader(self) -> Reader:  # noqa: D102
        return MySQLReader(self._connection, self.product)
