"""What runs statements of user code: it only reads, and reaches nothing but the database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    import pyarrow as pa

Parameters = Sequence[Any] | Mapping[str, Any]
"""Values for the placeholders of a statement, by place or by name."""

BATCH_BYTES = 16 * 1024 * 1024
"""About as much is read at once."""

_MOST_ROWS, _MORE = 65_536, 16


class ReadOnlyError(MaterializeError):
    """The statement does more than read, or gives no rows."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"query() only reads, and {what}",
            hint="return the rows from materialize(): `load` brings them into the asset's table; "
            "other statements go under `hooks` in the header, or run on a connection that it declares under `secrets`",
        )


def in_batches(
    names: Sequence[str],
    fetch: Callable[[int], Sequence[Sequence[Any]]],
    array: Callable[[str, Sequence[Any]], pa.Array],
) -> Generator[pa.RecordBatch]:
    """Yield the rows of a cursor: an empty batch, then as many together as come to about BATCH_BYTES.

    Args:
        names: Of the columns.
        fetch: Takes so many more rows from the cursor.
        array: Makes an array of one column's values.

    Raises:
        ReadOnlyError: There are no columns.
    """
    # Not before: a worker knows of readers long before one reads.
    import pyarrow as pa

    if not names:
        raise ReadOnlyError("this statement gives no rows")

    def batch(columns: Sequence[Sequence[Any]]) -> pa.RecordBatch:
        arrays = [array(name, values) for name, values in zip(names, columns, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, names=list(names))

    yield batch([()] * len(names))
    step = 1
    while rows := fetch(step):
        found = batch(list(zip(*rows, strict=True)))
        yield found
        step = next_rows(len(rows), found.nbytes)


def next_rows(rows: int, size: int) -> int:
    """Return how many rows to fetch after so many of that size. It begins with one: a row may be large."""
    return max(1, min(_MOST_ROWS, rows * _MORE, BATCH_BYTES * rows // max(size, 1)))


class Reader(ABC):
    """A session that was given up to user code's statements."""

    @abstractmethod
    def batches(self, sql: str, parameters: Parameters = ()) -> Generator[pa.RecordBatch]:
        """Run one statement and yield its rows, at least one batch, as the database finds them.

        A batch may have wider types than the ones before it.

        Raises:
            ReadOnlyError: The statement does more than read.
            MaterializeError: The database refuses it.
            TransientError: The same, and another try may do; or it was interrupted.
        """
