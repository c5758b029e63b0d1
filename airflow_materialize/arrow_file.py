"""What an Arrow file from user code must be before anything reads it: checked to the last byte."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
from pyarrow import types

from airflow_materialize.examined import ArrowFileError, Examined

MAX_TYPE_DEPTH = 32
"""Types nested deeper are refused before anything walks through their values."""

_PIECE_BYTES = 4 * 1024 * 1024
_READ_BYTES = 256 * 1024
_SCALARS = (
    types.is_null,
    types.is_boolean,
    types.is_integer,
    types.is_float32,
    types.is_float64,
    types.is_decimal128,
    types.is_decimal256,
    types.is_string,
    types.is_large_string,
    types.is_binary,
    types.is_large_binary,
    types.is_date32,
    types.is_time,
    types.is_timestamp,
    types.is_duration,
    types.is_interval,
)


@dataclass(frozen=True)
class OpenFile:
    """An open file whose bytes are those that were examined.

    Attributes:
        reader: Gives the batches, from the bytes that were summed.
        rows: Rows in all batches.
        schema_fingerprint: SHA-256 of the serialized Arrow schema, hexadecimal.
    """

    reader: pa.ipc.RecordBatchFileReader
    rows: int
    schema_fingerprint: str


def examine(descriptor: int) -> Examined:
    """Map a file, sum it, and validate its footer, schema and every batch, all in one pass.

    A broken file can crash the process that reads it, and Arrow has no checksum of its own. So this runs in a process
    that has nothing to lose (`execution.examination`).

    Args:
        descriptor: Of the file. It may be closed afterwards.

    Raises:
        ArrowFileError: The file is not a complete Arrow file of the types that a result may have.
    """
    mapped = _mapped(descriptor)
    pieces, summed = _pieces(descriptor, len(mapped)), list[bytes]()
    with ThreadPoolExecutor(1) as validator:
        try:
            reader = pa.ipc.open_file(pa.py_buffer(mapped))
            _check_schema(reader.schema)
            batches, rows = reader.num_record_batches, 0
            for index in range(batches):
                valid = validator.submit(_validated_rows, reader, index)
                # About the part of the file that is validated meanwhile: what is too large for memory is read once.
                end = len(pieces) * (index + 1) // batches
                summed += (piece.digest() for piece in pieces[len(summed) : end])
                rows += valid.result()
            summed += (piece.digest() for piece in pieces[len(summed) :])
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise ArrowFileError(f"it is no valid Arrow file ({error})") from error
        return Examined(len(mapped), _sum_of(summed), rows, batches, fingerprint(reader.schema))


def open_summed(descriptor: int, sha256: str) -> OpenFile:
    """Map a file that was examined before. Nothing of it is parsed unless its bytes are the same.

    Args:
        descriptor: Of the file. It may be closed afterwards.
        sha256: What the examination found.

    Raises:
        ArrowFileError: They are others.
    """
    mapped = _mapped(descriptor)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = _sum_of(threads.map(_Piece.digest, _pieces(descriptor, len(mapped))))
    if found != sha256:
        raise ArrowFileError(f"its checksum is {found}, and {sha256} was written")
    try:
        reader = pa.ipc.open_file(pa.py_buffer(mapped))
        # Whoever names a sum names that of a file that was never examined, perhaps. This much is looked at again.
        _check_schema(reader.schema)
        rows = sum(reader.get_batch(index).num_rows for index in range(reader.num_record_batches))
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise ArrowFileError(f"it is no valid Arrow file ({error})") from error
    return OpenFile(reader, rows, fingerprint(reader.schema))


def fingerprint(schema: pa.Schema) -> str:
    """Return the SHA-256 of the serialized schema, hexadecimal."""
    return hashlib.sha256(schema.serialize()).hexdigest()


def _mapped(descriptor: int) -> mmap.mmap:
    size = os.fstat(descriptor).st_size
    if not size:
        raise ArrowFileError("it is empty")
    return mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)


class _Piece(NamedTuple):
    """A part of a file. The file's sum is the digest of its parts' digests, so that all cores sum it at once."""

    descriptor: int
    start: int
    end: int

    def digest(self) -> bytes:
        # Read, not mapped: what fits into a core's own memory is summed a fifth quicker.
        found, buffer, place = hashlib.sha256(), memoryview(bytearray(_READ_BYTES)), self.start
        while place < self.end and (size := os.preadv(self.descriptor, [buffer[: self.end - place]], place)):
            found.update(buffer[:size])
            place += size
        return found.digest()


def _pieces(descriptor: int, size: int) -> list[_Piece]:
    starts = range(0, size, _PIECE_BYTES)
    return [_Piece(descriptor, start, min(start + _PIECE_BYTES, size)) for start in starts]


def _sum_of(digests: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _validated_rows(reader: pa.ipc.RecordBatchFileReader, index: int) -> int:
    batch = reader.get_batch(index)
    batch.validate(full=True)
    return int(batch.num_rows)


def _check_schema(schema: pa.Schema) -> None:
    if not schema.names:
        raise ArrowFileError("it has no columns")
    if len(set(schema.names)) < len(schema.names):
        raise ArrowFileError("two of its columns have the same name")
    for field in schema:
        _check_type(field.type, field.name, MAX_TYPE_DEPTH)


def _check_type(kind: pa.DataType, column: str, depth: int) -> None:
    if depth and (types.is_struct(kind) or types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind)):
        if types.is_struct(kind) and not kind.num_fields:
            raise ArrowFileError(f"column {column!r} has a struct without fields")
        for index in range(kind.num_fields):
            _check_type(kind.field(index).type, column, depth - 1)
    elif not any(test(kind) for test in _SCALARS):
        raise ArrowFileError(f"column {column!r} has the type {kind}, which a staged file does not have")
