"""The conditions of a relation: a column compared with bound values, or SQL that was read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from sqlglot import exp

Bind = Callable[[Any], "exp.Expr"]
"""Gives the placeholder of a value."""

_OPPOSITE = {"!=": "=", "<>": "=", "not in": "in", "not like": "like", "is not": "="}
_SAME = {"==": "=", "is": "="}
_OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "in", "not in", "like", "not like", "between")
_ENDS = 2


def comparison(column: exp.Expr, operator: str, value: Any, bind: Bind) -> exp.Expr:
    """Return a column compared with a value. NULL is a value: `= None` and `in` a list with None find it.

    Raises:
        MaterializeError: There is no such operator, or it takes another value.
    """
    from sqlglot import exp

    word = " ".join(str(operator).lower().split())
    if word in _OPPOSITE:
        if word == "not like" or value is None or isinstance(value, list):
            return exp.Not(this=exp.paren(comparison(column, _OPPOSITE[word], value, bind)))
        return exp.NEQ(this=column, expression=bind(value))
    word = _SAME.get(word, word)
    if word not in _OPERATORS:
        raise MaterializeError(f"where() has no operator {operator!r}", hint=suggest(word, _OPERATORS))
    if word == "in" or (word == "=" and isinstance(value, list)):
        return _one_of(column, value if isinstance(value, list) else [value], bind)
    if word == "between":
        if not isinstance(value, list) or len(value) != _ENDS:
            raise MaterializeError(
                "where(): between takes two values", hint='as where("day", "between", [first, last])'
            )
        return exp.Between(this=column, low=bind(value[0]), high=bind(value[1]))
    if value is None:
        if word != "=":
            raise MaterializeError(f"where(): nothing is {word} None", hint="= None and != None are about NULL")
        return exp.Is(this=column, expression=exp.Null())
    kinds = {"=": exp.EQ, "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE, "like": exp.Like}
    return kinds[word](this=column, expression=bind(value))


def _one_of(column: exp.Expr, values: list[Any], bind: Bind) -> exp.Expr:
    from sqlglot import exp

    present = [value for value in values if value is not None]
    found: exp.Expr = exp.false()
    if present:
        found = exp.In(this=column, expressions=[bind(value) for value in present])
    if len(present) == len(values):
        return found
    return exp.paren(exp.or_(found, exp.Is(this=column.copy(), expression=exp.Null())))


def read_condition(
    text: str, values: Sequence[Any], dialect: str, resolve: Callable[[str], exp.Expr], bind: Bind
) -> exp.Expr:
    """Read a condition of SQL: its columns are looked up, and each `?` is bound to a value.

    Raises:
        MaterializeError: It is no condition, or has another number of values.
    """
    import sqlglot
    from sqlglot import exp

    title = f"where({text!r:.80})"
    try:
        tree = sqlglot.condition(text, dialect=dialect, copy=False)
    except (sqlglot.errors.SqlglotError, RecursionError):
        raise MaterializeError(f"{title} is no condition of SQL", hint="as where('amount > ?', 10)") from None
    if tree.find(exp.Query, exp.Command, exp.DDL, exp.DML):
        raise MaterializeError(f"{title} has a statement in it", hint="use query() for it")
    placeholders = list(tree.find_all(exp.Placeholder, bfs=False))
    if len(placeholders) != len(values):
        raise MaterializeError(f"{title} has {len(placeholders)} `?` and {len(values)} values")
    bound = {id(node): bind(value) for node, value in zip(placeholders, values, strict=True)}

    def replaced(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column):
            if node.table:
                raise MaterializeError(f"{title}: write the column's name alone, as {node.name!r}")
            return resolve(node.name)
        return bound.get(id(node), node)

    return exp.paren(_walked(tree, replaced))


def _walked(tree: exp.Expr, replaced: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Replace nodes where they stand; what replaces one is not looked into."""
    found = list(tree.walk(prune=_is_replaced))
    for node in found:
        if _is_replaced(node):
            new = replaced(node)
            if node is tree:
                return new
            node.replace(new)
    return tree


def _is_replaced(node: exp.Expr) -> bool:
    """Whether a node is a column or a placeholder."""
    from sqlglot import exp

    return isinstance(node, exp.Column | exp.Placeholder)
