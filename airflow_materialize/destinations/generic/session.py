"""A session on any database with a DbApiHook: one transaction, bound values, SQL that most databases share."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_materialize.destinations.base import STAGING, Table
from airflow_materialize.destinations.discretion import PassingError, RepeatableError, StatementError
from airflow_materialize.destinations.generic.behaviour import LOCKS, observe
from airflow_materialize.destinations.generic.catalog import GenericCatalog
from airflow_materialize.destinations.generic.driver import Driver, close
from airflow_materialize.destinations.generic.reading import GenericReader
from airflow_materialize.destinations.generic.types import Style, values_of
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.reading import Reader

_DEFINES = frozenset({"alter", "comment", "create", "drop", "grant", "rename", "revoke", "truncate"})
"""First words of statements that some databases commit at once."""

_CHANGES = frozenset({"delete", "insert", "update"})
_MOST_ROWS = 500
_TRIES = 4


class GenericSession(GenericCatalog):
    """One open connection of some driver.

    Args:
        connection: The driver's.
        driver: What is known of it.
        style: What the database's SQL is like.
        connect: Opens another connection, for what would commit this one.
        read_only: Whether nothing may be written.
    """

    def __init__(
        self, connection: Any, driver: Driver, style: Style, *, connect: Callable[[], Any], read_only: bool = False
    ) -> None:
        super().__init__()
        self.dialect = style.dialect
        self.style = style
        self.title = driver.title
        self.replaces_rows = not style.updates_from
        self._connection, self._driver = connection, driver
        self._connect = connect
        self._read_only = read_only
        self._in_transaction = self._has_created = False
        self._target: Table | None = None
        self._staging: Table | None = None

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:  # noqa: D102
        if self._read_only:
            raise MaterializeError("The session only reads")
        first = sql.split(None, 1)[0].lower()
        if first in _DEFINES and self._in_transaction and not self.changes_roll_back:
            if first == "alter":
                raise self._committing(sql)
            self._define(sql)
            return 0
        with self._driver.translated(), closing(self._connection.cursor()) as cursor:
            cursor.execute(*self._driver.statement(sql, parameters))
            count = int(cursor.rowcount)
        if not self._in_transaction:
            self.conclude()
        if first in _CHANGES and count < 0:
            raise MaterializeError(f"The driver of {self.title} does not tell how many rows a statement touched")
        return max(count, 0)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:  # noqa: D102
        try:
            with self._driver.translated(), closing(self._connection.cursor()) as cursor:
                cursor.execute(*self._driver.statement(sql, parameters))
                return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            if not self._in_transaction:
                self.abandon()

    def described(self, sql: str) -> list[str] | None:  # noqa: D102
        try:
            with self._driver.translated(), closing(self._connection.cursor()) as cursor:
                cursor.execute(sql)
                return [column[0] for column in cursor.description or ()]
        except PassingError:
            raise
        except MaterializeError:
            return None
        finally:
            if not self._in_transaction:
                self.abandon()

    def interrupt(self) -> None:  # noqa: D102
        for name in ("cancel", "interrupt"):
            if callable(cancel := getattr(self._connection, name, None)):
                with suppress(*self._driver.errors):
                    cancel()
                return

    def lock(self, table: Table) -> None:
        """Hold a row of `_materialize_locks`, which stands for the table; databases differ in all other locks."""
        own = _mark(table)
        locks = Table(LOCKS, table.schema, table.catalog)
        name = self.name_of(locks)
        if self._read_only:
            # Who holds it may be about to commit.
            if self.columns(locks):
                self._touch(name, own)
                self.abandon()
            return
        if self._target is None:
            self._target = table
            self._prepare(locks, own)
        elif not self.rows(f"SELECT 1 FROM {name} WHERE place = ?", [own]):
            try:
                self.execute(f"INSERT INTO {name} (place, taken) VALUES (?, 0)", [own])
            except StatementError as error:
                raise RepeatableError(f"{table} is locked by another load for the first time, too") from error
        self._touch(name, own)

    def reader(self) -> Reader:  # noqa: D102
        return GenericReader(self._connection, self._driver, self.dialect)

    # Changes.

    def create_table(self, table: Table, columns: Mapping[str, str]) -> None:  # noqa: D102
        self._make(table, columns)
        # The ledger stays: others may have written into it since.
        self._has_created = self._has_created or table == self._target

    def create_view(self, view: Table, table: Table, columns: Sequence[str]) -> None:  # noqa: D102
        if not self.changes_roll_back:
            super().create_view(view, table, columns)
            return
        if self.kind(view) == "view":
            self.drop_view(view)
        listed = ", ".join(map(self.quote, columns))
        self.execute(f"CREATE VIEW {self.name_of(view)} AS SELECT {listed} FROM {self.name_of(table)}")

    def create_staging(self, columns: Mapping[str, str], keys: Sequence[str], rows: int = 0) -> Table:  # noqa: ARG002, D102
        # Temporary tables are not the same everywhere. One of this name is what a killed load of this table left.
        target = self._target or Table("")
        staging = Table(f"{STAGING}_{_mark(target)[:16]}", target.schema, target.catalog)
        if self.columns(staging):
            super().drop_table(staging)
        if unknown := next((name for name, kind in columns.items() if self.is_unknown(kind)), ""):
            raise self._inexact(target, unknown, columns[unknown])
        self._staging = staging
        self._make(staging, columns)
        return staging

    def drop_table(self, table: Table) -> None:  # noqa: D102
        # Where this commits, the staging table goes behind COMMIT, with what else is left.
        if self.changes_roll_back or table != self._staging:
            super().drop_table(table)
            self._staging = None if table == self._staging else self._staging

    def swap(self, table: Table, columns: Mapping[str, str], changed: Mapping[str, str]) -> Table:  # noqa: D102
        if not self.changes_roll_back:
            raise self._committing(f"DROP TABLE {self.name_of(table)}")
        self.losses.append(f"{table} was made anew: its grants, indexes, constraints and comments could not be kept")
        return super().swap(table, columns, changed)

    def bulk(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:  # noqa: D102
        self._check_types(table, schema)
        width = len(schema.names)
        names = ", ".join(self.quote(name) for name in schema.names)
        row, insert = f"({', '.join('?' * width)})", f"INSERT INTO {self.name_of(table)} ({names}) VALUES "
        most = max(1, min(_MOST_ROWS, self.style.parameters // width))
        count = 0
        for batch in batches:
            columns = [values_of(name, batch[name], count, self.style) for name in schema.names]
            cells = [*chain.from_iterable(zip(*columns, strict=True))]
            with self._driver.translated(), closing(self._connection.cursor()) as cursor:
                for start in range(0, len(cells), most * width):
                    part = cells[start : start + most * width]
                    cursor.execute(*self._driver.statement(insert + ", ".join([row] * (len(part) // width)), part))
            count += batch.num_rows
        return count

    # The transaction.

    def begin(self) -> None:  # noqa: D102
        # A connection of PEP 249 is always in one; this is a new one.
        self.abandon()
        self._in_transaction = True

    def commit(self) -> None:  # noqa: D102
        # Where the answer is lost, the table may hold rows: it is not dropped any more.
        self._in_transaction = self._has_created = False
        self.conclude()
        self._clear()

    def _roll_back(self) -> None:
        self._in_transaction = False
        self.abandon()
        self._clear()

    def abandon(self) -> None:
        """Roll back, without a word where the connection is gone: then the database has done it."""
        with suppress(*self._driver.errors):
            self._connection.rollback()

    def conclude(self) -> None:
        """Commit what is open."""
        with self._driver.translated():
            self._connection.commit()

    def _prepare(self, locks: Table, own: str) -> None:
        """Make the row of a table's lock, and see what this database's transactions hold. Nothing else is open yet."""
        for left in reversed(range(_TRIES)):
            try:
                self._make_row(locks, own)
                break
            except StatementError:
                # Another load may have made the same at the same time.
                self.abandon()
                if not left:
                    raise
        self.behaviour = self.behaviour or observe(self, self.title, locks, own)
        self.changes_roll_back = self.behaviour.changes_roll_back
        self.committing = frozenset() if self.changes_roll_back else _DEFINES
        # Who has waited sees what the others have committed, and tables that were made meanwhile.
        if self.described("SET TRANSACTION ISOLATION LEVEL READ COMMITTED") is None:
            self.abandon()

    def _make_row(self, locks: Table, own: str) -> None:
        name = self.name_of(locks)
        self.create_schema(locks)
        if not self.columns(locks):
            self.execute(f"CREATE TABLE {name} (place {self.style.key} PRIMARY KEY, taken INTEGER)")
        if not self.rows(f"SELECT 1 FROM {name} WHERE place = ?", [own]):
            self.execute(f"INSERT INTO {name} (place, taken) VALUES (?, 0)", [own])
        self.conclude()

    def _touch(self, locks: str, own: str) -> None:
        with self._driver.translated(), closing(self._connection.cursor()) as cursor:
            cursor.execute(*self._driver.statement(f"UPDATE {locks} SET taken = 1 - taken WHERE place = ?", [own]))

    def _define(self, sql: str) -> None:
        """Run a statement that commits by itself on another connection, so that the lock of this one holds."""
        other = self._connect()
        try:
            with self._driver.translated(), closing(other.cursor()) as cursor:
                cursor.execute(sql)
                other.commit()
        finally:
            close(other)

    def _clear(self) -> None:
        """Drop what this load has made and no rollback takes back."""
        if not self.changes_roll_back:
            for table in filter(None, (self._staging, self._target if self._has_created else None)):
                with suppress(MaterializeError):
                    self.execute(f"DROP TABLE {self.name_of(table)}")
        self._staging, self._has_created = None, False

    def _make(self, table: Table, columns: Mapping[str, str]) -> None:
        super().create_table(table, columns)
        there = self.columns(table) or {}
        if self.place.way == "description":
            self._made[table] = [*columns]
        if lost := [name for name in columns if name not in there]:
            raise MaterializeError(
                f"{self.title} keeps the name {lost[0]!r} otherwise: the table has {', '.join(there)}",
                hint="a shorter name, or one in the case that the database keeps",
            )

    def _committing(self, statement: str) -> MaterializeError:
        return MaterializeError(
            f"{self.title} commits changes of a table's columns at once, so a load that fails could not take them back",
            hint=f"run it by hand ({statement}), return the table's columns, or let on_schema_change be ignore",
        )

    def _check_types(self, table: Table, schema: pa.Schema) -> None:
        """See that each column is known to hold the values exactly: drivers and databases round without a word."""
        if self.place.way == "description" and table in self._made:
            return
        for column in self.described_columns(table):
            if column.name in schema.names and pa.types.is_null(column.arrow):
                raise self._inexact(table, column.name, column.sql)

    def _inexact(self, table: Table, name: str, kind: str) -> MaterializeError:
        return MaterializeError(
            f"Column {name!r} of {table} is {kind}, and whether it keeps values exactly is not known",
            hint="let the load make the table: drop it, or use create+replace",
        )


def _mark(table: Table) -> str:
    """Return what stands for a table: its name may be too long, or mean something in SQL."""
    return hashlib.sha256(f"{table.catalog}.{table.schema}.{table.name}".encode()).hexdigest()
