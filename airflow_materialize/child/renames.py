"""Columns whose name in the table is another one than in the result."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from airflow_materialize.child.errors import ResultError, closest


class Renames:
    """Gives columns of the result their names in the table.

    Args:
        columns: The declared columns: `name`, and `source` where the result has another name for it.
    """

    def __init__(self, columns: list[dict[str, Any]]) -> None:
        self._targets = {
            column["source"]: column["name"]
            for column in columns
            if column.get("source", "") not in {"", column["name"]}
        }
        self._seen: dict[str, None] = {}

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with the names of the table.

        Raises:
            ResultError: The result has both a source and, from elsewhere, a column of the new name.
        """
        self._seen.update(dict.fromkeys(batch.schema.names))
        for source, target in self._targets.items():
            # A column that moves away itself leaves its name free: two may change places.
            if source in self._seen and target in self._seen and target not in self._targets:
                problem = f"the result has a column of this name, and {source!r}, which is to become it"
                raise ResultError(problem, column=target, hint="return one of the two, or leave `source_column` out")
        names = [self._targets.get(name, name) for name in batch.schema.names]
        if names == batch.schema.names:
            return batch
        fields = [field.with_name(name) for field, name in zip(batch.schema, names)]
        return pa.RecordBatch.from_arrays(batch.columns, schema=pa.schema(fields))

    def finish(self) -> None:
        """Raise ResultError where a source never came."""
        missing = next((source for source in self._targets if self._seen and source not in self._seen), None)
        if missing is not None:
            problem = f"the result has no {missing!r}, which is its `source_column`; it has {', '.join(self._seen)}"
            raise ResultError(problem, column=self._targets[missing], hint=closest(missing, self._seen))
