"""Placeholders: statements are written with `?`, and drivers of servers want `%s`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_TEXT = r"'(?:[^']|'')*'"
_ESCAPED_TEXT = r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*\""""
_REST = r"--[^\n]*|/\*.*?\*/|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|(?P<dollar>\$(?:[A-Za-z_]\w*)?\$).*?(?P=dollar)"
_PLACES = r"(?P<place>\?)|(?P<cast>::)|(?P<name>:[A-Za-z_]\w*)"

_STANDARD = re.compile(rf"[eE]{_ESCAPED_TEXT}|{_TEXT}|{_REST}|{_PLACES}", re.DOTALL)
_BACKSLASHES = re.compile(rf"{_ESCAPED_TEXT}|{_REST}|#[^\n]*|{_PLACES}", re.DOTALL)


def formatted(sql: str, *, named: bool = False, backslashes: bool = False) -> str:
    """Return a statement with `%s` for each `?`, or `%(name)s` for each `:name`, and its own `%` doubled.

    Texts, quoted names and comments stay as they are.

    Args:
        sql: The statement.
        named: Whether its placeholders have names.
        backslashes: Whether a backslash escapes within its texts, and `#` begins a comment.
    """

    def one(match: re.Match[str]) -> str:
        if match["place"] and not named:
            return "%s"
        if match["name"] and named:
            return f"%({match['name'][1:]})s"
        return _doubled(match[0])

    return _replaced(_BACKSLASHES if backslashes else _STANDARD, sql, one)


def _replaced(pattern: re.Pattern[str], sql: str, one: Callable[[re.Match[str]], str]) -> str:
    parts, end = [], 0
    for match in pattern.finditer(sql):
        parts += [_doubled(sql[end : match.start()]), one(match)]
        end = match.end()
    return "".join([*parts, _doubled(sql[end:])])


def _doubled(text: str) -> str:
    return text.replace("%", "%%")


def styled(sql: str, paramstyle: str) -> str:
    """Return a statement with the placeholders of a driver's `paramstyle` for each `?`.

    Args:
        sql: The statement.
        paramstyle: As PEP 249 calls it. A driver of the style `pyformat` takes `%s` as well.
    """
    if paramstyle == "qmark":
        return sql
    if paramstyle in {"format", "pyformat"}:
        return formatted(sql)
    count = 0

    def one(match: re.Match[str]) -> str:
        nonlocal count
        if not match["place"]:
            return match[0]
        count += 1
        return f":{count}" if paramstyle == "numeric" else f":p{count}"

    return _STANDARD.sub(one, sql)


def positional(sql: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return a statement with `?` for each `:name` that has a value, and the values in their order."""
    found: list[Any] = []

    def one(match: re.Match[str]) -> str:
        name = (match["name"] or "")[1:]
        if name not in values:
            return match[0]
        found.append(values[name])
        return "?"

    return _STANDARD.sub(one, sql), found
