"""The result as the staging table takes it: batch by batch, each value checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from airflow_materialize.destinations.arrow import plain, scalar
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.casts import checked_cast

if TYPE_CHECKING:
    from airflow_materialize.manifest import StagedFile

ROW_NUMBER = pa.int64()
"""The type of a row's number."""


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
class SealedResult:
    """A staged file as a source.

    Attributes:
        file: What the manifest says of it.
        verified: Its batches, once it is verified: that goes on beside what a load does before it needs them.
    """

    file: StagedFile
    verified: Future[pa.ipc.RecordBatchFileReader]

    @property
    def id(self) -> str:  # noqa: D102
        return self.file.path

    @property
    def schema(self) -> pa.Schema:  # noqa: D102
        return self.verified.result().schema

    @property
    def rows(self) -> int:  # noqa: D102
        return self.file.rows

    @property
    def sha256(self) -> str:  # noqa: D102
        return self.file.sha256

    def batches(self) -> Iterator[pa.RecordBatch]:  # noqa: D102
        reader = self.verified.result()
        return (reader.get_batch(index) for index in range(reader.num_record_batches))


@dataclass(frozen=True)
class StagedColumn:
    """One column on its way.

    Attributes:
        source: Its index in the result; None for the load key and the row's number.
        name: In the table.
        arrow: The type of the staged values.
        sql: The type of the column in the staging table and in the table.
        declared: The type that values must have before anything else, where the schema is enforced.
        length: The most characters of a text, likewise.
        secret: Whether errors must not show its values.
        required: Whether it must have a value in each row.
        collation: How its texts compare; empty where the database decides.
        value: What each row has there, where the load makes the column of one value.
        made: Whether the load makes the column, so that the result has none of the name.
    """

    source: int | None
    name: str
    arrow: pa.DataType
    sql: str
    declared: pa.DataType | None = None
    length: int | None = None
    secret: bool = False
    required: bool = False
    collation: str = ""
    value: pa.Scalar[Any] | None = None
    made: bool = False


def numbered(columns: Sequence[StagedColumn], sql_type: str) -> StagedColumn:
    """Return a column for the number of each row in the file, under a name that is free."""
    name, taken = "_materialize_row", {column.name.lower() for column in columns}
    while name in taken:
        name += "_"
    return StagedColumn(None, name, ROW_NUMBER, sql_type)


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


def check_gaps(source: Source, columns: Sequence[StagedColumn]) -> None:
    """See that no column has a NULL where there must be none. A batch knows how many it has, so this costs nothing.

    Raises:
        MaterializeError: It names all such columns, how many rows they are, and the first of them.
    """
    required = [(column.source, column.name) for column in columns if column.required and column.source is not None]
    found: dict[str, tuple[int, int]] = {}
    row = 0
    for batch in source.batches() if required else ():
        for index, name in required:
            array = plain(batch.column(index))
            if array.null_count:
                count, first = found.get(name, (0, row + pc.index(pc.is_null(array), True).as_py() + 1))
                found[name] = count + array.null_count, first
        row += batch.num_rows
    if found:
        told = (
            f"{name!r} is NULL in {count} {'row' if count == 1 else 'rows'}, first in row {first}"
            for name, (count, first) in found.items()
        )
        raise MaterializeError(
            f"The result has NULL where there must be none: {'; '.join(told)}",
            hint="fill it, leave these rows out, or declare `nullable: true`",
        )


def _staged(batch: pa.RecordBatch, column: StagedColumn, row: int, load_key: str) -> pa.Array:
    if column.value is not None:
        return checked_cast(pa.repeat(column.value, batch.num_rows), column.arrow, column.name)
    if column.source is None and column.arrow == ROW_NUMBER:
        return pa.arange(row, row + batch.num_rows)
    if column.source is None:
        return pa.repeat(scalar(load_key, pa.string()), batch.num_rows)
    array, name = batch.column(column.source), batch.schema.names[column.source]
    if column.declared is not None:
        array = checked_cast(array, column.declared, name, first_row=row, length=column.length, secret=column.secret)
    return checked_cast(array, column.arrow, name, first_row=row, secret=column.secret)
