"""What can be told of a statement by reading it: the tables that it reads, and a mistake with dates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot import exp

_SHOWN = 500
_BETWEEN = re.compile(r"\bbetween\b", re.IGNORECASE)
_LONGEST = 100_000
# sqlglot logs a warning of what it cannot read, and other statements than these it cannot.
_QUERY = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:select|with|from|values)\b", re.IGNORECASE | re.DOTALL)
_BARE = re.compile(r"\d{4}-\d{2}-\d{2}")


def shown(sql: str) -> str:
    """Return a statement as one line of a log."""
    line = " ".join(sql.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]} …"


def tables_read(sql: str, dialect: str) -> list[str]:
    """Return the tables that a statement names, as it spells them; none where it cannot be read."""
    from sqlglot import exp
    from sqlglot.optimizer.scope import traverse_scope

    tree = _tree(sql, dialect)
    if tree is None:
        return []
    try:
        found = [source for scope in traverse_scope(tree) for source in scope.sources.values()]
    except (ValueError, RecursionError):
        return []
    named = (source for source in found if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier))
    return list(dict.fromkeys(".".join(part.name for part in table.parts) for table in named))


def midnight_only(sql: str, dialect: str, parameters: Sequence[Any] | Mapping[str, Any], days: set[date]) -> str:
    """Return the expression that stands between one bare date of the interval and itself; empty where none does.

    Args:
        sql: The statement.
        dialect: The database's, as sqlglot calls it.
        parameters: The values of its placeholders.
        days: The first and the last day of the interval.
    """
    if not _BETWEEN.search(sql):
        return ""
    from sqlglot import exp

    tree = _tree(sql, dialect)
    if tree is None:
        return ""
    values = _Values(tree, parameters)
    for between in tree.find_all(exp.Between):
        low, high = values.day(between.args["low"]), values.day(between.args["high"])
        if low and low == high and low in days and not _is_day(between.this):
            return str(between.this.sql(dialect=dialect))
    return ""


def _is_day(node: exp.Expr) -> bool:
    """Whether an expression gives a day without a time, whatever its column holds."""
    from sqlglot import exp

    if isinstance(node, exp.Paren):
        return _is_day(node.this)
    if isinstance(node, exp.Cast):
        return node.to.this in {exp.DataType.Type.DATE, exp.DataType.Type.DATE32}
    return isinstance(node, exp.TsOrDsToDate | exp.Date | exp.DateTrunc | exp.TimestampTrunc)


class _Values:
    """What literals and placeholders stand for."""

    def __init__(self, tree: exp.Expr, parameters: Sequence[Any] | Mapping[str, Any]) -> None:
        from sqlglot import exp

        self._parameters = parameters
        placed = [node for node in tree.find_all(exp.Placeholder, bfs=False) if not node.this]
        self._places = {id(node): place for place, node in enumerate(placed)}

    def day(self, node: exp.Expr) -> date | None:
        """Return the day that is written there without a time."""
        from sqlglot import exp

        value: Any = None
        if isinstance(node, exp.Literal) and node.is_string:
            value = node.name
        elif isinstance(node, exp.Cast) and node.to.this in exp.DataType.TEMPORAL_TYPES:
            return self.day(node.this)
        elif isinstance(node, exp.Placeholder | exp.Parameter):
            value = self._bound(node)
        if isinstance(value, str) and _BARE.fullmatch(value):
            with suppress(ValueError):
                return date.fromisoformat(value)
        return value if isinstance(value, date) and not isinstance(value, datetime) else None

    def _bound(self, node: exp.Expr) -> Any:
        if isinstance(self._parameters, Mapping):
            return self._parameters.get(node.name)
        place = self._places.get(id(node), len(self._parameters))
        return self._parameters[place] if place < len(self._parameters) else None


def _tree(sql: str, dialect: str) -> exp.Expr | None:
    import sqlglot

    if len(sql) > _LONGEST or not _QUERY.match(sql):
        return None
    try:
        return sqlglot.parse_one(sql, dialect=dialect)
    except (sqlglot.errors.SqlglotError, RecursionError):
        return None
