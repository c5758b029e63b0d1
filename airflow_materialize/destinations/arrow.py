"""Arrow types and values in the few forms that destinations deal with."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from airflow_materialize.errors import MaterializeError

_MOST_DIGITS = 38
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE_MICROSECONDS = r"(\.\d{6})000$"


def canonical(arrow_type: pa.DataType) -> pa.DataType:
    """Return the plain type that holds the values of an Arrow type: encodings, widths and units are unified.

    Dictionaries and runs are decoded, times count in microseconds (a naive timestamp may keep its nanoseconds), zones
    become UTC, decimals have 128 bits, nothing but NULL becomes text.

    Raises:
        MaterializeError: No database can hold the type.
    """
    if pa.types.is_dictionary(arrow_type) or pa.types.is_run_end_encoded(arrow_type):
        return canonical(arrow_type.value_type)
    if isinstance(arrow_type, pa.BaseExtensionType):
        return _extension(arrow_type)
    if pa.types.is_nested(arrow_type):
        return _nested(arrow_type)
    if pa.types.is_decimal(arrow_type):
        return _decimal(arrow_type)
    if pa.types.is_timestamp(arrow_type):
        unit = "ns" if arrow_type.unit == "ns" and arrow_type.tz is None else "us"
        return pa.timestamp(unit, "UTC" if arrow_type.tz is not None else None)
    return _SAME.get(arrow_type, arrow_type)


_SAME: dict[pa.DataType, pa.DataType] = {
    pa.null(): pa.string(),
    pa.float16(): pa.float32(),
    pa.date64(): pa.date32(),
    pa.time32("s"): pa.time64("us"),
    pa.time32("ms"): pa.time64("us"),
    pa.time64("ns"): pa.time64("us"),
    pa.duration("s"): pa.duration("us"),
    pa.duration("ms"): pa.duration("us"),
    pa.duration("ns"): pa.duration("us"),
    pa.string_view(): pa.large_string(),
    pa.binary_view(): pa.large_binary(),
}


def is_text(arrow_type: pa.DataType) -> bool:
    """Whether values are text of any layout."""
    return bool(
        pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type) or pa.types.is_string_view(arrow_type)
    )


def is_binary(arrow_type: pa.DataType) -> bool:
    """Whether values are bytes of any layout."""
    return bool(
        pa.types.is_binary(arrow_type)
        or pa.types.is_large_binary(arrow_type)
        or pa.types.is_binary_view(arrow_type)
        or pa.types.is_fixed_size_binary(arrow_type)
    )


def is_uuid(arrow_type: pa.DataType) -> bool:
    """Whether values are UUIDs, as Arrow's own extension type has them."""
    return getattr(arrow_type, "extension_name", "") == "arrow.uuid"


def is_json(arrow_type: pa.DataType) -> bool:
    """Whether values are JSON texts, as Arrow's own extension type has them."""
    return getattr(arrow_type, "extension_name", "") == "arrow.json"


def _extension(arrow_type: pa.BaseExtensionType) -> pa.DataType:
    if is_uuid(arrow_type) or is_json(arrow_type):
        return arrow_type
    if arrow_type.extension_name == "arrow.bool8":
        return pa.bool_()
    return canonical(arrow_type.storage_type)


def _nested(arrow_type: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(arrow_type):
        if not arrow_type.num_fields:
            raise MaterializeError("a struct without fields has no type in a database")
        return pa.struct([(field.name, canonical(field.type)) for field in arrow_type])
    if pa.types.is_map(arrow_type):
        return pa.map_(canonical(arrow_type.key_type), canonical(arrow_type.item_type))
    if pa.types.is_fixed_size_list(arrow_type):
        return pa.list_(canonical(arrow_type.value_type), arrow_type.list_size)
    if pa.types.is_union(arrow_type):
        raise MaterializeError(f"{arrow_type} has no type in a database")
    return pa.list_(canonical(arrow_type.value_type))


def _decimal(arrow_type: pa.DataType) -> pa.DataType:
    # A negative scale counts zeros before the point: 12e3 with scale -3 has two digits and needs five.
    precision, scale = arrow_type.precision + max(0, -arrow_type.scale), max(0, arrow_type.scale)
    if precision > _MOST_DIGITS:
        # What it holds may still fit: the cast says which value does not.
        precision, scale = _MOST_DIGITS, min(scale, _MOST_DIGITS)
    return pa.decimal128(precision, scale)


def scalar(value: str | bool | int | datetime | None, arrow_type: pa.DataType) -> pa.Scalar[Any]:  # noqa: FBT001
    """Return a text, a truth, an integer of 64 bits or a moment in microseconds as an Arrow scalar.

    `pa.scalar` and `pa.array` import pandas, where it is installed, to see whether a value is one of its own: a
    quarter of a second and fifty megabytes for the row of a ledger.
    """
    if value is None:
        return pa.nulls(1, arrow_type)[0]
    if isinstance(value, str):
        data = value.encode()
        buffers = [struct.pack("=ii", 0, len(data)), data]
    else:
        if isinstance(value, datetime):
            value = (value.replace(tzinfo=value.tzinfo or UTC) - _EPOCH) // timedelta(microseconds=1)
        buffers = [struct.pack("=q", value)]
    return pa.Array.from_buffers(arrow_type, 1, [None, *map(pa.py_buffer, buffers)])[0]


def as_python(scalar: pa.Scalar[Any]) -> Any:
    """Return a scalar's value as Python has it, moments with a zone in UTC: for another, pyarrow imports pandas too."""
    if not pa.types.is_timestamp(scalar.type) or not scalar.type.tz or scalar.type.unit == "ns":
        return scalar.as_py()
    moment = scalar.cast(pa.timestamp(scalar.type.unit)).as_py()
    return moment and moment.replace(tzinfo=UTC)


def parts(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.RecordBatch]:
    """Yield batches in parts of about `size` bytes, without copying them."""
    for batch in batches:
        rows = max(1, batch.num_rows * size // max(1, batch.nbytes))
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def plain(array: pa.Array) -> pa.Array:
    """Return an array without encodings, extension types other than UUID and JSON, and what Arrow cannot compare."""
    if pa.types.is_float16(array.type) or (pa.types.is_decimal(array.type) and array.type.scale < 0):
        return array.cast(canonical(array.type))
    if pa.types.is_dictionary(array.type):
        return plain(array.dictionary_decode())
    if pa.types.is_run_end_encoded(array.type):
        return plain(pc.run_end_decode(array))
    if isinstance(array.type, pa.BaseExtensionType) and not (is_uuid(array.type) or is_json(array.type)):
        is_bool = array.type.extension_name == "arrow.bool8"
        return array.storage.cast(pa.bool_()) if is_bool else plain(array.storage)
    return array


def to_text(array: pa.Array) -> pa.Array:
    """Return decimals and moments as texts: ISO 8601 with a space, `Z` for UTC, one spelling for each moment.

    Raises:
        ValueError: A moment is so far away that Arrow has no text for it.
    """
    if getattr(array.type, "tz", None) == "UTC":
        # Arrow looks the zone up for each value, which takes twenty times as long.
        texts = to_text(array.cast(pa.timestamp(array.type.unit)))
        return pc.binary_join_element_wise(texts, scalar("Z", pa.string()), scalar("", pa.string()))
    texts = array.cast(pa.string())
    if pa.types.is_temporal(array.type) and pc.any(pc.starts_with(texts, "<")).as_py():
        # It says that the value is out of range, in angle brackets.
        raise ValueError("a day or moment beyond the year 32767 has no text")
    if pa.types.is_decimal(array.type) and pc.any(pc.match_substring(texts, "E")).as_py():
        # Arrow writes the smallest ones with an exponent.
        return pa.array([None if value is None else f"{value:f}" for value in array.to_pylist()], pa.string())
    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        texts = pc.replace_substring_regex(texts, _WHOLE_MICROSECONDS, r"\1")
    return texts


def to_json_text(array: pa.Array) -> pa.Array:
    """Return nested values as JSON texts: decimals, dates and UUIDs as strings, durations in microseconds.

    A NULL field of a struct is left out, as a struct that lacks it is the same in Arrow. So one that is new in a row
    leaves the texts of all other rows as they were.

    Raises:
        ValueError: A value has no JSON, as NaN or bytes.
    """
    values, sparse = array.to_pylist(maps_as_pydicts="strict"), _sparse(array.type)
    return pa.array([None if value is None else _json(sparse(value)) for value in values], pa.string())


def _sparse(arrow_type: pa.DataType) -> Callable[[Any], Any]:
    """Return what takes the NULL fields of structs out of a value of a type. A NULL that a map has for a key stays."""
    if isinstance(arrow_type, pa.BaseExtensionType):
        return _sparse(arrow_type.storage_type)
    if pa.types.is_struct(arrow_type):
        fields = {field.name: _sparse(field.type) for field in arrow_type}
        return lambda value: {name: fields[name](part) for name, part in value.items() if part is not None}
    if pa.types.is_map(arrow_type):
        item = _sparse(arrow_type.item_type)
        return lambda value: {key: part if part is None else item(part) for key, part in value.items()}
    if pa.types.is_nested(arrow_type) and not pa.types.is_union(arrow_type):
        item = _sparse(arrow_type.value_type)
        return lambda value: [part if part is None else item(part) for part in value]
    return lambda value: value


def _json(value: Any) -> str:
    return json.dumps(value, default=_json_scalar, ensure_ascii=False, allow_nan=False)


def _json_scalar(value: Any) -> Any:
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    raise ValueError(f"{type(value).__name__} has no JSON")
