"""What a column's `default` may say: a literal, today or now. Read without a parser of SQL: headers are read often."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal, NamedTuple

_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?", re.ASCII)
_QUOTED = re.compile(r"'((?:[^'\0]|'')*)'")
_WORDS: dict[str, tuple[Literal["truth", "null", "today", "now"], bool | None]] = {
    "true": ("truth", True),
    "false": ("truth", False),
    "null": ("null", None),
    "current_date": ("today", None),
    "current_date()": ("today", None),
    "current_timestamp": ("now", None),
    "current_timestamp()": ("now", None),
    "now()": ("now", None),
}

HINT = "it is a number, true, false, null, CURRENT_DATE or CURRENT_TIMESTAMP"


class Default(NamedTuple):
    """A default that was read.

    Attributes:
        kind: What it is.
        value: The value of a number, a truth or a text.
    """

    kind: Literal["number", "truth", "null", "text", "today", "now"]
    value: Decimal | bool | str | None = None


def read_default(text: str) -> Default | None:
    """Return what a default says, or None where it says nothing that is understood."""
    text = text.strip()
    if text.lower() in _WORDS:
        return Default(*_WORDS[text.lower()])
    if _NUMBER.fullmatch(text):
        return Default("number", Decimal(text))
    if quoted := _QUOTED.fullmatch(text):
        return Default("text", quoted[1].replace("''", "'"))
    return None


def default_problem(text: str) -> str:
    """Return what would be right in place of a default that is none; empty where it is one."""
    if not text.strip() or read_default(text):
        return ""
    if "(" in text or not re.search(r"\w", text):
        return HINT
    quoted = text.strip().strip("'").replace("'", "''")
    return f"a text is quoted twice: `default: \"'{quoted}'\"`; without quotes {HINT}"
