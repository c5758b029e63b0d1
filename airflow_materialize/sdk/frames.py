"""The rows that the worker hands over, and the frames that user code wants of them."""

from __future__ import annotations

import mmap
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Callable

from airflow_materialize.sdk.exceptions import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

_MOST_DIGITS = 38


class Rows:
    """The rows of one statement: a file without a name, which is gone when nobody holds it open.

    Args:
        descriptor: Of the file, an Arrow stream. It is closed here.
        rows: How many rows it has.
        size: Its bytes.
    """

    def __init__(self, descriptor: int, rows: int, size: int) -> None:
        self.rows = rows
        self._size = size
        self._descriptor = descriptor
        # The worker has just written it through the same descriptor.
        os.lseek(descriptor, 0, os.SEEK_SET)

    def table(self) -> pa.Table:
        """Return all rows. They lie in the file, which is mapped and not copied.

        Raises:
            MemoryError: The asset may not use as much memory.
        """
        import pyarrow as pa

        try:
            mapped = mmap.mmap(self._descriptor, self._size, access=mmap.ACCESS_READ)
        except OSError as error:
            problem = f"the {self.rows:,} rows need {self._size / 1e6:,.0f} MB ({error.strerror})"
            raise MemoryError(f"{problem}: read them with batches=…") from error
        finally:
            self.close()
        with pa.ipc.open_stream(pa.py_buffer(mapped)) as reader:
            table = reader.read_all()
        if table.num_rows != self.rows:
            raise QueryError(f"the worker told of {self.rows:,} rows and handed over {table.num_rows:,}")
        return table

    def reader(self) -> pa.RecordBatchReader:
        """Return what reads the rows from the file, batch by batch."""
        import pyarrow as pa

        reader = pa.ipc.open_stream(pa.PythonFile(os.fdopen(self._descriptor, "rb", buffering=0, closefd=False), "r"))
        return pa.RecordBatchReader.from_batches(reader.schema, self._each(reader))

    def batches(self, count: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows, `count` at a time."""
        import pyarrow as pa

        parts: list[pa.RecordBatch] = []
        missing = count
        for batch in self.reader():
            start = 0
            while start < batch.num_rows:
                part = batch.slice(start, missing)
                parts.append(part)
                start, missing = start + part.num_rows, missing - part.num_rows
                if not missing:
                    yield from pa.Table.from_batches(parts).combine_chunks().to_batches()
                    parts, missing = [], count
        if parts:
            yield from pa.Table.from_batches(parts).combine_chunks().to_batches()

    def close(self) -> None:
        """Let go of the file."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()

    def _each(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        # The file is held open by this object as long as anybody reads.
        yield from reader
        self.close()


def to_arrow(data: pa.Table | pa.RecordBatch) -> Any:
    """Return the rows as they are."""
    return data


def to_pandas(data: pa.Table | pa.RecordBatch) -> Any:
    """Return the rows as a pandas frame."""
    _needed("pandas")
    return _whole_numbers(data).to_pandas()


def to_bruin_pandas(data: pa.Table | pa.RecordBatch) -> Any:
    """Return the rows as a pandas frame with floats for decimals and datetimes for days."""
    import pyarrow as pa

    _needed("pandas")
    table = _whole_numbers(data)
    for place, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.float64()))
    return table.to_pandas(date_as_object=False)


def to_polars(data: pa.Table | pa.RecordBatch) -> Any:
    """Return the rows as a polars frame."""
    return _needed("polars").from_arrow(_whole_numbers(data))


def best_form() -> Callable[[Any], Any]:
    """Return the form that the asset's environment can have: pandas, else polars, else Arrow."""
    for name, form in (("pandas", to_pandas), ("polars", to_polars)):
        try:
            import_module(name)
        except ImportError:
            continue
        return form
    return to_arrow


def _needed(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is not installed: add it to the asset's requirements, or use .arrow()") from error


def _whole_numbers(data: pa.Table | pa.RecordBatch) -> pa.Table:
    """Return decimals that can only be a sum of integers as integers, where they fit."""
    import pyarrow as pa

    table = pa.Table.from_batches([data]) if isinstance(data, pa.RecordBatch) else data
    for place, field in enumerate(table.schema):
        if field.type == pa.decimal128(_MOST_DIGITS, 0):
            try:
                numbers = table.column(place).cast(pa.int64())
            except pa.ArrowInvalid:
                continue
            table = table.set_column(place, field.name, numbers)
    return table
