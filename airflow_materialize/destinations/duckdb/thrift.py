"""How a load keeps DuckDB's memory small: its settings, from the first batch on until the rows are in their table."""

# ruff: noqa: S608  # The statements have no value of anybody in them.

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from threading import Event, Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP_ROWS = 122_880
"""Rows of a row group: what each thread has in memory before it is written."""

_PART_BYTES = 8 * 1024 * 1024
_BLOCK = 256 * 1024
_ROOM, _WIDEST = 20 * 1024 * 1024, 78 * 1024 * 1024
_LEAST, _AFTERWARDS, _COMMITTING = 56 * 1024 * 1024, 48 * 1024 * 1024, 32 * 1024 * 1024

VECTOR = 2048
"""Rows that DuckDB works on at once."""

_WRITERS, _JOINING = 4, 2
"""Threads that take the rows of the result at most, each of which has rows in memory, and those of what follows. Where
a table has many columns, one does both (half as long again for a replacement, and some merges are quicker by it)."""

_THREADS = "threads"
_ORDER = "preserve_insertion_order"
_SIZE = re.compile(r"([\d.]+) ?(\w+)")
_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_LOOK_SECONDS = 0.02
_MORE, _TRIES = 3, 3
_INSIDE = 16
"""Bytes of a short text that has no place outside of its row: 12 in DuckDB, and 4 by which Arrow finds it."""

_SETTINGS = f"""
SELECT name, value FROM duckdb_settings()
WHERE name IN ('memory_limit', '{_THREADS}', 'write_buffer_row_group_count', '{_ORDER}')
UNION ALL SELECT 'used', CAST(sum(memory_usage_bytes) AS VARCHAR) FROM duckdb_memory()
"""
_KEPT = """
SELECT coalesce(sum(memory_usage_bytes * CASE tag WHEN 'ART_INDEX' THEN ? ELSE 1 END), 0)
FROM duckdb_memory() WHERE tag IN ('ART_INDEX', 'ALLOCATOR')
"""


class Thrift:
    """How little memory a destination's loads keep within, which grows each time that it was too little.

    Attributes:
        times: How many times what most rows need; 0 once they have all that the connection has.
    """

    def __init__(self) -> None:
        self.times = 1

    def relent(self) -> None:
        """Let the next try have more."""
        self.times = self.times * _MORE if self.times < _MORE**_TRIES else 0


class Sparing:
    """The settings of one open database while a load goes on.

    Args:
        connection: The load's own. All statements here go beside it, as its transaction may be past any statement.
        settings: What the connection itself sets.

    Attributes:
        active: Whether the settings are others than the connection's.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: Mapping[str, Any]) -> None:
        self._connection = connection
        self._settings = settings
        self._before: Mapping[str, str] = MappingProxyType({})
        self._own: Mapping[str, str] = MappingProxyType({})
        self._least = self._less = self._last = self._most = 0
        self._indexed, self._copies = False, 1
        self._over = Event()
        self._follower: Thread | None = None
        self.active = False

    def begin(self, first: pa.RecordBatch, *, indexed: bool, times: int) -> None:
        """Keep DuckDB from holding in memory what it has written already, and several row groups of each thread.

        Args:
            first: Rows like those that are to come.
            indexed: Whether the table has an index, so that the limit grows with what DuckDB cannot put away.
            times: How many times what most rows need they may have.
        """
        with closing(self._connection.cursor()) as aside:
            found = dict(aside.execute(_SETTINGS).fetchall())
        threads = int(found[_THREADS])
        if _THREADS not in self._settings:
            threads = min(threads, _threads(first.num_columns))
        fewer = min(threads, _JOINING)
        needed, after, last = (
            max(least, _blocks(count, first.num_columns), int(2 * count * VECTOR * _width(first)))
            for least, count in ((_LEAST, threads), (_AFTERWARDS, fewer), (_COMMITTING, fewer))
        )
        self._least = times * needed + int(found["used"] or 0)
        # Where the first try has failed, a single row may be large wherever it goes: all that is given stays.
        self._less, self._last = (needed - after, after - last) if times == 1 else (0, 0)
        self._most = _bytes(found["memory_limit"])
        self._indexed, self._copies = indexed, 1
        if self._least >= self._most:
            return
        found["memory_limit"] = f"{self._most}B"
        # In order, threads wait for each other with their rows in memory, which takes twice the time.
        own = {"write_buffer_row_group_count": "1", _THREADS: str(threads), _ORDER: "false"}
        own = {name: value for name, value in own.items() if name not in self._settings}
        self._own = {name: value for name, value in own.items() if name in found}
        self._before = {name: found[name] for name in ("memory_limit", *self._own)}
        self._start()

    def narrow(self) -> None:
        """Let fewer threads go on, in less memory: what comes behind the rows of the result goes in parts."""
        if int(self._own.get(_THREADS, "0")) > _JOINING:
            self._own = {**self._own, _THREADS: str(_JOINING)}
            if self.active:
                with closing(self._connection.cursor()) as aside, suppress(duckdb.Error):
                    _set(aside, {_THREADS: self._own[_THREADS]})
        self.widen(-self._less)
        self._less = 0

    def widen(self, size: int) -> None:
        """Let DuckDB have so many bytes more, which it cannot put away."""
        self._least += size
        if self.active:
            with closing(self._connection.cursor()) as aside, suppress(duckdb.Error):
                _set(aside, {"memory_limit": f"{self._limit(aside)}B"})

    @contextmanager
    def resumed(self) -> Iterator[None]:
        """The same for COMMIT, which writes what has gone into a table with an index, and what deletions leave."""
        if self._indexed:
            self._copies = 2
            self.widen(-self._last)
        if self._before:
            self._start()
        try:
            yield
        finally:
            self.end()

    def end(self) -> None:
        """Give the connection its settings back."""
        if self._follower:
            self._over.set()
            self._follower.join()
            self._follower = None
        if self.active:
            self.active = False
            # A database that a failed COMMIT has made unusable has no settings, and that failure is what counts.
            with suppress(duckdb.Error), closing(self._connection.cursor()) as aside:
                _set(aside, self._before)

    def _start(self) -> None:
        self.active = True
        with closing(self._connection.cursor()) as aside, suppress(duckdb.Error):
            _set(aside, {**self._own, "memory_limit": f"{self._limit(aside)}B"})
        if self._indexed:
            self._over.clear()
            aside = self._connection.cursor()
            self._follower = Thread(target=self._follow, args=(aside,), name="materialize-indexes", daemon=True)
            self._follower.start()

    def _follow(self, aside: duckdb.DuckDBPyConnection) -> None:
        with closing(aside), suppress(duckdb.Error):
            before = self._least
            while not self._over.wait(_LOOK_SECONDS):
                limit = self._limit(aside)
                if abs(limit - before) > _BLOCK:
                    before = limit
                    # It is refused while that much is in use.
                    with suppress(duckdb.Error):
                        _set(aside, {"memory_limit": f"{limit}B"})

    def _limit(self, aside: duckdb.DuckDBPyConnection) -> int:
        """Return the bytes that DuckDB may have now.

        What is open of an index stays in memory, and takes as much again at COMMIT. So do texts that take the place of
        others.
        """
        [(kept,)] = aside.execute(_KEPT, [self._copies]).fetchall() if self._indexed else [(0,)]
        return min(self._most, self._least + int(kept))


def _threads(columns: int) -> int:
    """Return how many threads take the rows of a result of so many columns."""
    joining = _JOINING if _blocks(_JOINING, columns) <= _WIDEST else 1
    return max(joining, min(_WRITERS, (_LEAST - _ROOM) // (2 * _BLOCK * columns)))


def _blocks(threads: int, columns: int) -> int:
    """Return the bytes in which rows are copied: each thread holds a block of each column on both sides (measured)."""
    return _ROOM + (2 * threads + 1) * _BLOCK * columns


def part_rows(batch: pa.RecordBatch) -> int:
    """Return how many rows like these may be joined at once, which takes three or four times their own size."""
    return max(1, int(min(_GROUP_ROWS, _PART_BYTES / max(1, _width(batch)))))


def text_widths(batch: pa.RecordBatch) -> dict[str, float]:
    """Return how many bytes of a row DuckDB has outside of it, by column: texts longer than it keeps inside."""
    columns = zip(batch.schema.names, batch.columns, strict=True)
    widths = {name: column.nbytes / max(1, len(column)) for name, column in columns if not _is_fixed(column.type)}
    return {name: width for name, width in widths.items() if width > _INSIDE}


def _is_fixed(kind: pa.DataType) -> bool:
    try:
        return bool(kind.bit_width)
    except ValueError:
        return False


def _width(batch: pa.RecordBatch) -> float:
    return float(batch.nbytes / max(1, batch.num_rows))


def _bytes(size: str) -> int:
    """Return the bytes of a limit, which DuckDB tells with one digit behind the point, and cuts off the rest."""
    match = _SIZE.fullmatch(size)
    return int((float(match[1]) + 0.05) * _UNITS.get(match[2], 0)) if match else 0


def _set(connection: Any, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        connection.execute(f"SET GLOBAL {name} = '{value}'")
