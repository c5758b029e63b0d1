"""Binary COPY: an encoder works one batch ahead of the connection."""

# Names are quoted by the session.

from __future__ import annotations

import io
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from queue import Queue
from typing import Any

import pyarrow as pa

from airflow_materialize.destinations.arrow import parts
from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.destinations.postgres.types import encoder, prepared
from airflow_materialize.errors import MaterializeError

_AHEAD = 2
"""Parts that are encoded before they are sent."""

_PART_BYTES = 1024 * 1024
"""A part of a batch: encoder, queue, driver and libpq hold one each, or two."""


def encoded(schema: pa.Schema, batches: Iterable[pa.RecordBatch], types: Mapping[str, str]) -> Iterator[bytes]:
    """Yield batches as the bytes that `COPY … (FORMAT binary)` takes.

    Args:
        schema: Of the batches.
        batches: Columns of storable types.
        types: The type of each column in the table.

    Raises:
        StatementError: A value has no form that the database takes.
    """
    try:
        from pgpq import ArrowToPostgresBinaryEncoder
    except ImportError as error:
        hint = "pip install 'airflow-materialize[postgres]'"
        raise MaterializeError(f"What writes PostgreSQL's binary COPY is missing: {error}", hint=hint) from error

    fields = [pa.field(f"c{at}", _prepared_type(kind, types)) for at, kind in enumerate(schema)]
    plain = pa.schema(fields)
    builders = {field.name: encoder(field, types[name]) for field, name in zip(fields, schema.names, strict=True)}
    writer = ArrowToPostgresBinaryEncoder.new_with_encoders(plain, builders)
    yield writer.write_header()
    row = 0
    for batch in parts(batches, _PART_BYTES):
        columns = [_column(name, batch.column(at), types[name], row) for at, name in enumerate(schema.names)]
        arrays = [column.cast(field.type) for column, field in zip(columns, fields, strict=True)]
        yield writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=plain))
        row += batch.num_rows
    yield writer.finish()


def ahead(chunks: Iterator[bytes]) -> Generator[bytes]:
    """Yield chunks that a thread makes meanwhile; what it raises is raised here."""
    queue: Queue[bytes | BaseException | None] = Queue(_AHEAD)
    over = threading.Event()

    def make() -> None:
        try:
            for chunk in chunks:
                if over.is_set():
                    return
                queue.put(chunk)
            queue.put(None)
        except BaseException as error:  # noqa: BLE001  # it is raised where the chunks are taken
            queue.put(error)

    thread = threading.Thread(target=make, name="materialize-encoder", daemon=True)
    thread.start()
    try:
        while (chunk := queue.get()) is not None:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk
    finally:
        over.set()
        while thread.is_alive():
            _emptied(queue)
            thread.join(0.01)


def copy_in(connection: Any, statement: str, chunks: Iterator[bytes]) -> int:
    """Run a COPY FROM STDIN with these bytes, by psycopg or psycopg2, and return how many rows went in."""
    with closing(connection.cursor()) as cursor:
        if hasattr(cursor, "copy"):
            with cursor.copy(statement) as copy:
                for chunk in chunks:
                    copy.write(chunk)
        else:
            cursor.copy_expert(statement, io.BufferedReader(_Chunks(chunks), 1024 * 1024))
        return int(cursor.rowcount)


class _Chunks(io.RawIOBase):
    """A file of chunks, for the driver that reads by itself."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


def _prepared_type(field: pa.Field, types: Mapping[str, str]) -> pa.DataType:
    return prepared(pa.nulls(0, field.type), types[field.name]).type


def _column(name: str, array: pa.Array, sql_type: str, first_row: int) -> pa.Array:
    try:
        return prepared(array, sql_type)
    except (pa.ArrowInvalid, ValueError) as error:
        place = f"Column {name!r}, rows from {first_row + 1}"
        raise StatementError(f"{place}: {error}", brief=f"{place}: a value does not fit") from error


def _emptied(queue: Queue[Any]) -> None:
    while not queue.empty():
        queue.get_nowait()
