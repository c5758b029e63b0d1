"""Sizes as people write them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?))?B?", re.IGNORECASE)
_POWERS = " KMGT"


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
