"""What user code says of its run as plain data for JSON, held to one size at both ends of the pipe."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, Callable
from uuid import UUID

MAX_METADATA_BYTES = 16_384
"""As JSON, metadata are no larger: they travel with the run and are kept with it."""

_DEEPEST = 20
# NUL, and halves of a character.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def plain(metadata: Any) -> dict[str, Any]:
    """Return metadata as plain data for JSON.

    Raises:
        TypeError: Something in it has no place in JSON.
        ValueError: It is too large.
    """
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata is a dict of names and values, not of type {type(metadata).__name__}")
    data: dict[str, Any] = _plain(metadata, "metadata", 0)
    size = len(json.dumps(data))
    if size > MAX_METADATA_BYTES:
        raise ValueError(
            f"metadata has {size:,} bytes as JSON, and {MAX_METADATA_BYTES:,} at most: large data belong into a table"
        )
    return data


def _plain(value: Any, where: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"metadata is nested more than {_DEEPEST} levels deep")
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        # A number of numpy.
        value = value.item()
    if isinstance(value, Mapping):
        return {_name(name, where): _plain(item, f"{where}[{name!r}]", depth + 1) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{place}]", depth + 1) for place, item in enumerate(value)]
    for kinds, write in _WRITERS:
        if isinstance(value, kinds):
            return write(value, where)
    raise TypeError(f"{where} is of type {type(value).__name__}: metadata has numbers, texts, dates, lists and dicts")


def _name(name: Any, where: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{where} has the key {name!r}: names are texts")
    return _text(name, f"a name in {where}")


def _text(text: str, where: str) -> str:
    if _UNSTORABLE.search(text):
        raise ValueError(f"{where} has a character that no database keeps: {text[:60]!r}")
    return str(text)


def _number(number: float, where: str) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{where} is {number}, which JSON does not have: say None")
    return number


def _moment(value: Any, where: str) -> str:
    if value != value:  # noqa: PLR0124  # pandas' NaT is a datetime that equals nothing
        raise ValueError(f"{where} is {value}, which JSON does not have: say None")
    return str(value.isoformat())


_WRITERS: list[tuple[Any, Callable[[Any, str], Any]]] = [
    ((bool, int, type(None)), lambda value, _where: value),
    (float, _number),
    (str, _text),
    ((date, time), _moment),
    (timedelta, lambda value, where: _number(value.total_seconds(), where)),
    ((Decimal, UUID), lambda value, _where: str(value)),
]
