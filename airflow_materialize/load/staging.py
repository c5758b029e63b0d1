"""The result as the staging table takes it: batch by batch, each value checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from airflow_materialize.load.casts import checked_cast


class Source(Protocol):
    """A result, staged somewhere.

    Attributes:
        id: Names the file; another attempt of `run` makes another one.
        schema: Of all batches.
        rows: In all batches.
        sha256: Of the file, hexadecimal.
    """

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def schema(self) -> pa.Schema: ...  # noqa: D102
    @property
    def rows(self) -> int: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the result from its beginning; may be called again."""


@dataclass(frozen=True)
class StagedColumn:
    """One column on its way.

    Attributes:
        source: Its index in the result; None for the load key.
        name: In the table.
        arrow: The type of the staged values.
        sql: The type of the column in the staging table and in the table.
        declared: The type that values must have before anything else, where the schema is enforced.
        length: The most characters of a text, likewise.
        secret: Whether errors must not show its values.
    """

    source: int | None
    name: str
    arrow: pa.DataType
    sql: str
    declared: pa.DataType | None = None
    length: int | None = None
    secret: bool = False


def staged_schema(columns: Sequence[StagedColumn]) -> pa.Schema:
    """Return the Arrow schema of what `staged_batches` yields."""
    return pa.schema([(column.name, column.arrow) for column in columns])


def staged_batches(source: Source, columns: Sequence[StagedColumn], load_key: str) -> Iterator[pa.RecordBatch]:
    """Yield the result as the staging table takes it.

    Raises:
        MaterializeError: A value is not one of its column's type.
    """
    schema, row = staged_schema(columns), 0
    for batch in source.batches():
        yield pa.RecordBatch.from_arrays([_staged(batch, column, row, load_key) for column in columns], schema=schema)
        row += batch.num_rows


def _staged(batch: pa.RecordBatch, column: StagedColumn, row: int, load_key: str) -> pa.Array:
    if column.source is None:
        return pa.repeat(pa.scalar(load_key), batch.num_rows)
    array, name = batch.column(column.source), batch.schema.names[column.source]
    if column.declared is not None:
        array = checked_cast(array, column.declared, name, first_row=row, length=column.length, secret=column.secret)
    return checked_cast(array, column.arrow, name, first_row=row, secret=column.secret)
