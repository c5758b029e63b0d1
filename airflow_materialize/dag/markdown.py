"""Texts of authors within Markdown: none of them can end the element that it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

_SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>#|!~$"} | {"&": "&amp;"})
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LEADING = re.compile(r"^(\d+)([.)])(?=\s|$)|^([-+=])")
_TICKS = re.compile(r"`+")
# Names and types of columns, owners and tags are the same all over a project.
_REMEMBERED = 4096
# Airflow keeps DAGs as JSON in its database, and PostgreSQL takes neither of these within JSON.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def printable(text: str) -> str:
    """Return a text without control characters and halves of characters."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


@lru_cache(maxsize=_REMEMBERED)
def plain(text: str) -> str:
    """Return a text as one line that shows exactly what it says."""
    if not text:  # Most cells of most tables.
        return ""
    line = " ".join(text.split()).translate(_SPECIAL)
    return _LEADING.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else f"\\{found[3]}", line)


@lru_cache(maxsize=_REMEMBERED)
def code(text: str) -> str:
    """Return a text as code within a line."""
    line = " ".join(text.split())
    if not line:
        return ""
    if "`" not in line:
        return f"`{line}`"
    fence = "`" * (_longest_ticks(line) + 1)
    return f"{fence} {line} {fence}"


def quote(text: str) -> str:
    """Return Markdown of an author as a quotation: what it leaves open ends there. HTML is shown as text."""
    return "\n".join(f"> {line}".rstrip() for line in _TAG.sub("&lt;", text.strip()).splitlines())


def fence(text: str) -> str:
    """Return a text of several lines as it is."""
    ticks = "`" * max(3, _longest_ticks(text) + 1)
    return f"{ticks}text\n{text}\n{ticks}"


def bullets(items: Iterable[str]) -> str:
    """Return a list of lines that are Markdown already."""
    return "\n".join(f"- {item}" for item in items)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already; columns in which no row has anything are left out."""
    found = list(rows)
    shown = [index for index, title in enumerate(head) if title == head[0] or any(row[index] for row in found)]
    lines = [
        [head[index] for index in shown],
        ["---"] * len(shown),
        *([row[index] for index in shown] for row in found),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(code_of: str) -> str:
    """Return a text as code within a cell of a table, where a bar has to be escaped even so."""
    return code(code_of).replace("|", "\\|")


def page(parts: Iterable[str]) -> str:
    """Join the parts of a page.

    Airflow takes a page whose last letters are `.md` for the name of a file, and reads that: hence the newline.
    """
    return printable("\n\n".join(part for part in parts if part)) + "\n"


def _longest_ticks(text: str) -> int:
    return max(map(len, _TICKS.findall(text)), default=0)
