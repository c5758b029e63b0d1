"""pandas frames → batches. pandas is never imported here: whoever returns a frame has done so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_materialize.child.columns import build_array
from airflow_materialize.child.errors import ONE_NAME, ResultError, short, type_name
from airflow_materialize.child.json_texts import json_array

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK_ROWS = 65_536
_FAILURES = (pa.ArrowException, ValueError, TypeError, OverflowError)
_log = logging.getLogger("asset")


def frame_to_batches(frame: Any, json: frozenset[str] = frozenset()) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a pandas frame, one batch at least. NaN means null.

    A named index becomes columns in front of the others. One without a name is dropped, with a warning where it is
    more than the row's number.

    Raises:
        ResultError: A label is not text or stands twice, or a column has no Arrow type.
    """
    _check_labels(list(frame.columns), "column")
    _check_labels([name for name in frame.index.names if name is not None], "index")
    frame = _with_named_index(frame)
    names = [str.__str__(name) for name in frame.columns]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ResultError(f"two columns have the same name: {', '.join(map(repr, repeated))}", hint=ONE_NAME)
    if not names and len(frame):
        raise ResultError("the frame has no columns", hint="return None where there is no data")
    for start in range(0, max(len(frame), 1), _CHUNK_ROWS):
        part = frame.iloc[start : start + _CHUNK_ROWS]
        try:
            arrays = [series_to_array(part.iloc[:, place], name, json) for place, name in enumerate(names)]
        except ResultError as error:
            raise error.after(start) from None
        yield from pa.table(arrays, names=names).to_batches() or [_empty(arrays, names)]


def series_to_array(series: Any, name: str, json: frozenset[str] = frozenset()) -> Any:
    """Return one pandas column as an array; NaN means null."""
    if series.dtype == object:
        values = series.tolist()
        return json_array(_without_nan(values), name) if name in json else build_array(values, name, nan_is_null=True)
    if type(series.dtype).__name__ == "SparseDtype":
        series = series.sparse.to_dense()
    try:
        return pa.array(series, from_pandas=True)
    except _FAILURES as error:
        problem = f"pandas' type {series.dtype} has no column in a table"
        raise ResultError(problem, column=name, detail=str(error), hint="convert it with astype") from None


def _without_nan(values: list[Any]) -> list[Any]:
    return [None if isinstance(value, float) and value != value else value for value in values]  # noqa: PLR0124


def _check_labels(labels: list[Any], kind: str) -> None:
    for label in labels:
        if not isinstance(label, str):
            problem = f"the {kind} label {short(label)} is a {type_name(label)}, not text"
            raise ResultError(problem, hint="give every column a text as its name")


def _with_named_index(frame: Any) -> Any:
    index = frame.index
    unnamed = [level for level, name in enumerate(index.names) if name is None]
    if unnamed and (len(index.names) > 1 or type(index).__name__ != "RangeIndex"):
        _log.warning("an index without a name is dropped; name it to keep it as a column")
    if len(unnamed) == len(index.names):
        return frame
    clash = [name for name in index.names if name is not None and name in frame.columns]
    if clash:
        raise ResultError(f"an index and a column have the same name: {', '.join(map(repr, clash))}", hint=ONE_NAME)
    if unnamed:
        frame = frame.reset_index(level=unnamed, drop=True)
    return frame.reset_index()


def _empty(arrays: list[Any], names: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], array.type) for array in arrays], names=names)
