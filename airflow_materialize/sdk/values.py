"""Values that are bound to a statement, as JSON and back: both ends of the pipe."""

from __future__ import annotations

import base64
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN = (bool, int, float, str, type(None))

# A datetime is a date, too: the order counts.
_WRITERS: list[tuple[type, str, Callable[[Any], Any]]] = [
    (datetime, "datetime", datetime.isoformat),
    (date, "date", date.isoformat),
    (time, "time", time.isoformat),
    (timedelta, "microseconds", lambda value: value // timedelta(microseconds=1)),
    (Decimal, "decimal", str),
    (UUID, "uuid", str),
    (bytes, "bytes", lambda value: base64.b64encode(value).decode("ascii")),
]
_READERS: dict[str, Callable[[Any], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "microseconds": lambda number: timedelta(microseconds=number),
    "decimal": Decimal,
    "uuid": UUID,
    "bytes": lambda text: base64.b64decode(text, validate=True),
}


def encode(value: Any) -> Any:
    """Return a value as plain data for JSON.

    Raises:
        TypeError: No database takes a value of this type.
    """
    for kind, name, write in _WRITERS:
        if isinstance(value, kind):
            return {name: write(value)}
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return [encode(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        # A number of numpy.
        return encode(value.item())
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    raise TypeError(
        f"a value of type {type(value).__name__} cannot be bound: numbers, texts, dates, times, Decimal, UUID, bytes"
    )


def decode(data: Any) -> Any:
    """Return the value that `encode` made `data` of.

    Raises:
        ValueError: It made no such data.
    """
    if isinstance(data, list):
        return [decode(item) for item in data]
    if isinstance(data, dict):
        if len(data) != 1 or (name := next(iter(data))) not in _READERS:
            raise ValueError("this is no value")
        try:
            return _READERS[name](data[name])
        except (TypeError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"this is no {name}") from error
    return data
