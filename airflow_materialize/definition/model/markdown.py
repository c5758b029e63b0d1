"""Texts of authors within Markdown: none of them can end the element that it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
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


def listed(title: str, items: Iterable[str]) -> list[str]:
    """Return a list of lines that are Markdown already under a title; nothing where there are none."""
    found = list(items)
    return [f"**{title}**", bullets(found)] if found else []


def facts(named: Iterable[tuple[str, str]]) -> str:
    """Return names and what they are, both Markdown already, as a list; those of which nothing is said are left out."""
    return bullets(f"{name}: {text}" for name, text in named if text)


def labels(texts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return names and texts of an author as Markdown, sorted."""
    return [(plain(name), plain(text)) for name, text in sorted(texts.items())]


def words(texts: Iterable[str]) -> str:
    """Return texts of an author as an enumeration."""
    return ", ".join(map(plain, texts))


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
