"""Casts that keep every value, or say which one they cannot keep."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_materialize.definition.model.type_names import base_name, is_json_name, item_type
from airflow_materialize.destinations.arrow import is_binary, is_json, is_text, is_uuid, plain, to_json_text
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.definition.model.column import Column

_NOISE = 1e-12
"""How far, relatively, a float may be from the decimal that it is meant to be."""

_SHOWN = 60
_MOST_DIGITS = 38
_SIZE = re.compile(r"\(([^)]*)\)")

_NAMES: dict[str, pa.DataType] = {
    name: arrow_type
    for names, arrow_type in (
        ("tinyint, byte", pa.int8()),
        ("smallint, int2, int16, short, smallserial, serial2", pa.int16()),
        ("int, integer, int4, mediumint, serial, serial4, year", pa.int64()),
        ("bigint, int8, int32, int64, long, bigserial, serial8, byteint, oid", pa.int64()),
        ("utinyint, uint8, tinyint unsigned", pa.uint8()),
        ("usmallint, uint16, smallint unsigned", pa.uint16()),
        ("uinteger, uint32, int unsigned, integer unsigned, mediumint unsigned", pa.uint32()),
        ("ubigint, uint64, bigint unsigned, unsigned big int", pa.uint64()),
        ("hugeint, int128", pa.decimal128(38, 0)),
        ("float, float4, float8, float16, float64, double, double precision, real", pa.float64()),
        ("binary, varbinary, blob, tinyblob, mediumblob, longblob, bytea, bytes, image, raw, long raw", pa.binary()),
        ("bit, bit varying, varbit", pa.binary()),
        ("boolean, bool", pa.bool_()),
        ("date", pa.date32()),
        ("time, timetz, time with time zone, time without time zone", pa.time64("us")),
        ("timestamp, datetime, timestamptz, timestamp_tz, timestamp_ltz", pa.timestamp("us", "UTC")),
        ("timestamp with time zone, datetimeoffset", pa.timestamp("us", "UTC")),
        ("timestamp_ntz, timestamp without time zone, datetime2, smalldatetime", pa.timestamp("us")),
        ("timestamp_s, timestamp_ms, timestamp_us", pa.timestamp("us")),
        ("timestamp_ns", pa.timestamp("ns")),
        ("interval", pa.duration("us")),
        ("string, char, nchar, varchar, nvarchar, text, tinytext, mediumtext, longtext, ntext, clob", pa.string()),
        ("nclob, character, character varying, bpchar, citext, name, longvarchar, varchar2", pa.string()),
        ("nvarchar2, uuid, uniqueidentifier, guid, xml, enum, set, inet, cidr, macaddr, macaddr8", pa.string()),
        ("point, line, lseg, box, path, polygon, circle, tsvector, tsquery, pg_lsn, void", pa.string()),
        ("int4range, int8range, numrange, tsrange, tstzrange, daterange", pa.string()),
    )
    for name in names.split(", ")
}
_DECIMALS = {"decimal", "numeric", "number", "dec", "money", "smallmoney", "bigdecimal"}


def declared_type(column: Column) -> pa.DataType | None:
    """Return the Arrow type that a declared type stands for, or None where the declaration says nothing known.

    The names are those that Bruin knows for `enforce_schema` (`pkg/python/columns.go`): `int` has 64 bits,
    `timestamp` is a point in time. A decimal without digits has 38, nine of them after the point.
    """
    if item := item_type(column.type):
        inner = declared_type(column.model_copy(update={"type": item}))
        return None if inner is None else pa.json_() if is_json(inner) or pa.types.is_nested(inner) else pa.list_(inner)
    name = base_name(column.type)
    if name in _DECIMALS:
        inline = [int(part) for part in _inline(column) if part.strip().isdigit()]
        precision = inline[0] if inline else column.precision or _MOST_DIGITS
        scale = (inline[1] if len(inline) > 1 else 0) if inline else column.scale
        if scale is None:
            scale = 0 if column.precision else 9
        return pa.decimal128(min(precision, _MOST_DIGITS), min(scale, precision, _MOST_DIGITS))
    if is_json_name(name):
        return pa.json_()
    return _NAMES.get(name)


def declared_length(column: Column) -> int | None:
    """Return the most characters that a declared text may have, as 50 for `varchar(50)`."""
    inline = [int(part) for part in _inline(column) if part.strip().isdigit()]
    return (inline[0] if inline else column.length) if declared_type(column) == pa.string() else None


def _inline(column: Column) -> list[str]:
    match = _SIZE.search(column.type)
    return match[1].split(",") if match else []


def checked_cast(
    array: pa.Array,
    target: pa.DataType,
    column: str,
    *,
    first_row: int = 0,
    length: int | None = None,
    secret: bool = False,
) -> pa.Array:
    """Cast an array so that every value stays what it is.

    Naive timestamps are taken for UTC. A float becomes the decimal that it is next to.

    Args:
        array: Any Arrow array.
        target: The type to cast to.
        column: The column's name, for the error.
        first_row: How many rows came before the array.
        length: The most characters that a text may have.
        secret: Whether the error must not show the value.

    Raises:
        MaterializeError: A value is not one of the target's. The error has column, row and value.
    """
    if array.null_count == len(array):
        return pa.nulls(len(array), target)
    if array.type == target and length is None and not pa.types.is_interval(target):
        return array
    good = _attempt(array, target, length)
    if good is not None:
        return good
    at = _first_failure(lambda count: _attempt(array.slice(0, count), target, length) is None, len(array))
    value = "its value (not shown: the column is sensitive)" if secret else _shown(array[at])
    aim = f"a text of at most {length} characters" if length is not None and is_text(array.type) else str(target)
    aim = "JSON" if is_json(target) else aim
    raise MaterializeError(f"Column {column!r}, row {first_row + at + 1}: {value} ({array.type}) is not exactly {aim}")


def same_kind(left: pa.DataType, right: pa.DataType) -> bool:
    """Whether values of the two types mean the same sort of thing, so that a checked cast between them is no guess."""
    return left == right or (_kind(left) != "" and _kind(left) == _kind(right))


def _kind(arrow_type: pa.DataType) -> str:
    if pa.types.is_integer(arrow_type) or pa.types.is_floating(arrow_type) or pa.types.is_decimal(arrow_type):
        return "number"
    if pa.types.is_date(arrow_type) or pa.types.is_timestamp(arrow_type):
        return "instant" if getattr(arrow_type, "tz", None) else "moment"
    if pa.types.is_nested(arrow_type):
        return "nested"
    if is_json(arrow_type) or is_uuid(arrow_type):
        return arrow_type.extension_name  # type: ignore[no-any-return]
    tests: dict[str, Callable[[pa.DataType], bool]] = {
        "text": is_text,
        "bytes": is_binary,
        "truth": pa.types.is_boolean,
        "time": pa.types.is_time,
        "span": pa.types.is_duration,
    }
    return next((kind for kind, test in tests.items() if test(arrow_type)), "")


_CASTS = {
    ("text", "number"),
    ("text", "truth"),
    ("text", "moment"),
    ("text", "instant"),
    ("text", "time"),
    ("text", "bytes"),
    ("text", "arrow.json"),
    ("bytes", "text"),
    ("number", "text"),
    ("truth", "text"),
    ("moment", "text"),
    ("instant", "text"),
    ("time", "text"),
    ("arrow.uuid", "text"),
    ("arrow.json", "text"),
    ("nested", "arrow.json"),
    ("nested", "text"),
    ("number", "truth"),
    ("truth", "number"),
    ("moment", "instant"),
    ("instant", "moment"),
}
"""The casts between different kinds that a declared type may ask for."""


def _attempt(array: pa.Array, target: pa.DataType, length: int | None) -> pa.Array | None:
    array = plain(array)
    try:
        cast = array if array.type == target else _cast(array, target)
        if not _kept(array, cast):
            return None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError):
        return None
    if length is not None and is_text(cast.type) and (pc.max(pc.utf8_length(cast)).as_py() or 0) > length:
        return None
    return cast


def _cast(array: pa.Array, target: pa.DataType) -> pa.Array:
    kinds = _kind(array.type), _kind(target)
    if kinds[0] != kinds[1] and kinds not in _CASTS:
        raise ValueError(f"{array.type} is no {target}")
    if kinds == ("text", "arrow.json"):
        _check_json(array)
    if kinds[1] in {"text", "arrow.json"} and kinds[0] in {"nested", "arrow.uuid", "arrow.json", "text"}:
        return _texts(array, kinds[0]).cast(getattr(target, "storage_type", target)).cast(target)
    if kinds == ("text", "time"):
        return pa.array([value and time.fromisoformat(value) for value in array.to_pylist()], target)
    if kinds == ("text", "instant"):
        return _instants(array, target)
    if kinds[1] == "number" and pa.types.is_decimal(target) and pa.types.is_integer(array.type):
        # Arrow asks for room for any integer of that width; what counts is the values.
        return array.cast(pa.decimal128(_MOST_DIGITS, 0)).cast(target)
    return array.cast(target)


def _instants(array: pa.Array, target: pa.DataType) -> pa.Array:
    try:
        return array.cast(target)
    except pa.ArrowInvalid:
        return array.cast(pa.timestamp("us")).cast(target)


def _texts(array: pa.Array, kind: str) -> pa.Array:
    if kind == "nested":
        return to_json_text(array)
    if kind == "text":
        return array
    return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())


def _check_json(texts: pa.Array) -> None:
    """Raise ValueError where a text is no JSON: not every database looks."""
    for text in texts.to_pylist():
        if text is not None:
            json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _kept(original: pa.Array, cast: pa.Array) -> bool:
    """Whether casting back gives what was there: Arrow's own check lets rounding and cut-off times pass."""
    kinds = _kind(original.type), _kind(cast.type)
    if kinds == ("nested", "nested"):
        return cast.type == original.type or _parts_kept(original, cast)
    if pa.types.is_interval(cast.type):
        # Databases count microseconds, and cut what is finer.
        return all(value is None or value.nanoseconds % 1000 == 0 for value in cast.to_pylist())
    if kinds[0] not in {"number", "moment", "instant"} or kinds[1] not in {"number", "truth", "moment", "instant"}:
        return True
    back = cast.cast(pa.int64()) if kinds == ("number", "truth") else cast
    if pa.types.is_integer(back.type) and pa.types.is_decimal(original.type):
        back = back.cast(pa.decimal128(_MOST_DIGITS, 0))
    back = back.cast(original.type, safe=False)
    same: Any = pc.equal(back, original)
    if pa.types.is_floating(original.type):
        same = pc.or_(same, pc.and_(pc.is_nan(back), pc.is_nan(original)))
        if pa.types.is_decimal(cast.type):
            distance, allowed = pc.abs(pc.subtract(back, original)), pc.multiply(pc.abs(original), _NOISE)
            same = pc.or_(same, pc.less_equal(distance, allowed))
    return pc.all(same).as_py() is not False


def _parts_kept(original: pa.Array, cast: pa.Array) -> bool:
    """Whether each part of nested values is kept: Arrow leaves out the fields that the other type lacks."""
    if pa.types.is_struct(original.type) and pa.types.is_struct(cast.type):
        places = {cast.type.field(place).name: place for place in range(cast.type.num_fields)}
        names = [original.type.field(place).name for place in range(original.type.num_fields)]
        parts, casts = original.flatten(), cast.flatten()
        return all(
            _kept(part, casts[places[name]]) if name in places else part.null_count == len(part)
            for name, part in zip(names, parts, strict=True)
        )
    if pa.types.is_map(original.type) and pa.types.is_map(cast.type):
        return all(map(_kept, _entries(original), _entries(cast)))
    return _kept(original.flatten(), cast.flatten())


def _entries(maps: pa.MapArray) -> tuple[pa.Array, pa.Array]:
    first, last = maps.offsets[0].as_py(), maps.offsets[-1].as_py()
    return maps.keys[first:last], maps.items[first:last]


def _first_failure(fails: Callable[[int], bool], count: int) -> int:
    """Return the index of the last element of the shortest beginning that fails."""
    good, bad = 0, count
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (good, middle) if fails(middle) else (middle, bad)
    return bad - 1


def _shown(scalar: pa.Scalar[Any]) -> str:
    as_text = pa.types.is_temporal(scalar.type) and not pa.types.is_interval(scalar.type)
    text = str(scalar.cast(pa.string())) if as_text else repr(scalar.as_py())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
