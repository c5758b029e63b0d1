"""What every destination offers. One file for each kind of database; shared code names none of them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_materialize.destinations import MODULES
from airflow_materialize.destinations.arrow import canonical
from airflow_materialize.errors import MaterializeError, TransientError

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_materialize.connections import Connection

Progress = Callable[[str], None]
"""Takes a sentence for the log: who is waited for, and how long."""

STAGING = "_materialize_staging"
"""The staging table. It is temporary, so every session has its own."""

_UPPER = re.compile("[A-Z]+")


class UnknownOutcomeError(TransientError):
    """COMMIT failed, and only the ledger can tell whether the database kept the transaction."""


@dataclass(frozen=True)
class Table:
    """A table's name in its parts, unquoted. Empty parts take the connection's default."""

    name: str
    schema: str = ""
    catalog: str = ""

    def __str__(self) -> str:
        return ".".join(part for part in (self.catalog, self.schema, self.name) if part)


@dataclass(frozen=True)
class Capabilities:
    """What a destination can promise.

    Attributes:
        guarantee: `exactly_once` where the ledger commits with the data.
        schemas: Whether tables live in schemas.
    """

    guarantee: Literal["exactly_once", "at_least_once"] = "exactly_once"
    schemas: bool = True


class Session(ABC):
    """One open connection to a destination. All SQL goes through it; values are always bound.

    Whatever the driver raises comes out as a MaterializeError, or a TransientError where it may pass by itself.
    """

    dialect: ClassVar[str]
    """sqlglot's name of the dialect."""

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement and return the number of rows it touched (0 where that has no meaning)."""

    @abstractmethod
    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one query and return all of its rows."""

    # What is there.

    @abstractmethod
    def kind(self, table: Table) -> Literal["table", "view", ""]:
        """Return what stands under the table's name; empty where nothing does."""

    @abstractmethod
    def columns(self, table: Table) -> dict[str, str] | None:
        """Return the table's columns with their types in its order, or None where there is no such table."""

    @abstractmethod
    def required(self, table: Table) -> set[str]:
        """Return the columns that every inserted row must name: NOT NULL without a default."""

    @abstractmethod
    def arrow_types(self, table: Table) -> dict[str, pa.DataType]:
        """Return the Arrow type that holds what each column of an existing table holds."""

    # Types.

    def storable(self, arrow_type: pa.DataType) -> pa.DataType:
        """Return the Arrow type as which `bulk` takes values of `arrow_type`.

        Raises:
            MaterializeError: The database has no exact type for it.
        """
        return canonical(arrow_type)

    @abstractmethod
    def column_type(self, arrow_type: pa.DataType) -> str:
        """Return the type that holds every value of a storable Arrow type exactly, spelled as `columns` spells it.

        Raises:
            MaterializeError: There is none.
        """

    def bind(self, scalar: pa.Scalar[Any]) -> Any:
        """Return one value as a parameter that compares with a column of its `column_type`."""
        return scalar.as_py()

    # Changes.

    def create_schema(self, table: Table) -> None:
        """Create the schema that the table lives in, where it is missing."""
        if table.schema:
            parts = (self.quote(part) for part in (table.catalog, table.schema) if part)
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {'.'.join(parts)}")

    def create_table(self, table: Table, columns: Mapping[str, str]) -> None:
        """Create a table of these columns and types."""
        self.execute(f"CREATE TABLE {self.name_of(table)} ({self.definitions(columns)})")

    @abstractmethod
    def create_staging(self, columns: Mapping[str, str], keys: Sequence[str]) -> Table:
        """Create this session's empty staging table.

        Args:
            columns: Its columns with their types.
            keys: The columns that it will be searched by.
        """

    def drop_table(self, table: Table) -> None:
        """Drop a table."""
        self.execute(f"DROP TABLE {self.name_of(table)}")

    def add_column(self, table: Table, name: str, sql_type: str) -> None:
        """Add an empty column to a table."""
        self.execute(f"ALTER TABLE {self.name_of(table)} ADD COLUMN {self.quote(name)} {sql_type}")

    def drop_column(self, table: Table, name: str) -> None:
        """Drop a column of a table."""
        self.execute(f"ALTER TABLE {self.name_of(table)} DROP COLUMN {self.quote(name)}")

    def change_type(self, table: Table, name: str, sql_type: str) -> None:
        """Change a column to a type that holds all of its values."""
        self.execute(f"ALTER TABLE {self.name_of(table)} ALTER COLUMN {self.quote(name)} TYPE {sql_type}")

    @abstractmethod
    def bulk(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Insert batches of storable types into a table, columns by name, and return how many rows went in."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin, then commit, or roll back on any exception.

        Raises:
            UnknownOutcomeError: COMMIT failed.
        """
        self.begin()
        try:
            yield
        except BaseException:
            self._roll_back()
            raise
        try:
            self.commit()
        except MaterializeError as error:
            self._roll_back()
            if isinstance(error, TransientError):
                raise UnknownOutcomeError(f"COMMIT failed: {error.message}") from error
            raise

    def _roll_back(self) -> None:
        with suppress(MaterializeError):
            self.execute("ROLLBACK")

    def begin(self) -> None:
        """Begin a transaction that holds the lock for writing."""
        self.execute("BEGIN")

    def commit(self) -> None:
        """Commit it."""
        self.execute("COMMIT")

    # Spelling.

    def quote(self, identifier: str) -> str:
        """Return one name as a quoted identifier.

        Raises:
            MaterializeError: No database can hold such a name.
        """
        from sqlglot import exp

        if not identifier or "\0" in identifier:
            raise MaterializeError(
                f"{identifier!r} is no name for a table or column", hint="at least one character, no NUL"
            )
        return exp.to_identifier(identifier, quoted=True).sql(dialect=self.dialect)

    def name_of(self, table: Table) -> str:
        """Return the table's quoted full name."""
        return ".".join(self.quote(part) for part in (table.catalog, table.schema, table.name) if part)

    def definitions(self, columns: Mapping[str, str]) -> str:
        """Return columns as CREATE TABLE lists them."""
        return ", ".join(f"{self.quote(name)} {sql_type}" for name, sql_type in columns.items())

    def fold(self, name: str) -> str:
        """Return what two names have in common that the database takes for one: here ASCII without case."""
        return _UPPER.sub(lambda match: match[0].lower(), name)

    @abstractmethod
    def unmatched_pattern(self, column_sql: str) -> str:
        """Return the condition that is true where a text has no part that matches the pattern bound to its one `?`.

        It is NULL where the column is NULL.
        """


_KNOWN: dict[str, type[Destination]] = {}


class Destination(ABC):
    """A kind of database, registered by its `conn_type`."""

    conn_type: ClassVar[str]
    capabilities: ClassVar[Capabilities] = Capabilities()

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "conn_type" in vars(cls):
            _KNOWN.setdefault(cls.conn_type, cls)

    @abstractmethod
    def table(self, name: str) -> Table:
        """Return the table that an asset of this name makes.

        Raises:
            MaterializeError: The name has more parts than a table has here.
        """

    @abstractmethod
    def session(
        self, *, read_only: bool = False, purpose: str = "", progress: Progress | None = None
    ) -> AbstractContextManager[Session]:
        """Open the connection, wait in its queue where it has one, and close it at the end.

        Args:
            read_only: Nothing can be written. A database that does not exist yet has no tables then.
            purpose: What those who wait for this session are told, as "load of raw.orders".
            progress: Told every ten seconds of waiting who is waited for.

        Raises:
            MaterializeError: The database cannot be opened.
            TransientError: The wait was too long.
        """


def for_connection(connection: Connection) -> Destination:
    """Return the destination that a connection leads to.

    Raises:
        MaterializeError: There is none for its type.
    """
    if connection.conn_type not in MODULES:
        raise MaterializeError(
            f"Connection {connection.conn_id!r} has the type {connection.conn_type!r}, into which nothing is loaded",
            hint=f"one of: {', '.join(sorted(MODULES))}",
            unchanged="any table",
        )
    import_module(MODULES[connection.conn_type])
    return _KNOWN[connection.conn_type](connection)
