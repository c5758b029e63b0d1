"""The rows of a statement in a file without a name: it is gone when nobody holds it open, however that ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_materialize.execution.queries.bounds import Bounds

_USUAL_DIGITS, _MOST_DIGITS = 38, 76


class Spool:
    """An Arrow stream on disk.

    Args:
        folder: The disk that it takes its room from.

    Attributes:
        rows: The rows in it.
        size: Its bytes.
    """

    def __init__(self, folder: Path) -> None:
        self.rows = 0
        self.size = 0
        self._folder = folder
        self._file: IO[bytes] | None = None

    def fill(self, batches: Iterable[pa.RecordBatch], bounds: Bounds) -> None:
        """Write batches, one in memory at a time. What is written is rewritten where a later batch needs wider types.

        Raises:
            MaterializeError: There is more than the bounds allow, two types of a column have none in common, or the
                disk is full.
        """
        try:
            schema, size = None, 0
            writer: pa.ipc.RecordBatchStreamWriter | None = None
            for batch in batches:
                wider = widened(schema, batch.schema) if schema else batch.schema
                if writer is None or wider != schema:
                    writer = self._rewritten(writer, wider)
                    schema = wider
                self.rows, size = self.rows + batch.num_rows, size + batch.nbytes
                bounds.check(self.rows, size)
                if batch.num_rows:
                    writer.write_batch(batch if batch.schema == wider else _cast(batch, wider))
            if writer:
                writer.close()
                self.size = os.fstat(self.descriptor()).st_size
        except OSError as error:
            raise MaterializeError(
                f"the rows of the statement cannot be kept in {self._folder}: {error.strerror or error}",
                hint="read less, or make room on the disk of [materialize] staged_files",
            ) from error

    def descriptor(self) -> int:
        """Return the file's descriptor."""
        assert self._file is not None  # noqa: S101  # `fill` has made it
        return self._file.fileno()

    def close(self) -> None:
        """Let go of the file."""
        if self._file:
            self._file.close()

    def _rewritten(
        self, writer: pa.ipc.RecordBatchStreamWriter | None, schema: pa.Schema
    ) -> pa.ipc.RecordBatchStreamWriter:
        """Begin a file of this schema with what has been written so far."""
        import pyarrow as pa

        former = self._file
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115  # closed by `close`
        new = pa.ipc.new_stream(pa.PythonFile(self._file, "w"), schema)
        if writer is not None and former is not None:
            writer.close()
            with former:
                for batch in _read(former):
                    new.write_batch(_cast(batch, schema))
        return new


def widened(schema: pa.Schema, other: pa.Schema) -> pa.Schema:
    """Return the schema that holds what both hold: nothing becomes anything, integers floats, decimals longer.

    Raises:
        MaterializeError: A column has values of two kinds.
    """
    import pyarrow as pa

    types = []
    for name, one, two in zip(schema.names, schema.types, other.types, strict=True):
        if pa.types.is_null(one) or one == two:
            types.append(two)
        elif pa.types.is_null(two) or (pa.types.is_floating(one) and pa.types.is_integer(two)):
            types.append(one)
        elif pa.types.is_integer(one) and pa.types.is_floating(two):
            types.append(two)
        elif pa.types.is_decimal(one) and pa.types.is_decimal(two) and (longer := _longer(one, two)):
            types.append(longer)
        else:
            raise MaterializeError(f"column {name!r} has {one} and {two}", hint="CAST it to one type in the statement")
    return pa.schema([pa.field(name, kind) for name, kind in zip(schema.names, types, strict=True)])


def _longer(one: pa.Decimal128Type, two: pa.Decimal128Type) -> pa.DataType | None:
    """Return the decimal with the digits of both; None where Arrow has none."""
    import pyarrow as pa

    scale = max(one.scale, two.scale)
    digits = max(one.precision - one.scale, two.precision - two.scale) + scale
    if digits > _MOST_DIGITS:
        return None
    return pa.decimal128(digits, scale) if digits <= _USUAL_DIGITS else pa.decimal256(digits, scale)


def _read(file: IO[bytes]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    file.seek(0)
    with pa.ipc.open_stream(pa.PythonFile(file, "r")) as reader:
        yield from reader


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the batch in wider types.

    Raises:
        MaterializeError: An integer has more digits than a float.
    """
    import pyarrow as pa

    try:
        return batch.cast(schema)
    except pa.ArrowInvalid as error:
        raise MaterializeError(
            f"a column of integers has fractions, too: {error}", hint="CAST it to one type"
        ) from None
