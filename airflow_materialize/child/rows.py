"""Rows → batches, without knowing how many there are or how large each is."""

from __future__ import annotations

import time
from typing import Any

import pyarrow as pa

from airflow_materialize.child.columns import build_array
from airflow_materialize.child.errors import ResultError, type_name
from airflow_materialize.child.json_texts import json_array

CHUNK_ROWS = 65_536
CHUNK_BYTES = 8 * 1024 * 1024
TAKE_SECONDS = 10.0
"""Rows that come slowly go on after this time, so that the log hears of them."""

_FIRST_CHUNK = 256
_GROWTH = 4


class RowBuffer:
    """Collects rows until there are enough for a batch.

    Python objects do not tell their size, so the first chunk is small, and what it measured bounds the next.

    Args:
        json: The columns that become JSON texts.
    """

    def __init__(self, json: frozenset[str] = frozenset()) -> None:
        self._json = json
        self._rows: list[dict[Any, Any]] = []
        self._chunk = _FIRST_CHUNK
        self._due = time.monotonic() + TAKE_SECONDS

    def add(self, row: dict[Any, Any]) -> bool:
        """Take a row, and say whether it is time for `take`."""
        self._rows.append(row)
        return len(self._rows) >= self._chunk or time.monotonic() >= self._due

    def take(self) -> pa.RecordBatch | None:
        """Return the rows as a batch and forget them, or None where there are none."""
        self._due = time.monotonic() + TAKE_SECONDS
        if not self._rows:
            return None
        rows, self._rows = self._rows, []
        batch = rows_to_batch(rows, self._json)
        size = max(batch.nbytes // len(rows), 1)
        self._chunk = max(1, min(CHUNK_ROWS, CHUNK_BYTES // size, self._chunk * _GROWTH))
        return batch


def rows_to_batch(rows: list[dict[Any, Any]], json: frozenset[str] = frozenset()) -> pa.RecordBatch:
    """Return the batch of some rows. Its columns are all their keys in order of appearance; a missing key is null.

    Raises:
        ResultError: A key is not text, or a column's values have no common type; with the row among these.
    """
    names: dict[str, None] = {}
    last: Any = None
    for number, row in enumerate(rows):
        if last is not None and row.keys() == last:
            continue
        last = row.keys()
        for name in row:
            if not isinstance(name, str):
                raise ResultError(f"a column's name is a {type_name(name)}, not text", row=number, value=name)
            names.setdefault(name)
    if not names:
        raise ResultError("the row has no columns", row=0)
    arrays = [(json_array if name in json else build_array)([row.get(name) for row in rows], name) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names=[str.__str__(name) for name in names])


def columns_to_batches(columns: dict[Any, Any], json: frozenset[str] = frozenset()) -> list[pa.RecordBatch]:
    """Return the rows of a dict of columns: lists, tuples or arrays of one length.

    Raises:
        ResultError: A name is not text, the lengths differ, or a column's values have no common type.
    """
    wrong = [name for name in columns if not isinstance(name, str)]
    if wrong:
        raise ResultError(f"a column's name is a {type_name(wrong[0])}, not text", value=wrong[0])
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        raise ResultError(f"the columns differ in length: {found}", hint="one value for each row in every column")
    arrays = {str.__str__(name): _array_of(values, name, json) for name, values in columns.items()}
    table = pa.table(arrays)
    empty = pa.RecordBatch.from_arrays([pa.array([], field.type) for field in table.schema], schema=table.schema)
    return table.to_batches() or [empty]


def _array_of(values: Any, name: str, json: frozenset[str]) -> Any:
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    numpy_type = getattr(values, "dtype", None)
    if numpy_type is not None and values.ndim == 1 and numpy_type.kind in "biufmM":
        return pa.array(values)
    return (json_array if name in json else build_array)(list(values), name)
