"""Regular expressions of authors, which must not hold up a parse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_ESCAPED = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]", re.DOTALL)
_REPEATS = re.compile(r"[*+]|\{\d*,\d*\}")
_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{\d*,\d*\})")
_QUICK = 2


def is_slow(pattern: str) -> bool:
    """Whether a search for the pattern may take forever: it repeats a group, or many things one after another.

    Python's `re` tries every way to divide a text among repeats that may take any part of it.
    """
    bare = _ESCAPED.sub("x", pattern)
    return bool(_REPEATED_GROUP.search(bare)) or len(_REPEATS.findall(bare)) > _QUICK


def without_slow_patterns(schema: Any) -> Any:
    """Return a JSON Schema without the conditions that may take forever. A run judges its values by all of them."""
    if isinstance(schema, Mapping):
        return {
            key: {name: item for name, item in rule.items() if not is_slow(name)}
            if key == "patternProperties" and isinstance(rule, Mapping)
            else without_slow_patterns(rule)
            for key, rule in schema.items()
            if not (key == "pattern" and isinstance(rule, str) and is_slow(rule))
        }
    return [without_slow_patterns(item) for item in schema] if isinstance(schema, list | tuple) else schema
