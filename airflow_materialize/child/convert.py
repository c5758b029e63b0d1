"""Arrow → Arrow without loss: the types that a staged file may have, and rows in the schema of the whole file."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_materialize.child.errors import ResultError
from airflow_materialize.child.unify import Lossy

_KEPT = (
    types.is_null,
    types.is_boolean,
    types.is_integer,
    types.is_float32,
    types.is_float64,
    types.is_decimal128,
    types.is_decimal256,
    types.is_string,
    types.is_large_string,
    types.is_binary,
    types.is_large_binary,
    types.is_date32,
    types.is_time,
    types.is_timestamp,
    types.is_duration,
    types.is_interval,
)
_NESTED = (
    "is_struct",
    "is_map",
    "is_list",
    "is_large_list",
    "is_fixed_size_list",
    "is_list_view",
    "is_large_list_view",
)
_TEXT_EXTENSIONS = {"arrow.uuid", "arrow.json"}
_FAILURES = (pa.ArrowException, ValueError, TypeError, OverflowError)


def plain_type(kind: pa.DataType, column: str) -> pa.DataType:
    """Return the type that a column of `kind` has in the staged file.

    Dictionaries and run-end encodings become their values, views and fixed sizes the ordinary form, float16 float32,
    date64 date32, small decimals decimal128, UUIDs text.

    Raises:
        ResultError: The type has no column in a table.
    """
    if any(test(kind) for test in _KEPT):
        return kind
    name = _extension(kind)
    if name in _TEXT_EXTENSIONS:
        return pa.string()
    if name:
        raise ResultError(f"the type {kind} has no column in a table", column=column, hint="convert it to text")
    if types.is_dictionary(kind) or _is(kind, "is_run_end_encoded"):
        return plain_type(kind.value_type, column)
    if any(_is(kind, test) for test in _NESTED):
        return _plain_nested(kind, column)
    return _plain_scalar(kind, column)


def _plain_nested(kind: pa.DataType, column: str) -> pa.DataType:
    if types.is_struct(kind):
        return _plain_struct(kind, column)
    if types.is_map(kind):
        return pa.map_(plain_type(kind.key_type, column), plain_type(kind.item_type, column))
    items = plain_type(kind.value_type, column)
    return pa.large_list(items) if types.is_large_list(kind) or _is(kind, "is_large_list_view") else pa.list_(items)


def _plain_struct(kind: pa.DataType, column: str) -> pa.DataType:
    fields = [kind.field(index) for index in range(kind.num_fields)]
    if len({field.name for field in fields}) < len(fields):
        raise ResultError("two fields of a struct have the same name", column=column)
    return pa.struct([pa.field(field.name, plain_type(field.type, f"{column}.{field.name}")) for field in fields])


def check_fields(schema: pa.Schema) -> None:
    """Raise ResultError where a struct has no fields. Until the last row is there, one may still come."""
    for field in schema:
        _check_fields(field.type, field.name)


def _check_fields(kind: pa.DataType, column: str) -> None:
    if types.is_struct(kind):
        if not kind.num_fields:
            hint = "return None, or the dict as JSON text; or let `enforce_schema` and `type: json` hold it as JSON"
            raise ResultError("every dict is empty, and a type without fields has no column", column=column, hint=hint)
        for index in range(kind.num_fields):
            _check_fields(kind.field(index).type, f"{column}.{kind.field(index).name}")
    elif types.is_map(kind):
        _check_fields(kind.item_type, column)
    elif types.is_list(kind) or types.is_large_list(kind):
        _check_fields(kind.value_type, column)


def _plain_scalar(kind: pa.DataType, column: str) -> pa.DataType:
    if types.is_float16(kind):
        return pa.float32()
    if types.is_date64(kind):
        return pa.date32()
    if types.is_fixed_size_binary(kind) or _is(kind, "is_binary_view"):
        return pa.binary()
    if _is(kind, "is_string_view"):
        return pa.string()
    if _is(kind, "is_decimal32") or _is(kind, "is_decimal64"):
        return pa.decimal128(kind.precision, kind.scale)
    raise ResultError(f"the type {kind} has no column in a table", column=column)


def _is(kind: pa.DataType, test: str) -> bool:
    """Ask a question that older releases of pyarrow do not know."""
    return hasattr(types, test) and bool(getattr(types, test)(kind))


def _extension(kind: pa.DataType) -> str:
    return kind.extension_name if isinstance(kind, pa.BaseExtensionType) else ""


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema that rows of `schema` have in the staged file, without metadata."""
    return pa.schema([pa.field(field.name, plain_type(_declared(field), field.name)) for field in schema])


def _declared(field: pa.Field) -> pa.DataType:
    """Return the field's type; one that only its metadata calls an extension is none that we can read."""
    name = (field.metadata or {}).get(b"ARROW:extension:name")
    if name and not _extension(field.type):
        problem = f"the type {name.decode(errors='replace')} is not known to pyarrow {pa.__version__} here"
        raise ResultError(problem, column=field.name, hint="convert it to text")
    return field.type


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows of `batch` in `schema`, columns by name; one that the batch lacks is null.

    Raises:
        Lossy: A value has no exact place in its new type; with its row in this batch.
    """
    places = {name: index for index, name in enumerate(batch.schema.names)}
    arrays = [
        convert(batch.column(places[field.name]), field.type, field.name)
        if field.name in places
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def convert(array: pa.Array, kind: pa.DataType, column: str) -> pa.Array:
    """Return the array in another type, or raise `Lossy` with the first value that has no exact place in it."""
    if array.type.equals(kind):
        return array
    if types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if isinstance(array, pa.ExtensionArray):
        return _from_extension(array, kind, column)
    if types.is_dictionary(array.type) or _is(array.type, "is_run_end_encoded"):
        values = array.dictionary_decode() if types.is_dictionary(array.type) else pc.run_end_decode(array)
        return convert(values, kind, column)
    nested = _list if types.is_list(kind) or types.is_large_list(kind) else _cast
    return (_struct if types.is_struct(kind) else nested)(array, kind, column)


def _cast(array: pa.Array, kind: pa.DataType, column: str) -> pa.Array:
    if types.is_float16(array.type) and not types.is_float16(kind):
        # Arrow before 15 casts no float16. numpy is there, or there would be no such array.
        values = [None if value is None else float(value) for value in array.to_pylist()]
        return _cast(pa.array(values, pa.float64()), kind, column) if kind != pa.float32() else pa.array(values, kind)
    try:
        return array.cast(kind)
    except _FAILURES as error:
        row = next((row for row in range(len(array)) if not _casts(array.slice(row, 1), kind)), None)
        if row is None:
            raise Lossy(f"{array.type} does not become {kind}", column=column, detail=str(error)) from None
        problem = f"{array.type} becomes {kind}, and this value would change"
        raise Lossy(problem, column=column, row=row, value=shown(array[row])) from None


def _casts(array: pa.Array, kind: pa.DataType) -> bool:
    try:
        array.cast(kind)
    except _FAILURES:
        return False
    return True


def shown(scalar: pa.Scalar) -> Any:
    """Return a value for a message; one beyond the years that Python knows as its number."""
    try:
        return scalar.as_py()
    except _FAILURES:
        return getattr(scalar, "value", None)


def _from_extension(array: pa.ExtensionArray, kind: pa.DataType, column: str) -> pa.Array:
    if _extension(array.type) == "arrow.uuid":
        values = array.storage.to_pylist()
        return pa.array([None if value is None else str(UUID(bytes=value)) for value in values], kind)
    return convert(array.storage, kind, column)


def _struct(array: pa.Array, kind: pa.DataType, column: str) -> pa.Array:
    names = [array.type.field(index).name for index in range(array.type.num_fields)]
    fields = [kind.field(index) for index in range(kind.num_fields)]
    children = [
        convert(array.field(names.index(field.name)), field.type, f"{column}.{field.name}")
        if field.name in names
        else pa.nulls(len(array), field.type)
        for field in fields
    ]
    return pa.StructArray.from_arrays(children, fields=fields, mask=array.is_null())


def _list(array: pa.Array, kind: pa.DataType, column: str) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths)])
    try:
        items = convert(array.flatten(), kind.value_type, column)
    except ResultError as error:
        if error.row is not None:
            error.row = next(row for row in range(len(array)) if offsets[row + 1].as_py() > error.row)
        raise
    if types.is_large_list(kind):
        return pa.LargeListArray.from_arrays(offsets, items, mask=array.is_null())
    return pa.ListArray.from_arrays(offsets.cast(pa.int32()), items, mask=array.is_null())
