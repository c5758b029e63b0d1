"""Whole numbers that a library turned into floats because one of them is missing."""

from __future__ import annotations

import logging
import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_materialize.child.columns import MAX_EXACT_FLOAT
from airflow_materialize.child.errors import ResultError

_INTEGER = re.compile(r"u?(tiny|small|medium|big|huge)?int(eger)?\d*", re.IGNORECASE)
_log = logging.getLogger("asset")


class DeclaredIntegers:
    """Watches the columns that are declared as whole numbers.

    pandas keeps whole numbers with a missing one among them as float64, where two numbers beyond 2**53 may become the
    same.

    Args:
        columns: The declared columns: `name` and `type`.
    """

    def __init__(self, columns: list[dict[str, Any]]) -> None:
        self._names = {column["name"] for column in columns if _INTEGER.fullmatch(str(column.get("type") or ""))}
        self._rows = 0

    def check(self, batch: pa.RecordBatch) -> None:
        """Warn of a column that came as floats.

        Raises:
            ResultError: One of its values may have lost digits.
        """
        for field in batch.schema:
            if field.name in self._names and pa.types.is_floating(field.type):
                self._check_column(batch.column(batch.schema.names.index(field.name)), field.name)
        self._rows += batch.num_rows

    def _check_column(self, values: pa.Array, name: str) -> None:
        if not self._rows:
            _log.warning("column %r is declared as whole numbers and came as %s; pandas has Int64", name, values.type)
        beyond = pc.greater(pc.abs(values), pa.scalar(float(MAX_EXACT_FLOAT), values.type))
        if not pc.any(beyond).as_py():
            return
        row = next(row for row in range(len(beyond)) if beyond[row].as_py())
        problem = "a column of whole numbers came as floats, where this one may have lost digits"
        hint = "astype('Int64') before a number is missing"
        raise ResultError(problem, column=name, row=self._rows + row, value=values[row].as_py(), hint=hint)
