"""Batches → the staged file: an uncompressed Arrow IPC file with one schema and batches of an even size."""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_materialize.child.convert import check_fields, conform, plain_schema, shown
from airflow_materialize.child.errors import ResultError, WriteError
from airflow_materialize.child.unify import Lossy, unify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH_ROWS = 65_536
BATCH_BYTES = 32 * 1024 * 1024
PROGRESS_SECONDS = 10.0


@dataclass(frozen=True)
class Staged:
    """What a finished file holds."""

    rows: int
    batches: int
    schema: pa.Schema


@dataclass
class _Segment:
    """A file with the schema of its time."""

    path: str
    schema: pa.Schema
    writer: pa.ipc.RecordBatchFileWriter
    sink: pa.NativeFile
    batches: int = 0


class StagedWriter:
    """Writes the batches of a result into one file.

    Small batches are put together and large ones cut, so that memory holds one batch. Where a later batch widens a
    column's type, what is written already stays as a segment with the schema of its time; all segments are written
    again once, at the end.

    Args:
        path: The file to make. It must not exist.
        progress: Told the rows and bytes so far, at most every ten seconds.
    """

    def __init__(self, path: str, progress: Callable[[int, int], None] = lambda _rows, _size: None) -> None:
        self._path = path
        self._progress = progress
        self._told = time.monotonic()
        self._schema: pa.Schema | None = None
        self._segments: list[_Segment] = []
        self._final: _Segment | None = None
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = 0
        self._rows = self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows.

        Raises:
            ResultError: The rows do not go with those before them; with the first row at fault.
            WriteError: The disk is full, or the folder cannot be written.
        """
        self._widen(batch)
        for piece in _pieces(batch):
            self._pending.append(piece)
            self._pending_rows += piece.num_rows
            self._pending_bytes += piece.nbytes
            if self._pending_rows >= BATCH_ROWS or self._pending_bytes >= BATCH_BYTES:
                self._flush()
        if time.monotonic() - self._told >= PROGRESS_SECONDS:
            self._told = time.monotonic()
            self._progress(self._rows + self._pending_rows, self._bytes + self._pending_bytes)

    def finish(self) -> Staged | None:
        """Complete the file and return what it holds, or None, and no file, where there was no batch."""
        if self._schema is None:
            return None
        check_fields(self._schema)
        self._flush()
        if not self._segments:
            self._open_segment()
        for segment in self._segments:
            _close(segment)
        if len(self._segments) == 1:
            batches = self._segments[0].batches
            with _writing(self._path):
                Path(self._segments[0].path).rename(self._path)
        else:
            batches = self._rewrite()
        return Staged(self._rows, batches, self._schema)

    def abandon(self) -> None:
        """Remove everything that was written."""
        for segment in (*self._segments, self._final):
            if segment is not None:
                with suppress(Exception):
                    segment.sink.close()
                with suppress(OSError):
                    Path(segment.path).unlink()

    def _widen(self, batch: pa.RecordBatch) -> None:
        before = self._rows + self._pending_rows
        try:
            schema = plain_schema(batch.schema)
            self._schema = schema if self._schema is None else unify(self._schema, schema)
        except Lossy as error:
            raise _at_first_value(error, batch).after(before) from None
        except ResultError as error:
            raise error.after(before) from None

    def _flush(self) -> None:
        if not self._pending_rows or self._schema is None:
            return
        batch = self._coalesced(self._schema)
        if not self._segments or not self._segments[-1].schema.equals(self._schema):
            if self._segments:
                _close(self._segments[-1])
            self._open_segment()
        self._write(self._segments[-1], batch)
        self._rows += self._pending_rows
        self._bytes += batch.nbytes
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def _coalesced(self, schema: pa.Schema) -> pa.Table:
        conformed, rows = [], self._rows
        for batch in self._pending:
            try:
                conformed.append(conform(batch, schema))
            except ResultError as error:
                raise error.after(rows) from None
            rows += batch.num_rows
        return pa.Table.from_batches(conformed, schema).combine_chunks()

    def _open_segment(self) -> None:
        assert self._schema is not None  # noqa: S101  # for mypy: a segment follows a batch
        path = f"{self._path}.{len(self._segments)}"
        self._segments.append(_open(path, self._schema))

    def _write(self, segment: _Segment, rows: pa.Table) -> None:
        with _writing(segment.path):
            for batch in rows.to_batches():
                segment.writer.write_batch(batch)
                segment.batches += 1

    def _rewrite(self) -> int:
        """Write all segments again in the schema that the last one left; each segment goes when it is done."""
        assert self._schema is not None  # noqa: S101  # for mypy: called after the first batch
        final = self._final = _open(self._path, self._schema)
        rows = 0
        for segment in self._segments:
            with pa.memory_map(segment.path) as source, pa.ipc.open_file(source) as reader:
                for index in range(reader.num_record_batches):
                    batch = reader.get_batch(index)
                    try:
                        conformed = conform(batch, self._schema)
                    except ResultError as error:
                        raise error.after(rows) from None
                    self._write(final, pa.Table.from_batches([conformed]))
                    rows += batch.num_rows
            Path(segment.path).unlink()
        _close(final)
        return final.batches


def _at_first_value(error: Lossy, batch: pa.RecordBatch) -> Lossy:
    """Point the error at the first value of the column that brought the other type."""
    name = next((name for name in batch.schema.names if f"{error.column}.".startswith(f"{name}.")), None)
    if name is None:
        return error
    column = batch.column(batch.schema.names.index(name))
    valid = column.is_valid()
    row = next((row for row in range(len(column)) if valid[row].as_py()), None)
    if row is not None:
        error.row, error.value = row, shown(column[row])
    return error


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch into pieces within both limits, by its average row."""
    rows = batch.num_rows
    if not rows:
        return
    step = max(1, min(BATCH_ROWS, rows * BATCH_BYTES // max(batch.nbytes, 1)))
    for start in range(0, rows, step):
        yield batch.slice(start, step)


def _open(path: str, schema: pa.Schema) -> _Segment:
    with _writing(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        sink = pa.PythonFile(os.fdopen(descriptor, "wb"), mode="w")
        return _Segment(path, schema, pa.ipc.new_file(sink, schema), sink)


def _close(segment: _Segment) -> None:
    if segment.sink.closed:
        return
    with _writing(segment.path):
        segment.writer.close()
        segment.sink.close()


@contextmanager
def _writing(path: str) -> Iterator[None]:
    """Say what an error of the disk means."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        problem = f"the result cannot be written to {Path(path).parent}: {reason}"
        if error.errno == errno.ENOSPC:
            hint = "free space on that disk, or point the setting staged_files to a larger one"
        else:
            hint = "point the setting staged_files to a folder that the worker may write"
        raise WriteError(problem, hint=hint) from error
