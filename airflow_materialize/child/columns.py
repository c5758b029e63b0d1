"""A list of Python values → one Arrow array, exactly: what does not fit a single type is an error."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_materialize.child.errors import ANY_SHAPE, ONE_TYPE, ResultError, type_name
from airflow_materialize.child.values import PLAIN, converted, has_nanoseconds, plain

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_EXACT_FLOAT = 2**53
"""Every whole number up to here has a float64 of its own (IEEE 754); beyond it, two may share one."""

_MAX_DIGITS_128 = 38
_MAX_DIGITS_256 = 76
_PLAIN_TYPES = frozenset(PLAIN)
_NULL = type(None)
_TOGETHER = ({int, float}, {int, Decimal})
_FAILURES = (pa.ArrowException, ValueError, TypeError, OverflowError)


def build_array(values: list[Any], column: str, *, nan_is_null: bool = False) -> pa.Array:
    """Return the array of one column.

    Args:
        values: One for each row.
        column: The column's name for errors, as `address.zip` inside a nested one.
        nan_is_null: Whether a float NaN means a missing value, as it does in pandas.

    Raises:
        ResultError: Types are mixed, or a value does not fit; with the first row at fault.
    """
    values = _plain_values(values, column)
    if nan_is_null:
        values = [None if type(value) is float and value != value else value for value in values]  # noqa: PLR0124
    families = {_family(kind) for kind in set(map(type, values))} - {_NULL}
    if not families:
        return pa.nulls(len(values))
    if len(families) == 1:
        return _BUILDERS[families.pop()](values, column)
    if families == {int, float}:
        return _whole_and_float(values, column)
    if families == {int, Decimal}:
        return _decimals(values, column)
    raise _mixed(values, column)


def _plain_values(values: list[Any], column: str) -> list[Any]:
    return values if set(map(type, values)) <= _PLAIN_TYPES else converted(values, plain, column)


def _family(kind: type) -> type:
    """Return the class that a value's class counts as: pandas' times are subclasses of Python's."""
    if kind in _PLAIN_TYPES:
        return kind
    return next(family for family in (dt.datetime, dt.timedelta, dt.time) if issubclass(kind, family))


def _mixed(values: list[Any], column: str) -> ResultError:
    """Name the first row whose value does not go with those before it."""
    seen: set[type] = set()
    for row, value in enumerate(values):
        family = _family(type(value))
        if family is _NULL:
            continue
        other = next((other for other in seen if {family, other} not in ({family}, *_TOGETHER)), None)
        if other is not None:
            problem = f"{family.__name__} after {other.__name__}: one column has one type"
            hint = ANY_SHAPE if "." in column or {family, other} & {dict, list} else ONE_TYPE
            return ResultError(problem, column=column, row=row, value=value, hint=hint)
        seen.add(family)
    raise AssertionError("the values are not mixed")


def _of(arrow_type: pa.DataType) -> Callable[[list[Any], str], pa.Array]:
    return lambda values, column: _convert(values, column, arrow_type)


def _convert(values: list[Any], column: str, arrow_type: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, arrow_type)
    except _FAILURES as error:
        row = next((row for row, value in enumerate(values) if not _fits(value, arrow_type)), None)
        if row is None:
            raise ResultError(f"the values do not fit {arrow_type}", column=column, detail=str(error)) from None
        problem = f"the value does not fit {arrow_type}"
        raise ResultError(problem, column=column, row=row, value=values[row], detail=str(error)) from None


def _fits(value: Any, arrow_type: pa.DataType) -> bool:
    try:
        pa.array([value], arrow_type)
    except _FAILURES:
        return False
    return True


def _long(small: pa.DataType, large: pa.DataType) -> Callable[[list[Any], str], pa.Array]:
    """Build text or bytes; Arrow answers with chunks where 32-bit offsets do not reach."""

    def build(values: list[Any], column: str) -> pa.Array:
        array = _convert(values, column, small)
        return array if isinstance(array, pa.Array) else _convert(values, column, large)

    return build


def _integers(values: list[Any], column: str) -> pa.Array:
    present = [value for value in values if value is not None]
    low, high = min(present), max(present)
    if low >= -(2**63) and high < 2**63:
        return pa.array(values, pa.int64())
    if low >= 0 and high < 2**64:
        return pa.array(values, pa.uint64())
    limit = 2**63 if low < 0 else 2**64
    bad = next(row for row, value in enumerate(values) if value is not None and not -(2**63) <= value < limit)
    hint = "return it as Decimal or text"
    raise ResultError("a whole number needs more than 64 bits", column=column, row=bad, value=values[bad], hint=hint)


def _whole_and_float(values: list[Any], column: str) -> pa.Array:
    for row, value in enumerate(values):
        if type(value) is int and abs(value) > MAX_EXACT_FLOAT:
            problem = "a whole number beyond 2**53 stands among floats and would lose digits"
            raise ResultError(problem, column=column, row=row, value=value, hint="return the column as Decimal")
    return pa.array([None if value is None else float(value) for value in values], pa.float64())


def _decimals(values: list[Any], column: str) -> pa.Array:
    whole, scale = 1, 0
    exact = [Decimal(value) if type(value) is int else value for value in values]
    for row, value in enumerate(exact):
        if value is None:
            continue
        if not value.is_finite():
            raise ResultError("a Decimal is not a number", column=column, row=row, value=value, hint="return None")
        _, digits, exponent = value.as_tuple()
        scale = max(scale, -int(exponent))
        whole = max(whole, len(digits) + int(exponent))
        if whole + scale > _MAX_DIGITS_256:
            problem = f"the column needs more than {_MAX_DIGITS_256} digits"
            raise ResultError(problem, column=column, row=row, value=value, hint="return the column as text")
    precision = whole + scale
    make = pa.decimal128 if precision <= _MAX_DIGITS_128 else pa.decimal256
    return _convert(exact, column, make(precision, scale))


def _datetimes(values: list[Any], column: str) -> pa.Array:
    zones: dict[str, int] = {}
    naive = None
    for row, value in enumerate(values):
        if value is None:
            continue
        if value.utcoffset() is None:
            naive = row if naive is None else naive
        else:
            zones.setdefault(_zone(value.tzinfo), row)
    if zones and naive is not None:
        aware = min(zones.values())
        row = max(naive, aware)
        problem = "datetimes with and without a time zone are mixed"
        raise ResultError(problem, column=column, row=row, value=values[row], hint="give each of them a zone")
    unit = "ns" if any(map(has_nanoseconds, values)) else "us"
    zone = (next(iter(zones)) if len(zones) == 1 else "UTC") if zones else None
    return _convert(values, column, pa.timestamp(unit, zone))


def _zone(tzinfo: Any) -> str:
    """Return the zone's name as Arrow writes it, UTC for one that it does not know."""
    try:
        return str(pa.lib.tzinfo_to_string(tzinfo))
    except _FAILURES:
        return "UTC"


def _times(values: list[Any], column: str) -> pa.Array:
    for row, value in enumerate(values):
        if value is not None and value.tzinfo is not None:
            raise ResultError("a time has a zone, which a table cannot keep", column=column, row=row, value=value)
    return _convert(values, column, pa.time64("us"))


def _durations(values: list[Any], column: str) -> pa.Array:
    unit = "ns" if any(map(has_nanoseconds, values)) else "us"
    return _convert(values, column, pa.duration(unit))


def _lists(values: list[Any], column: str) -> pa.Array:
    offsets = [0]
    for value in values:
        offsets.append(offsets[-1] + (0 if value is None else len(value)))
    try:
        items = build_array(list(chain.from_iterable(value for value in values if value is not None)), column)
    except ResultError as error:
        if error.row is not None:
            error.row = bisect_right(offsets, error.row) - 1
        raise
    mask = pa.array([value is None for value in values])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items, mask=mask)


def _structs(values: list[Any], column: str) -> pa.Array:
    names: dict[str, None] = {}
    for row, value in enumerate(values):
        for name in value or ():
            if not isinstance(name, str):
                problem = f"a nested key is a {type_name(name)}, not text"
                raise ResultError(problem, column=column, row=row, value=name)
            names.setdefault(name)
    if not names:
        # Later rows may have fields.
        return pa.array(values, pa.struct([]))
    children = [
        build_array([None if value is None else value.get(name) for value in values], f"{column}.{name}")
        for name in names
    ]
    mask = pa.array([value is None for value in values])
    return pa.StructArray.from_arrays(children, names=[str.__str__(name) for name in names], mask=mask)


_BUILDERS: dict[type, Callable[[list[Any], str], pa.Array]] = {
    bool: _of(pa.bool_()),
    int: _integers,
    float: _of(pa.float64()),
    str: _long(pa.string(), pa.large_string()),
    bytes: _long(pa.binary(), pa.large_binary()),
    Decimal: _decimals,
    dt.date: _of(pa.date32()),
    dt.datetime: _datetimes,
    dt.time: _times,
    dt.timedelta: _durations,
    list: _lists,
    dict: _structs,
}
