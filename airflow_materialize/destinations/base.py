"""What every destination offers. One file for each kind of database; shared code names none of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_materialize.destinations.arrow import as_python, canonical
from airflow_materialize.destinations.discretion import PassingError
from airflow_materialize.destinations.lookup import class_for
from airflow_materialize.destinations.spelling import Table
from airflow_materialize.destinations.stopping import current
from airflow_materialize.destinations.tables import Tables
from airflow_materialize.errors import MaterializeError, TransientError

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_materialize.connections import Connection
    from airflow_materialize.destinations.reading import Reader

__all__ = [
    "STAGING",
    "Capabilities",
    "Destination",
    "Progress",
    "Session",
    "Table",
    "UnknownOutcomeError",
    "for_connection",
]

Progress = Callable[[str], None]
"""Takes a sentence for the log: who is waited for, and how long."""

STAGING = "_materialize_staging"
"""The staging table. It is temporary, so every session has its own."""


class UnknownOutcomeError(PassingError):
    """COMMIT failed, and only the ledger can tell whether the database kept the transaction."""


@dataclass(frozen=True)
class Capabilities:
    """What a destination can promise.

    Attributes:
        guarantee: `exactly_once` where the ledger commits with the data.
        schemas: Whether tables live in schemas.
    """

    guarantee: Literal["exactly_once", "at_least_once"] = "exactly_once"
    schemas: bool = True


class Session(Tables):
    """One open connection to a destination. All SQL goes through it; values are always bound.

    Whatever the driver raises comes out as a MaterializeError, or a TransientError where it may pass by itself.
    """

    @abstractmethod
    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one query and return all of its rows."""

    @abstractmethod
    def interrupt(self) -> None:
        """Let the statement that runs fail, from another thread. Nothing happens where none runs."""

    def lock(self, table: Table) -> None:
        """Hold the lock of a table until the transaction ends; the table need not exist.

        A load takes the lock of its table first of all, and that of the ledger only where it has to make it. A database
        that lets in one writer at a time has nothing to do here.

        Raises:
            TransientError: The wait for who holds it was too long. It is named.
        """

    # What is there.

    @abstractmethod
    def kind(self, table: Table) -> Literal["table", "view", ""]:
        """Return what stands under the table's name; empty where nothing does."""

    @abstractmethod
    def columns(self, table: Table) -> dict[str, str] | None:
        """Return the table's columns with their types in its order, or None where there is no such table."""

    def count(self, table: Table) -> int:
        """Return the number of rows of a table."""
        [(count,)] = self.rows(f"SELECT count(*) FROM {self.name_of(table)}")  # noqa: S608  # a name is quoted
        return int(count)

    def count_to(self, table: Table, most: int) -> int:
        """Return the number of rows of a table, or `most` + 1 where they are more and counting means to read them."""
        some = f"SELECT 1 AS one FROM {self.name_of(table)} LIMIT {most + 1}"  # noqa: S608  # a name is quoted
        [(count,)] = self.rows(f"SELECT count(*) FROM ({some}) AS counted")  # noqa: S608  # as above
        return int(count)

    @abstractmethod
    def required(self, table: Table) -> set[str]:
        """Return the columns that every inserted row must name: NOT NULL without a default."""

    @abstractmethod
    def arrow_types(self, table: Table) -> dict[str, pa.DataType]:
        """Return the Arrow type that holds what each column of an existing table holds."""

    def computed(self, table: Table) -> set[str]:  # noqa: ARG002
        """Return the columns that the database fills by itself and `columns` leaves out."""
        return set()

    def collations(self, table: Table) -> dict[str, str]:  # noqa: ARG002
        """Return the collations of a table's columns where they are not the database's own choice."""
        return {}

    def has_unique_index(self, table: Table, columns: Sequence[str]) -> bool:  # noqa: ARG002
        """Whether the database itself keeps any two rows from having the same values in exactly these columns."""
        return False

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

    def key_type(self, arrow_type: pa.DataType) -> str:
        """Return the type of a column that is part of a primary key."""
        return self.column_type(arrow_type)

    def room_for(self, sql_type: str, length: int) -> str:  # noqa: ARG002
        """Return the type that a column of texts needs for one of so many characters: its own where it fits."""
        return sql_type

    def bind(self, scalar: pa.Scalar[Any]) -> Any:
        """Return one value as a parameter that compares with a column of its `column_type`."""
        return as_python(scalar)

    # User code.

    def value(self, value: Any) -> Any:
        """Return a value of Python's as the driver takes it, as a column holds such values.

        Raises:
            MaterializeError: The database has no exact type for it.
        """
        return value

    @abstractmethod
    def reader(self) -> Reader:
        """Give this session, which is open for reading alone, up to statements of user code."""

    # Changes.

    @abstractmethod
    def create_staging(self, columns: Mapping[str, str], keys: Sequence[str], rows: int = 0) -> Table:
        """Create this session's empty staging table.

        Args:
            columns: Its columns with their types.
            keys: The columns that it will be searched by.
            rows: How many rows will come, where that is known.
        """

    @abstractmethod
    def bulk(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Insert batches of storable types into a table, columns by name, and return how many rows went in."""

    def published(self) -> None:
        """Take note that the rows are where they belong: hooks, checks, the ledger's row and COMMIT follow."""
        return

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin, then commit, or roll back on any exception.

        Raises:
            UnknownOutcomeError: COMMIT failed.
            TransientError: Whoever may stop this asked for it before COMMIT.
        """
        self.begin()
        stop = current()
        try:
            yield
            if stop:
                stop.conclude()
        except BaseException:
            self._roll_back()
            raise
        try:
            self.commit()
        except MaterializeError as error:
            self._roll_back()
            if isinstance(error, TransientError):
                brief = f"COMMIT failed: {error.brief}" if isinstance(error, PassingError) and error.brief else ""
                raise UnknownOutcomeError(f"COMMIT failed: {error.message}", brief=brief) from error
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


_KNOWN: dict[str, type[Destination]] = {}


class Destination(ABC):
    """A kind of database, registered by its `conn_type`."""

    conn_type: str
    title: ClassVar[str] = ""
    """What people call it; its `conn_type` where it is empty."""
    capabilities: Capabilities = Capabilities()

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "conn_type" in vars(cls):
            _KNOWN.setdefault(cls.conn_type, cls)

    @property
    def guarantee(self) -> str:
        """The label of each load, as `DuckDB: exactly once`."""
        return f"{self.title or self.conn_type}: {self.capabilities.guarantee.replace('_', ' ')}"

    @abstractmethod
    def table(self, name: str) -> Table:
        """Return the table that an asset of this name makes.

        Raises:
            MaterializeError: The name has more parts than a table has here.
        """

    @contextmanager
    def session(
        self, *, read_only: bool = False, purpose: str = "", progress: Progress | None = None
    ) -> Iterator[Session]:
        """Open a session as `open` does, and let its statements be stopped together with what this thread does."""
        stop = current()
        with (
            self.open(read_only=read_only, purpose=purpose, progress=progress) as session,
            stop.holding(session) if stop else nullcontext(),
        ):
            yield session

    @abstractmethod
    def open(
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


def known(conn_type: str) -> type[Destination]:
    """Return the class that the imported module of a `conn_type` has registered."""
    return _KNOWN[conn_type]


def for_connection(connection: Connection) -> Destination:
    """Return the destination that a connection leads to.

    Raises:
        MaterializeError: There is none for its type.
    """
    return class_for(connection)(connection)
