"""How rows go into a DuckDB table: in one statement, and within little memory."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from airflow_materialize.destinations.discretion import RepeatableError
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
    """The part of a DuckDB session that takes rows."""

    _connection: duckdb.DuckDBPyConnection
    _settings: Mapping[str, Any]
    _thrift: Thrift

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
        try:
            self._connection.register(_SOURCE, reader)
            with self._sparing(table, first):
                return self.execute(insert)
        except MaterializeError:
            if failures:
                raise failures[0] from None
            raise
        finally:
            # Refused after a failure, until the transaction is rolled back.
            with suppress(duckdb.Error):
                self._connection.unregister(_SOURCE)

    @contextmanager
    def _sparing(self, table: Table, first: pa.RecordBatch | None) -> Iterator[None]:
        """Keep DuckDB from holding in memory what it has written already, and several row groups of each thread.

        Raises:
            RepeatableError: It needs more memory than it was left: the next try leaves it all that it had.
        """
        staged = table.catalog == "temp"
        if first is None or staged or not self._thrift.wanted or self.rows(_INDEXES, self.parts(table)) != [(0,)]:
            # A temporary table would go to the disk for it, and an index has to be in memory.
            yield
            return
        # Beside the transaction, which may be past any statement at the end.
        with closing(self._connection.cursor()) as aside:
            found = dict(aside.execute(_SETTINGS).fetchall())
            least, most = _needed(first, int(found["threads"])) + int(found["used"] or 0), _bytes(found["memory_limit"])
            if least >= most:
                yield
                return
            found["memory_limit"] = f"{most}B"
            # In order, threads wait for each other with their rows in memory, which takes twice the time.
            wanted = {"memory_limit": f"{least}B", "write_buffer_row_group_count": "1", _ORDER: "false"}
            own = {name: value for name, value in wanted.items() if name in found}
            if _ORDER in self._settings:
                del own[_ORDER]
            with suppress(duckdb.Error):
                _set(aside, own)
            try:
                yield
            except MaterializeError as error:
                if isinstance(error.__cause__, duckdb.OutOfMemoryException):
                    self._thrift.wanted = False
                    brief = "DuckDB needs more memory for these rows than most do"
                    raise RepeatableError(brief, brief=brief) from error
                raise
            finally:
                _set(aside, {name: found[name] for name in own})


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


def _set(connection: Any, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        connection.execute(f"SET GLOBAL {name} = '{value}'")
