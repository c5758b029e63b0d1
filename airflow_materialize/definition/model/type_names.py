"""How the names of types are written in headers."""

from __future__ import annotations

import re

_SIZE = re.compile(r"\([^)]*\)")
_LIST = re.compile(r"(?:array|list)\s*<(.+)>|(.+?)\s*\[\d*\]", re.IGNORECASE | re.DOTALL)

_JSONS = frozenset(
    ("json", "jsonb", "variant", "object", "array", "struct", "map", "record", "super", "hstore", "geometry")
) | {"geography"}


def base_name(written: str) -> str:
    """Return the name of a type without its sizes: `decimal` for `DECIMAL(10, 2)`."""
    return " ".join(_SIZE.sub(" ", written.lower()).split())


def item_type(written: str) -> str:
    """Return what a list is of, as `text` for `text[]` and `array<text>`; empty where the type is no list."""
    match = _LIST.fullmatch(written.strip())
    return (match[1] or match[2]).strip() if match else ""


def is_json_name(written: str) -> bool:
    """Whether the type is JSON, or one that is kept as such."""
    return base_name(written) in _JSONS
