"""How rows go into a DuckDB table: in one statement, and within little memory."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from airflow_materialize.destinations.discretion import RepeatableError
from airflow_materialize.destinations.duckdb.errors import translated
from airflow_materialize.destinations.duckdb.publishing import DuckDBPublishing
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.spelling import Table

_SOURCE = "_materialize_batches"
_GROUP_ROWS = 122_880
"""Rows of a row group: what each thread has in memory before it is written."""

_BLOCK = 256 * 1024
_ROOM = 32 * 1024 * 1024
_ORDER = "preserve_insertion_order"
_SIZE = re.compile(r"([\d.]+) ?(\w+)")
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}

_INDEXES = """
SELECT index_count FROM duckdb_tables()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)
"""


class Thrift:
    """Whether a destination's loads keep within little memory. They no longer do once it was too little."""

    def __init__(self) -> None:
        self.wanted = True


class DuckDBBulk(DuckDBPublishing):
    """The part of a DuckDB session that takes rows, and from then on keeps DuckDB's memory small."""

    _connection: duckdb.DuckDBPyConnection
    _settings: Mapping[str, Any]
    _thrift: Thrift
    _target: Table | None = None
    _before: Mapping[str, str] = MappingProxyType({})

    def lock(self, table: Table) -> None:  # noqa: D102
        # That of the ledger comes later, if at all.
        self._target = self._target or table

    def bulk(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:  # noqa: D102
        failures: list[Exception] = []

        def watched() -> Iterator[pa.RecordBatch]:
            # DuckDB would turn an exception into the text of its own.
            try:
                yield from batches
            except Exception as error:
                failures.append(error)
                raise

        rows = watched()
        first = next(rows, None)
        reader = pa.RecordBatchReader.from_batches(schema, rows if first is None else chain([first], rows))
        names = ", ".join(self.quote(name) for name in schema.names)
        insert = f"INSERT INTO {self.name_of(table)} ({names}) SELECT {names} FROM {_SOURCE}"
        if first is not None:
            self._spare(self._target or table, first)
        try:
            self._connection.register(_SOURCE, reader)
            return self.execute(insert)
        except MaterializeError:
            if failures:
                raise failures[0] from None
            raise
        finally:
            # Refused after a failure, until the transaction is rolled back.
            with suppress(duckdb.Error):
                self._connection.unregister(_SOURCE)

    def published(self) -> None:  # noqa: D102
        if self._before:
            # Beside the transaction, which may be past any statement at the end.
            with closing(self._connection.cursor()) as aside:
                _set(aside, self._before)
            self._before = {}

    def _roll_back(self) -> None:
        self.published()
        super()._roll_back()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what DuckDB raises into errors of ours.

        Raises:
            RepeatableError: It needs more memory than it was left: the next try leaves it all that it had.
        """
        try:
            with translated():
                yield
        except MaterializeError as error:
            if self._before and isinstance(error.__cause__, duckdb.OutOfMemoryException):
                self._thrift.wanted = False
                brief = "DuckDB needs more memory for these rows than most do"
                raise RepeatableError(brief, brief=brief) from error
            raise

    def _spare(self, target: Table, first: pa.RecordBatch) -> None:
        """Keep DuckDB from holding in memory what it has written already, and several row groups of each thread."""
        if self._before or not self._thrift.wanted or self.rows(_INDEXES, self.parts(target)) not in ([], [(0,)]):
            # An index has to be in memory.
            return
        with closing(self._connection.cursor()) as aside:
            found = dict(aside.execute(_SETTINGS).fetchall())
            least, most = _needed(first, int(found["threads"])) + int(found["used"] or 0), _bytes(found["memory_limit"])
            if least >= most:
                return
            found["memory_limit"] = f"{most}B"
            # In order, threads wait for each other with their rows in memory, which takes twice the time.
            own = {"memory_limit": f"{least}B", "write_buffer_row_group_count": "1"}
            own |= {} if _ORDER in self._settings else {_ORDER: "false"}
            own = {name: value for name, value in own.items() if name in found}
            self._before = {name: found[name] for name in own}
            with suppress(duckdb.Error):
                _set(aside, own)


_SETTINGS = f"""
SELECT name, value FROM duckdb_settings()
WHERE name IN ('memory_limit', 'threads', 'write_buffer_row_group_count', '{_ORDER}')
UNION ALL SELECT 'used', CAST(sum(memory_usage_bytes) AS VARCHAR) FROM duckdb_memory()
"""


def _needed(batch: pa.RecordBatch, threads: int) -> int:
    """Return how many bytes DuckDB should have for rows like these."""
    row = batch.nbytes / max(1, batch.num_rows)
    group = max(row * _GROUP_ROWS, batch.num_columns * 2 * _BLOCK)
    return _ROOM + int(2 * threads * group)


def _bytes(size: str) -> int:
    """Return the bytes of a limit, which DuckDB tells with one digit behind the point, and cuts off the rest."""
    match = _SIZE.fullmatch(size)
    return int((float(match[1]) + 0.05) * _UNITS.get(match[2], 0)) if match else 0


def _set(connection: Any, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        connection.execute(f"SET GLOBAL {name} = '{value}'")
