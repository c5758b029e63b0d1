"""One schema for the whole file: the narrowest that holds every value of both schemas exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import types

from airflow_materialize.child.errors import ANY_SHAPE, ONE_TYPE, ResultError

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS = ("s", "ms", "us", "ns")
_MAX_DIGITS_128 = 38
_MAX_DIGITS_256 = 76
# The most decimal digits of a whole number, by its width in bits: unsigned, signed.
_DIGITS = {8: (3, 3), 16: (5, 5), 32: (10, 10), 64: (20, 19)}


class Lossy(ResultError):  # noqa: N818  # named for what it reports
    """Two types that no third one holds without loss, or a value that the common type cannot hold."""


def unify(left: pa.Schema, right: pa.Schema) -> pa.Schema:
    """Return the schema that holds rows of both: columns by name, those of `left` first.

    A column that one side lacks is null there. Null takes any type, whole numbers widen, also to float64 (each value
    is checked when it is converted), float32 widens to float64, decimals, times and time stamps to the finer one,
    different zones to UTC; lists and structs follow by their parts.

    Raises:
        Lossy: A column's types have no common one. It has no row yet.
    """
    if left.equals(right):
        return left
    return pa.schema(_unify_fields(list(left), list(right), ""))


def unify_types(left: pa.DataType, right: pa.DataType, column: str) -> pa.DataType:
    """Return the type that holds values of both, or raise `Lossy`."""
    if left.equals(right) or types.is_null(right):
        return left
    if types.is_null(left):
        return right
    for both_are, join in _RULES:
        if both_are(left) and both_are(right):
            joined = join(left, right, column)
            if joined is not None:
                return joined
            break
    hint = ANY_SHAPE if "." in column or types.is_nested(left) or types.is_nested(right) else ONE_TYPE
    raise Lossy(f"{right} after {left}: one column has one type", column=column, hint=hint)


def _unify_fields(left: list[pa.Field], right: list[pa.Field], prefix: str) -> list[pa.Field]:
    known = {field.name: field.type for field in left}
    for field in right:
        before = known.get(field.name)
        known[field.name] = field.type if before is None else unify_types(before, field.type, prefix + field.name)
    return [pa.field(name, kind) for name, kind in known.items()]


def _number(left: pa.DataType, right: pa.DataType, column: str) -> pa.DataType | None:
    if types.is_decimal(left) or types.is_decimal(right):
        return _decimal(left, right, column)
    if types.is_integer(left) and types.is_integer(right):
        return _integer(left, right)
    small = all(types.is_float32(kind) or (types.is_integer(kind) and kind.bit_width <= 16) for kind in (left, right))  # noqa: PLR2004  # float32 holds 24 bits
    return pa.float32() if small else pa.float64()


def _integer(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    width = max(left.bit_width, right.bit_width)
    signed = {types.is_signed_integer(kind): kind.bit_width for kind in (left, right)}
    if len(signed) == 1:
        return _INTEGERS[(True in signed, width)]
    if signed[False] == 64:  # noqa: PLR2004  # no wider whole number exists: each value is checked
        return pa.uint64()
    return _INTEGERS[(True, max(signed[True], signed[False] * 2))]


_INTEGERS = {
    (True, 8): pa.int8(),
    (True, 16): pa.int16(),
    (True, 32): pa.int32(),
    (True, 64): pa.int64(),
    (False, 8): pa.uint8(),
    (False, 16): pa.uint16(),
    (False, 32): pa.uint32(),
    (False, 64): pa.uint64(),
}


def _decimal(left: pa.DataType, right: pa.DataType, _: str) -> pa.DataType | None:
    if types.is_floating(left) or types.is_floating(right):
        return None
    parts = [
        (kind.precision - kind.scale, kind.scale)
        if types.is_decimal(kind)
        else (_DIGITS[kind.bit_width][types.is_signed_integer(kind)], 0)
        for kind in (left, right)
    ]
    scale = max(scale for _, scale in parts)
    precision = max(whole for whole, _ in parts) + scale
    if precision > _MAX_DIGITS_256:
        return None
    wide = precision > _MAX_DIGITS_128 or types.is_decimal256(left) or types.is_decimal256(right)
    return pa.decimal256(precision, scale) if wide else pa.decimal128(precision, scale)


def _timestamp(left: pa.DataType, right: pa.DataType, _: str) -> pa.DataType | None:
    if (left.tz is None) != (right.tz is None):
        return None
    return pa.timestamp(_finer(left, right), left.tz if left.tz == right.tz else "UTC")


def _time(left: pa.DataType, right: pa.DataType, _: str) -> pa.DataType:
    unit = _finer(left, right)
    return pa.time32(unit) if unit in {"s", "ms"} else pa.time64(unit)


def _duration(left: pa.DataType, right: pa.DataType, _: str) -> pa.DataType:
    return pa.duration(_finer(left, right))


def _finer(left: pa.DataType, right: pa.DataType) -> str:
    return max(_unit(left), _unit(right), key=_UNITS.index)


def _unit(kind: pa.DataType) -> str:
    # Arrow's time types tell their unit in their name alone before pyarrow 16.
    return kind.unit if hasattr(kind, "unit") else str(kind).partition("[")[2].rstrip("]")


def _list(left: pa.DataType, right: pa.DataType, column: str) -> pa.DataType:
    items = unify_types(left.value_type, right.value_type, column)
    large = types.is_large_list(left) or types.is_large_list(right)
    return pa.large_list(items) if large else pa.list_(items)


def _struct(left: pa.DataType, right: pa.DataType, column: str) -> pa.DataType:
    sides = [[kind.field(index) for index in range(kind.num_fields)] for kind in (left, right)]
    return pa.struct(_unify_fields(sides[0], sides[1], f"{column}."))


def _map(left: pa.DataType, right: pa.DataType, column: str) -> pa.DataType:
    keys = unify_types(left.key_type, right.key_type, column)
    return pa.map_(keys, unify_types(left.item_type, right.item_type, column))


def _either(*tests: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    return lambda kind: any(test(kind) for test in tests)


_RULES: tuple[tuple[Callable[[pa.DataType], bool], Callable[..., pa.DataType | None]], ...] = (
    (_either(types.is_integer, types.is_floating, types.is_decimal), _number),
    (types.is_timestamp, _timestamp),
    (types.is_time, _time),
    (types.is_duration, _duration),
    (_either(types.is_string, types.is_large_string), lambda *_: pa.large_string()),
    (_either(types.is_binary, types.is_large_binary), lambda *_: pa.large_binary()),
    (_either(types.is_list, types.is_large_list), _list),
    (types.is_struct, _struct),
    (types.is_map, _map),
)
