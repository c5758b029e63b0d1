"""Python values of many classes → values of the few exact classes that a column can be made of."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow_materialize.child.errors import ResultError, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = (type(None), bool, int, float, str, bytes, Decimal, dt.date, dt.datetime, dt.time, dt.timedelta, list, dict)
"""The classes that `plain` leaves as they are."""

ACCEPTED = (
    "a cell may be None, bool, int, float, str, bytes, Decimal, date, datetime, time, timedelta, UUID, an enum, "
    "or a list, dict, dataclass or model of these"
)


def converted(values: list[Any], convert: Callable[[Any], Any], column: str) -> list[Any]:
    """Return each value of a column as a function makes it.

    Raises:
        ResultError: That of the function, with column and row.
    """
    result: list[Any] = []
    try:
        for value in values:
            result.append(convert(value))  # noqa: PERF401  # its length is the row of the value that raises
    except ResultError as error:
        error.column, error.row = column, len(result)
        raise
    return result


def plain(value: Any) -> Any:
    """Return a value of a class in `PLAIN`, or a subclass of datetime or timedelta that counts nanoseconds.

    Enums become their value, UUIDs text, models and dataclasses dicts, arrays lists, and the missing values of pandas
    and numpy None. Numpy's times become Python's where that loses nothing.

    Raises:
        ResultError: The class has no type in a table.
    """
    for _ in range(8):  # the value of an enum may itself be an enum
        if type(value) in PLAIN:
            return value
        simpler = _simpler(value)
        if simpler is value:
            return value
        value = simpler
    raise _unknown(value)


def fields_of(value: Any) -> dict[Any, Any] | None:
    """Return what is one row by its class (mapping, dataclass, pydantic model, named tuple), else None."""
    if isinstance(value, dict):
        return value
    if isinstance(value, type):
        return None
    kind = type(value)
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    row: Any = None
    if isinstance(value, Mapping):
        row = value
    elif hasattr(kind, "model_fields"):
        row = value.model_dump()
    elif hasattr(kind, "__fields__") and hasattr(kind, "dict"):  # pydantic 1
        row = value.dict()
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        row = value._asdict()
    return None if row is None else dict(row)


def has_nanoseconds(value: Any) -> bool:
    """Say whether a pandas Timestamp or Timedelta is finer than a microsecond."""
    return bool(getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0))


def _simpler(value: Any) -> Any:
    module = type(value).__module__
    if isinstance(value, Enum):
        return value.value
    if module.startswith("pandas.") and type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if module == "numpy":
        return _from_numpy(value)
    for kind, convert in _SUBCLASSES.items():
        if isinstance(value, kind):
            return convert(value)
    row = fields_of(value)
    if row is not None:
        return row
    if isinstance(value, tuple):
        return list(value)
    raise _unknown(value)


def _from_numpy(value: Any) -> Any:
    kind = getattr(getattr(value, "dtype", None), "kind", "V")
    if kind in "mM":
        return _from_numpy_time(value)
    if hasattr(value, "ndim") and value.ndim > 0:
        return value.tolist()
    if kind in "biufUSO":
        return value.item()
    raise _unknown(value)


def _from_numpy_time(value: Any) -> Any:
    if value.ndim > 0:
        return list(value)
    if value != value:  # noqa: PLR0124  # numpy's missing time is the one that differs from itself
        return None
    unit = "datetime64[us]" if value.dtype.kind == "M" else "timedelta64[us]"
    exact = value.astype(unit)
    if exact != value:
        raise ResultError("a numpy time is finer than a microsecond", value=value, hint="return pandas or pyarrow")
    result = value.item() if value.dtype.str.endswith("[D]") else exact.item()
    if isinstance(result, int):  # numpy's answer for a year that Python's classes do not have
        raise ResultError("a numpy time is outside the years 1 to 9999", value=value)
    return result


_SUBCLASSES: dict[type, Callable[[Any], Any]] = {
    UUID: str,
    # A mixin's own __str__ may say something else than the text that it is.
    str: str.__str__,
    int: int,
    float: float,
    Decimal: Decimal,
    bytes: bytes,
    bytearray: bytes,
    memoryview: bytes,
    # pandas' Timestamp and Timedelta count nanoseconds: they stay, and the column looks at them.
    dt.datetime: lambda value: value,
    dt.timedelta: lambda value: value,
    dt.date: lambda value: dt.date(value.year, value.month, value.day),
    dt.time: lambda value: value,
    list: list,
}


def _unknown(value: Any) -> ResultError:
    return ResultError(f"a value of type {type_name(value)} has no type in a table", value=value, hint=ACCEPTED)
