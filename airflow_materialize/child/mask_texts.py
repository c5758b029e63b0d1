"""The masks that leave a part of a text, and the text of each value that has one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyarrow import types

_WHOLE_FLOAT = 2.0**63
_LOCAL_DIGITS = 7
_SHORTEST_PHONE = 10
_SHORTEST_CARD = 12
_SSN_DIGITS = 9
_SHOWN_DIGITS = 4
_SHOWN_ENDS = 2


def texts_of(array: pa.Array) -> list[Any]:
    """Return each value's text, None for NULL: the same for one value whatever type or unit its column has."""
    kind = array.type
    if types.is_boolean(kind):
        return [None if value is None else str(value).lower() for value in array.to_pylist()]
    if types.is_floating(kind) or types.is_decimal(kind):
        return [None if value is None else _number_text(value) for value in array.to_pylist()]
    if types.is_timestamp(kind):
        # Without its zone a timestamp is the one of UTC.
        zone = "Z" if kind.tz else ""
        texts = array.cast(pa.timestamp(kind.unit)).cast(pa.string()).to_pylist()
        return [None if text is None else _without_zeros(text) + zone for text in texts]
    if types.is_time(kind):
        return [None if text is None else _without_zeros(text) for text in array.cast(pa.string()).to_pylist()]
    return list((array if types.is_large_string(kind) else array.cast(pa.string())).to_pylist())


def _number_text(value: Any) -> str:
    if isinstance(value, Decimal):
        text = format(value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    return str(int(value)) if value.is_integer() and abs(value) < _WHOLE_FLOAT else repr(value)


def _without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def hide_middle(text: str, shown: int) -> str:
    """Show the first and last `shown` characters; a text that would be shown whole is hidden whole."""
    if len(text) <= 2 * shown:
        return "*" * len(text)
    return text[:shown] + "*" * (len(text) - 2 * shown) + text[-shown:]


def hide_tail(text: str) -> str:
    """Show the first character."""
    return text[:1] + "*" * (len(text) - 1)


def hide_email(text: str) -> str:
    """Show the domain, and of what stands before it both ends; of what is no address, two characters of each end."""
    local, at, domain = text.partition("@")
    return hide_middle(local, 1) + at + domain if at else hide_middle(text, _SHOWN_ENDS)


def hide_phone(text: str) -> str:
    """Show the digits of country and area: all but the last seven."""
    digits = _count_digits(text)
    return _hide_digits(text, first=digits - _LOCAL_DIGITS if digits >= _SHORTEST_PHONE else 0)


def hide_card(text: str) -> str:
    """Show the last four digits."""
    return _hide_digits(text, last=_SHOWN_DIGITS if _count_digits(text) >= _SHORTEST_CARD else 0)


def hide_ssn(text: str) -> str:
    """Show the last four digits of nine."""
    return _hide_digits(text, last=_SHOWN_DIGITS if _count_digits(text) == _SSN_DIGITS else 0)


def _count_digits(text: str) -> int:
    return sum(character.isdigit() for character in text)


def _hide_digits(text: str, *, first: int = 0, last: int = 0) -> str:
    """Star out letters, and all digits but the first or last ones; signs and spaces between them stay."""
    total, seen, result = _count_digits(text), 0, []
    for character in text:
        seen += character.isdigit()
        shown = character.isdigit() and (seen <= first or seen > total - last)
        result.append(character if shown or not character.isalnum() else "*")
    return "".join(result)
