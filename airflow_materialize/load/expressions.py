"""Expressions of a header's author about a row of the table, `target`, and the row of the result, `source`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.destinations.statement import one_statement
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session

_REFUSED = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Alias, exp.Star, exp.Placeholder, exp.Parameter)


def row_expression(session: Session, text: str, place: str, *, target: Iterable[str], source: Iterable[str]) -> str:
    """Return an expression with the columns spelled as the table and the result spell them.

    Args:
        session: An open session.
        text: One expression; columns are `target.…` or `source.…`.
        place: Where it stands, for errors.
        target: The table's columns.
        source: The result's columns.

    Raises:
        MaterializeError: It is no expression, or names a column that there is not.
    """
    tree = _parsed(session, text, place)
    sides = {"target": (tuple(target), "the table"), "source": (tuple(source), "the result")}
    for column in list(tree.find_all(exp.Column)):
        side, *path = column.parts
        known = sides.get(side.name.lower())
        if path and known:
            name = _spelled(session, path[0].name, *known, place)
            quoted = exp.column(exp.to_identifier(name, quoted=True), table=side.name.lower())
            new: exp.Expr = quoted if len(path) == 1 else exp.Dot.build([quoted, *(part.copy() for part in path[1:])])
            if column is tree:
                tree = new
            else:
                column.replace(new)
        elif not column.find_ancestor(exp.Select, exp.Lambda):
            raise MaterializeError(
                f"{place}: {column.sql(session.dialect)} may be the table's or the result's",
                hint=f"target.{column.name} or source.{column.name}",
            )
    return tree.sql(session.dialect, comments=False)


def _parsed(session: Session, text: str, place: str) -> exp.Expr:
    hint = "one expression, as `greatest(target.score, source.score)`"
    statement = one_statement(text, session.dialect, place, hint=hint)
    try:
        tree = sqlglot.parse_one(statement.text, dialect=session.dialect)
    except sqlglot.ParseError as error:
        what = (error.errors[0] if error.errors else {}).get("description") or str(error)
        raise MaterializeError(f"{place} is no expression of {session.dialect}: {what}", hint=hint) from None
    if isinstance(tree, exp.Query) and not isinstance(tree, exp.Subquery):
        raise MaterializeError(f"{place} is a statement", hint=hint)
    if refused := next((node for node in tree.find_all(*_REFUSED) if not _counts(node)), None):
        raise MaterializeError(f"{place} has {refused.sql(session.dialect)!r}, which is no part of one", hint=hint)
    return tree


def _counts(node: exp.Expr) -> bool:
    """Whether a node is fine within a query: names of its columns, and all of them."""
    return isinstance(node, exp.Alias | exp.Star) and node.find_ancestor(exp.Select) is not None


def _spelled(session: Session, name: str, columns: tuple[str, ...], owner: str, place: str) -> str:
    alike = [column for column in columns if session.fold(column) == session.fold(name)]
    if not alike:
        near = suggest(name, columns)
        raise MaterializeError(f"{place}: {owner} has no column {name!r}", hint=near or f"it has: {', '.join(columns)}")
    return name if name in alike else alike[0]
