"""Sizes as people write them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?))?B?", re.IGNORECASE)
_POWERS = " KMGT"


def shown_size(size: int) -> str:
    """Return a number of bytes in the unit that fits it."""
    power = min((len(str(size)) - 1) // 3, len(_POWERS) - 1)
    return f"{size / 1000**power:,.1f} {_POWERS[power]}B" if power else f"{size} bytes"


def parse_size(text: str) -> int:
    """Read a size as people write it: `2GB` is two billion bytes, `2GiB` is two times 2³⁰.

    Raises:
        ValueError: The text is no such size.
    """
    parts = _SIZE.fullmatch(text.strip())
    if not parts:
        raise ValueError(f"{text!r} is no size")
    number, unit, binary = parts.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS.index((unit or " ").upper()))
