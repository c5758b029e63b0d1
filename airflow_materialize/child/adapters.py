"""What `materialize()` may return, one adapter for each kind, and its way to Arrow batches.

A library that defines a kind of frame is never imported here: who returns one has imported it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_materialize.child.errors import ONE_NAME, ResultError, type_name
from airflow_materialize.child.pandas_frames import frame_to_batches, series_to_array
from airflow_materialize.child.rows import RowBuffer, columns_to_batches
from airflow_materialize.child.values import fields_of
from airflow_materialize.sdk.outcome import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ACCEPTED = (
    "return a pandas or polars frame, a pyarrow Table, RecordBatch or RecordBatchReader, anything with "
    "__arrow_c_stream__, a list of dicts, dataclasses or models, a dict of columns, an iterator of these, or None"
)

_POLARS_CHUNK_ROWS = 65_536
_ADAPTERS: list[tuple[Callable[[Any], bool], Callable[[Any], Iterable[pa.RecordBatch]]]] = []


def adapter(
    accepts: Callable[[Any], bool],
) -> Callable[[Callable[[Any], Iterable[pa.RecordBatch]]], Callable[[Any], Iterable[pa.RecordBatch]]]:
    """Register a function that turns one kind of frame into batches.

    Args:
        accepts: Says whether a value is of that kind. The first adapter that accepts a value gets it.
    """

    def register(convert: Callable[[Any], Iterable[pa.RecordBatch]]) -> Callable[[Any], Iterable[pa.RecordBatch]]:
        _ADAPTERS.append((accepts, convert))
        return convert

    return register


def _is(module: str, name: str) -> Callable[[Any], bool]:
    """Recognise instances of a class of a library that may not be here."""

    def accepts(value: Any) -> bool:
        kind = getattr(sys.modules.get(module), name, None)
        return isinstance(kind, type) and isinstance(value, kind)

    return accepts


@adapter(lambda value: isinstance(value, pa.RecordBatch))
def _record_batch(batch: Any) -> Iterable[pa.RecordBatch]:
    return [batch]


@adapter(lambda value: isinstance(value, pa.Table))
def _table(table: Any) -> Iterable[pa.RecordBatch]:
    return table.to_batches() or [_no_rows(table.schema)]


@adapter(lambda value: isinstance(value, pa.RecordBatchReader))
def _reader(reader: Any) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in reader:
        rows += batch.num_rows
        yield batch
    if not rows:
        yield _no_rows(reader.schema)


@adapter(_is("pandas", "DataFrame"))
def _pandas(frame: Any) -> Iterable[pa.RecordBatch]:
    return frame_to_batches(frame)


@adapter(_is("polars", "LazyFrame"))
def _polars_lazy(frame: Any) -> Iterable[pa.RecordBatch]:
    return _polars(frame.collect())


@adapter(_is("polars", "DataFrame"))
def _polars(frame: Any) -> Iterator[pa.RecordBatch]:
    for name, kind in frame.schema.items():
        # Arrow would get the addresses of the objects as bytes.
        if str(kind).startswith("Object"):
            raise ResultError("polars' type Object has no column in a table", column=name, hint="convert it to text")
        if str(kind) in {"Int128", "UInt128"}:
            frame = frame.with_columns(_as_decimals(frame[name]))
    for start in range(0, max(frame.height, 1), _POLARS_CHUNK_ROWS):
        part = frame.slice(start, _POLARS_CHUNK_ROWS)
        try:
            table = part.to_arrow()
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise ResultError("polars cannot hand the frame to Arrow", detail=str(error)) from error
        yield from table.to_batches() or [_no_rows(table.schema)]


def _as_decimals(column: Any) -> Any:
    """Return whole numbers of 128 bits, which Arrow does not know, as decimals of 38 digits."""
    largest = max((abs(end) for end in (column.min(), column.max()) if end is not None), default=0)
    if largest >= 10**38:
        hint = "return it as text"
        raise ResultError("a whole number needs more than 38 digits", column=column.name, value=largest, hint=hint)
    return column.cast(sys.modules["polars"].Decimal(38, 0))


@adapter(lambda value: hasattr(value, "__arrow_c_stream__") and not isinstance(value, type))
def _arrow_stream(value: Any) -> Iterable[pa.RecordBatch]:
    try:
        reader = _import_stream(value)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise _unaccepted(value, f" whose Arrow stream is no table ({error})") from error
    return _reader(reader)


def _import_stream(value: Any) -> Any:
    if hasattr(pa.RecordBatchReader, "from_stream"):
        return pa.RecordBatchReader.from_stream(value)
    # pyarrow 14 reads the protocol in Table alone.
    return pa.table(value).to_reader()


def to_batches(result: Any, json: frozenset[str] = frozenset()) -> Iterator[pa.RecordBatch]:
    """Yield what `materialize()` returned as batches of any size; none at all where there is no data.

    Args:
        result: It.
        json: The columns whose Python values become JSON texts.

    Raises:
        ResultError: The value is of a kind that makes no table, or its data do not.
    """
    if result is None:
        return
    if isinstance(result, dict):
        yield from _checked(_dict_of_columns(result, json))
        return
    frames = frames_of(result, json)
    if frames is not None:
        yield from _checked(frames)
        return
    if fields_of(result) is not None:
        raise _unaccepted(result, ", which is one row", "return a list of rows: [row]")
    if not is_iterable(result):
        raise _unaccepted(result)
    pages = Pages(json)
    for item in result:
        yield from pages.add(item)
    yield from pages.finish()


class Pages:
    """Takes what an iterator gives, item by item: rows, lists of rows and frames, mixed.

    Args:
        json: The columns whose Python values become JSON texts.
    """

    def __init__(self, json: frozenset[str] = frozenset()) -> None:
        self._json = json
        self._buffer = RowBuffer(json)
        self._rows = 0
        self._items = 0

    def add(self, item: Any) -> Iterator[pa.RecordBatch]:
        """Yield the batches that are complete with one more item. None and empty pages add nothing."""
        self._items += 1
        if item is not None:
            yield from self._add(item)

    def finish(self) -> Iterator[pa.RecordBatch]:
        """Yield what is left."""
        batch = self._take()
        if batch is not None:
            yield batch

    def _add(self, item: Any) -> Iterator[pa.RecordBatch]:
        row = item if type(item) is dict else None
        frames = None if row is not None else frames_of(item, self._json)
        if frames is not None:
            yield from self._add_frames(frames)
            return
        row = fields_of(item) if row is None else row
        if row is not None:
            if self._buffer.add(row):
                yield from self.finish()
        elif isinstance(item, (list, tuple)):
            for part in item:
                if part is None:
                    raise _unaccepted_item(part, self._items)
                yield from self._add(part)
        else:
            raise _unaccepted_item(item, self._items)

    def _add_frames(self, frames: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from self.finish()
        before = self._rows
        try:
            for batch in _checked(frames):
                self._rows += batch.num_rows
                yield batch
        except ResultError as error:
            raise error.after(before) from None

    def _take(self) -> pa.RecordBatch | None:
        try:
            batch = self._buffer.take()
        except ResultError as error:
            raise error.after(self._rows) from None
        if batch is not None:
            _check_names(batch.schema.names)
        self._rows += 0 if batch is None else batch.num_rows
        return batch


def frames_of(value: Any, json: frozenset[str] = frozenset()) -> Iterable[pa.RecordBatch] | None:
    """Return the batches of one frame, or None where no adapter accepts the value."""
    if json and _is("pandas", "DataFrame")(value):
        return frame_to_batches(value, json)
    convert = next((convert for accepts, convert in _ADAPTERS if accepts(value)), None)
    return None if convert is None or _is_column(value) else convert(value)


def is_iterable(value: Any) -> bool:
    """Say whether a value is a collection or an iterator that could give rows."""
    refused = (str, bytes, bytearray, memoryview, set, frozenset, pa.Array, pa.ChunkedArray, pa.Scalar, type)
    if isinstance(value, refused) or _is_column(value) or hasattr(value, "__array_interface__"):
        return False
    return hasattr(value, "__iter__")


def _is_column(value: Any) -> bool:
    """Say whether a value is one column of a frame, which some libraries export like a frame."""
    return any(_is(library, kind)(value) for library, kind in _COLUMNS)


_COLUMNS = (("pandas", "Series"), ("pandas", "Index"), ("polars", "Series"), ("numpy", "ndarray"))


def _dict_of_columns(result: dict[Any, Any], json: frozenset[str]) -> Iterator[pa.RecordBatch]:
    if not result:
        raise ResultError("the dict of columns is empty", hint="return None where there is no data")
    columns = {name: _column(name, values, json) for name, values in result.items()}
    yield from columns_to_batches(columns, json)


def _column(name: Any, values: Any, json: frozenset[str]) -> Any:
    if _is("pandas", "Series")(values) or _is("pandas", "Index")(values):
        return series_to_array(values, str(name), json)
    if _is("polars", "Series")(values):
        return values.to_arrow()
    if isinstance(values, (list, tuple, pa.Array, pa.ChunkedArray)) or _is("numpy", "ndarray")(values):
        return values
    problem = f"materialize() returned a dict whose value {name!r} is of type {type_name(values)}, not a column"
    raise ResultError(problem, hint="a dict of columns has lists or arrays as its values; one row is [row]")


def _checked(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pass batches on whose columns have names, each another one.

    A frame of neither columns nor rows is what `pd.DataFrame([])` gives for no rows: no data, like the empty list.
    """
    for batch in batches:
        names = batch.schema.names
        if not names:
            if not batch.num_rows:
                continue
            raise ResultError("the frame has no columns", hint="return None where there is no data")
        _check_names(names)
        yield batch


def _check_names(names: list[str]) -> None:
    if "" in names:
        raise ResultError(f"column {names.index('') + 1} has an empty name")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ResultError(f"two columns have the same name: {', '.join(map(repr, repeated))}", hint=ONE_NAME)


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _unaccepted(value: Any, what: str = "", hint: str = ACCEPTED) -> ResultError:
    return ResultError(f"materialize() returned a value of type {type_name(value)}{what}", hint=hint)


def _unaccepted_item(value: Any, number: int) -> ResultError:
    problem = f"item {number} of what materialize() returned is, or holds, a value of type {type_name(value)}"
    around = "result() goes around the whole: `return result(rows(), metadata=…)`"
    return ResultError(problem, hint=around if isinstance(value, Result) else ACCEPTED)
