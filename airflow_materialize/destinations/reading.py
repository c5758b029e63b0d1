"""What runs statements of user code: it only reads, and reaches nothing but the database."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    import pyarrow as pa

Parameters = Sequence[Any] | Mapping[str, Any]
"""Values for the placeholders of a statement, by place or by name."""

BATCH_BYTES = 16 * 1024 * 1024
"""About as much is read at once."""


class ReadOnlyError(MaterializeError):
    """The statement does more than read, or gives no rows."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"query() only reads, and {what}",
            hint="return the rows from materialize(): `load` brings them into the asset's table; "
            "other statements go under `hooks` in the header, or run on a connection that it declares under `secrets`",
        )


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
