"""What an Arrow file from user code must be before anything reads it: checked to the last byte."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import types

MAX_TYPE_DEPTH = 32
"""Types nested deeper are refused before anything walks through their values."""

_CHUNK_BYTES = 4 * 1024 * 1024
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


class ArrowFileError(Exception):
    """The file is not what it must be."""


@dataclass(frozen=True)
class CheckedFile:
    """An open file whose every batch was validated.

    Attributes:
        reader: Gives the batches, from the bytes that were checked.
        size: In bytes.
        sha256: Of the bytes, hexadecimal.
        rows: Rows in all batches.
        schema_fingerprint: SHA-256 of the serialized Arrow schema, hexadecimal.
    """

    reader: pa.ipc.RecordBatchFileReader
    size: int
    sha256: str
    rows: int
    schema_fingerprint: str


def open_regular(path: Path) -> int:
    """Open a file for reading and return its descriptor.

    Raises:
        FileNotFoundError: There is none.
        ArrowFileError: It is a link, or no ordinary file, or has a second name somewhere else.
    """
    try:
        # O_NONBLOCK: opening a FIFO would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ArrowFileError(f"it cannot be opened ({error.strerror})") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise ArrowFileError("it is not an ordinary file with one name")
    return descriptor


def read_checked(descriptor: int, *, sha256: str = "") -> CheckedFile:
    """Map the file, sum it, then validate its footer, schema and every batch.

    Without `validate(full=True)` a broken file can crash the process that reads it, and Arrow has no checksum of its
    own (reference: failure model, findings 6 and 7).

    Args:
        descriptor: Of the file. It may be closed afterwards.
        sha256: What the sum must be, if it is known; nothing is parsed where it is another.

    Raises:
        ArrowFileError: The file is not a complete Arrow file of the types that a result may have.
    """
    size = os.fstat(descriptor).st_size
    if not size:
        raise ArrowFileError("it is empty")
    mapped = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
    found = _sum(mapped)
    if sha256 and found != sha256:
        raise ArrowFileError(f"its SHA-256 is {found}, and {sha256} was written")
    try:
        reader = pa.ipc.open_file(pa.py_buffer(mapped))
        _check_schema(reader.schema)
        rows = sum(_validated_rows(reader))
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise ArrowFileError(f"it is no valid Arrow file ({error})") from error
    return CheckedFile(reader, size, found, rows, fingerprint(reader.schema))


def fingerprint(schema: pa.Schema) -> str:
    """Return the SHA-256 of the serialized schema, hexadecimal."""
    return hashlib.sha256(schema.serialize()).hexdigest()


def _sum(mapped: mmap.mmap) -> str:
    digest = hashlib.sha256()
    with memoryview(mapped) as view:
        for start in range(0, len(view), _CHUNK_BYTES):
            digest.update(view[start : start + _CHUNK_BYTES])
    return digest.hexdigest()


def _validated_rows(reader: pa.ipc.RecordBatchFileReader) -> Iterator[int]:
    for index in range(reader.num_record_batches):
        batch = reader.get_batch(index)
        batch.validate(full=True)
        yield batch.num_rows


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
