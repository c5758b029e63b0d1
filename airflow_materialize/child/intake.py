"""What happens to a batch between user code and the staged file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_materialize.child.declared import DeclaredIntegers
from airflow_materialize.child.json_texts import DeclaredJson
from airflow_materialize.child.masks import Masks
from airflow_materialize.child.renames import Renames

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_materialize.child.writer import Staged, StagedWriter


class Intake:
    """Renames and masks the columns of a result on their way to the writer.

    Args:
        columns: The declared columns, as `Spec` has them.
        writer: Takes what may be seen.
    """

    def __init__(self, columns: list[dict[str, Any]], writer: StagedWriter) -> None:
        self._renames = Renames(columns)
        self._integers = DeclaredIntegers(columns)
        self._json = DeclaredJson(columns)
        self._masks = Masks(columns)
        self._writer = writer

    @property
    def json(self) -> frozenset[str]:
        """The columns of the result that become JSON texts."""
        return self._json.names

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows.

        Raises:
            ResultError: The rows are not what the header says, or do not go with those before them.
            WriteError: The staged file cannot be written.
        """
        batch = self._json.apply(self._renames.apply(batch))
        self._integers.check(batch)
        for masked in self._masks.apply(batch):
            self._writer.add(masked)

    def finish(self) -> Staged | None:
        """Complete the file, or raise ResultError where a column never came that is to be renamed or masked."""
        self._renames.finish()
        self._masks.finish()
        return self._writer.finish()
