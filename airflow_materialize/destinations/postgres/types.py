"""Arrow types and PostgreSQL's: which holds what, and how binary COPY writes it."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from airflow_materialize.destinations.arrow import is_binary, is_json, is_text, is_uuid, to_json_text
from airflow_materialize.errors import MaterializeError

_SCALARS: dict[pa.DataType, str] = {
    pa.bool_(): "boolean",
    pa.int8(): "smallint",
    pa.int16(): "smallint",
    pa.int32(): "integer",
    pa.int64(): "bigint",
    pa.uint8(): "smallint",
    pa.uint16(): "integer",
    pa.uint32(): "bigint",
    pa.uint64(): "numeric(20,0)",
    pa.float32(): "real",
    pa.float64(): "double precision",
    pa.date32(): "date",
    pa.time32("s"): "time without time zone",
    pa.time32("ms"): "time without time zone",
    pa.time64("us"): "time without time zone",
    pa.timestamp("s"): "timestamp without time zone",
    pa.timestamp("ms"): "timestamp without time zone",
    pa.timestamp("us"): "timestamp without time zone",
    pa.timestamp("s", "UTC"): "timestamp with time zone",
    pa.timestamp("ms", "UTC"): "timestamp with time zone",
    pa.timestamp("us", "UTC"): "timestamp with time zone",
    pa.duration("us"): "interval",
}
_ARROW: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "text": pa.string(),
    "character varying": pa.string(),
    "character": pa.string(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "time without time zone": pa.time64("us"),
    "time(0) without time zone": pa.time32("s"),
    "time(3) without time zone": pa.time32("ms"),
    "time(6) without time zone": pa.time64("us"),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp(0) without time zone": pa.timestamp("s"),
    "timestamp(3) without time zone": pa.timestamp("ms"),
    "timestamp(6) without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "timestamp(0) with time zone": pa.timestamp("s", "UTC"),
    "timestamp(3) with time zone": pa.timestamp("ms", "UTC"),
    "timestamp(6) with time zone": pa.timestamp("us", "UTC"),
    "interval": pa.duration("us"),
    "uuid": pa.uuid(),
    "jsonb": pa.json_(),
}
_TEXTS = {"text", "character varying", "character"}
_DECIMAL = re.compile(r"numeric\((\d+),(\d+)\)")
_LIMITED = re.compile(r"character(?: varying)?\((\d+)\)")
_MODIFIER = re.compile(r"\([^()]*\)")
_ROUNDING = re.compile(r"(timestamp|time|interval\b).*\([0-5]\)")
_MOST_DIGITS = 38


def column_type(arrow_type: pa.DataType) -> str:
    """Return the type that holds all values of an Arrow type, spelled as `format_type` spells it.

    Raises:
        MaterializeError: There is none.
    """
    if arrow_type in _SCALARS:
        return _SCALARS[arrow_type]
    for test, name in ((is_uuid, "uuid"), (is_json, "jsonb"), (is_text, "text"), (is_binary, "bytea")):
        if test(arrow_type):
            return name
    if pa.types.is_decimal(arrow_type):
        return f"numeric({arrow_type.precision},{arrow_type.scale})"
    if _is_list(arrow_type) and not pa.types.is_nested(arrow_type.value_type) and not is_json(arrow_type.value_type):
        return f"{column_type(arrow_type.value_type)}[]"
    if pa.types.is_nested(arrow_type):
        return "jsonb"
    raise MaterializeError(
        f"{arrow_type} has no exact type in PostgreSQL", hint="a duration" if pa.types.is_interval(arrow_type) else ""
    )


def arrow_type(sql_type: str) -> pa.DataType:
    """Return the Arrow type of what a column of a type holds; `null` where there is none for all of its values."""
    if sql_type.endswith("[]"):
        inner = arrow_type(sql_type.removesuffix("[]"))
        return pa.null() if pa.types.is_null(inner) or is_json(inner) else pa.list_(inner)
    if found := _DECIMAL.fullmatch(sql_type):
        precision, scale = map(int, found.groups())
        return pa.decimal128(precision, scale) if scale <= precision <= _MOST_DIGITS else pa.null()
    if sql_type in _ARROW or rounds(sql_type):
        return _ARROW.get(sql_type, pa.null())
    return _ARROW.get(_plain(sql_type), pa.null())


def room_for(sql_type: str, length: int) -> str:
    """Return the type that a column of texts needs for one of so many characters: its own where it fits."""
    found = _LIMITED.fullmatch(sql_type)
    return "text" if found and int(found[1]) < length else sql_type


def rounds(sql_type: str) -> bool:
    """Whether a type rounds points in time to digits that no unit of Arrow's has."""
    return sql_type.removesuffix("[]") not in _ARROW and _ROUNDING.match(sql_type) is not None


def writes_directly(arrow: pa.DataType, sql_type: str) -> bool:
    """Whether binary COPY has one form for values of an Arrow type and a column's type.

    The server takes bytes at their word: eight bytes of an integer are some number in a column of `numeric`.
    """
    if _is_list(arrow) and (is_uuid(arrow.value_type) or _has_zone(arrow.value_type)):
        # The encoder names another element type.
        return False
    target = _plain(sql_type)
    if is_text(arrow):
        return target in _TEXTS
    if _is_list(arrow) and is_text(arrow.value_type):
        return target.removesuffix("[]") in _TEXTS
    if column_type(arrow) == "jsonb":
        return target in {"json", "jsonb"}
    return _plain(column_type(arrow)) == target


def prepared(array: pa.Array, sql_type: str) -> pa.Array:
    """Return an array as the encoder takes it for a column: JSON as text, and as text whatever it cannot write.

    Raises:
        ValueError: A value has no JSON, as NaN or bytes.
    """
    kind = array.type
    if not writes_directly(kind, sql_type):
        return _as_text(array)
    if is_json(kind):
        return array.storage
    if pa.types.is_nested(kind) and column_type(kind) == "jsonb":
        return to_json_text(array)
    if pa.types.is_fixed_size_binary(kind):
        # Sixteen bytes would be taken for a UUID.
        return array.cast(pa.binary())
    return array


def encoder(field: pa.Field, sql_type: str) -> Any:
    """Return what writes a prepared column."""
    from pgpq import ArrowToPostgresBinaryEncoder
    from pgpq.encoders import LargeStringEncoderBuilder, StringEncoderBuilder
    from pgpq.schema import Jsonb

    if sql_type == "jsonb":
        kind = LargeStringEncoderBuilder if pa.types.is_large_string(field.type) else StringEncoderBuilder
        return kind.new_with_output(field, Jsonb())
    return ArrowToPostgresBinaryEncoder.infer_encoder(field)


def text_type(arrow: pa.DataType) -> str:
    """Return the type of a column for values that are cast on the server."""
    return "text[]" if _is_list(arrow) and column_type(arrow) != "jsonb" else "text"


def _as_text(array: pa.Array) -> pa.Array:
    kind = array.type
    if is_uuid(kind):
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
    if is_json(kind):
        return array.storage
    if _is_list(kind) and column_type(kind) != "jsonb":
        if is_uuid(kind.value_type):
            lists = array.to_pylist()
            texts = [None if items is None else [item and str(item) for item in items] for items in lists]
            return pa.array(texts, pa.list_(pa.string()))
        return array.cast(pa.list_(pa.string()))
    if pa.types.is_nested(kind):
        return to_json_text(array)
    return array.cast(pa.string())


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _has_zone(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) and kind.tz)


def _plain(sql_type: str) -> str:
    return _MODIFIER.sub("", sql_type)
