"""What each strategy does to the table, in portable SQL: from the staging table, inside of one transaction."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_materialize.destinations.history import (
    after_former,
    current_rows,
    ended,
    insert_versions,
    newer_version,
    superseded,
)
from airflow_materialize.destinations.publishing import (
    Publication,
    Statement,
    changes,
    changing,
    idle,
    insert,
    matching,
    same_key,
    unchanged,
)
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session

__all__ = [
    "Publication",
    "Statement",
    "current_rows",
    "doubled_rows",
    "statements_for",
    "strategy_names",
    "unreached_rows",
]

Strategy = Callable[["Session", Publication], list[Statement]]
_STRATEGIES: dict[str, Strategy] = {}


def strategy(name: str) -> Callable[[Strategy], Strategy]:
    """Register what a strategy does under the name that a header gives it."""

    def register(function: Strategy) -> Strategy:
        _STRATEGIES[name] = function
        return function

    return register


def strategy_names() -> tuple[str, ...]:
    """Return the strategies that can be applied."""
    return tuple(sorted(_STRATEGIES))


def statements_for(name: str, session: Session, publication: Publication) -> list[Statement]:
    """Return the statements that apply a strategy: the destination's own where it has them, else the portable ones.

    A session has its own in a method of the same name as the function here, which returns None where they do not fit.

    Raises:
        MaterializeError: There is no such strategy.
    """
    if name not in _STRATEGIES:
        raise MaterializeError(f"{name!r} is no strategy", hint=f"one of: {', '.join(strategy_names())}")
    portable = _STRATEGIES[name]
    own = getattr(session, portable.__name__, None)
    return (own and own(publication)) or portable(session, publication)


@strategy("create+replace")
def create_replace(session: Session, publication: Publication) -> list[Statement]:
    """Empty the table, which keeps its grants, views and indexes, and insert the result."""
    delete = f"DELETE FROM {session.name_of(publication.target)}"
    return [Statement(delete, counts="deleted"), insert(session, publication)]


@strategy("append")
def append(session: Session, publication: Publication) -> list[Statement]:
    """Insert the result, after removing what an earlier attempt of the same load inserted, where rows say so."""
    statements = [insert(session, publication)]
    if publication.load_key_column:
        column = session.quote(publication.load_key_column)
        delete = f"DELETE FROM {session.name_of(publication.target)} WHERE {column} = ?"
        statements.insert(0, Statement(delete, (publication.load_key,), "deleted"))
    return statements


@strategy("delete+insert")
def delete_insert(session: Session, publication: Publication) -> list[Statement]:
    """Remove the rows of the result's incremental keys, NULL included, or of the interval; insert the result."""
    target, staging = session.name_of(publication.target), session.name_of(publication.staging)
    key = session.quote(publication.incremental_key)
    if publication.bounds:
        deletes = [Statement(f"DELETE FROM {target} WHERE {key} >= ? AND {key} < ?", publication.bounds, "deleted")]
    else:
        # In two statements: one condition for both would keep databases from joining by hash.
        values = f"SELECT {key} FROM {staging} WHERE {key} IS NOT NULL"
        null = f"{key} IS NULL AND EXISTS (SELECT 1 FROM {staging} AS s WHERE s.{key} IS NULL)"
        deletes = [
            Statement(f"DELETE FROM {target} WHERE {key} IN ({values})", counts="deleted"),
            Statement(f"DELETE FROM {target} WHERE {null}", counts="deleted"),
        ]
    return [*deletes, insert(session, publication)]


@strategy("merge")
def merge(session: Session, publication: Publication) -> list[Statement]:
    """Change the rows whose key the result has, and insert the others."""
    target, staging = session.name_of(publication.target), session.name_of(publication.staging)
    matches = matching(session, publication)
    if publication.replaces_rows and session.replaces_rows:
        # Removing the rows that are the same costs what it saves where all have changed, and saves the rest (measured).
        unneeded = f"{matches}{idle(session, publication)}"
        known = f"DELETE FROM {staging} AS source WHERE EXISTS (SELECT 1 FROM {target} AS target WHERE {unneeded})"
        delete = f"DELETE FROM {target} AS target WHERE EXISTS (SELECT 1 FROM {staging} AS source WHERE {matches})"
        return [Statement(known), Statement(delete, counts="replaced"), insert(session, publication)]
    statements = []
    if publication.updates:
        condition = f"{matches}{changing(session, publication)}"
        update = session.update_from(target, staging, changes(session, publication), condition)
        statements.append(Statement(update, counts="updated"))
    # An outer join, for which SQLite builds an index where the table has none. NOT EXISTS scans the table for each row:
    # with 20,000 rows on both sides it took 11 s, the join 0.01 s, and the former grows with the square.
    mark = publication.keys[0]
    if publication.null_keys:
        # A key of a matched row may be NULL, so it cannot tell matched from unmatched.
        mark = _MARK
        target = f"(SELECT *, 1 AS {session.quote(mark)} FROM {target})"
    unmatched = f" AS source LEFT JOIN {target} AS target ON {matches} WHERE target.{session.quote(mark)} IS NULL"
    return [*statements, insert(session, publication, unmatched)]


@strategy("truncate+insert")
def truncate_insert(session: Session, publication: Publication) -> list[Statement]:
    """Empty the table and insert the result; what differs from create+replace is how the columns change."""
    return create_replace(session, publication)


@strategy("scd2_by_column")
def scd2_by_column(session: Session, publication: Publication) -> list[Statement]:
    """End the current versions that the result lacks or has otherwise, and insert those that are not current."""
    same = unchanged(session, publication)
    if not publication.incremental_key:
        return [ended(session, publication, same), insert_versions(session, publication)]
    changed = [superseded(session, publication, f"NOT ({same})")] if same else []
    return [
        *changed,
        ended(session, publication),
        after_former(session, publication),
        insert_versions(session, publication),
    ]


@strategy("scd2_by_time")
def scd2_by_time(session: Session, publication: Publication) -> list[Statement]:
    """End the current versions that the result lacks or has a newer one of, and insert those that are not current."""
    return [
        superseded(session, publication, newer_version(session)),
        ended(session, publication),
        after_former(session, publication),
        insert_versions(session, publication),
    ]


def doubled_rows(session: Session, publication: Publication) -> str:
    """Return the query of the keys, as texts, that the result has and the table in several rows, with their number."""
    target, staging = session.name_of(publication.target), session.name_of(publication.staging)
    keys = ", ".join(f"target.{session.quote(key)}" for key in publication.keys)
    texts = ", ".join(session.as_text(f"target.{session.quote(key)}") for key in publication.keys)
    joined = f"{target} AS target JOIN {staging} AS source ON {same_key(session, publication)}"
    return f"SELECT {texts}, count(*) FROM {joined} GROUP BY {keys} HAVING count(*) > 1 ORDER BY {keys}"


def unreached_rows(session: Session, publication: Publication) -> str:
    """Return the query of the keys, as texts, that both have in rows for which the predicate does not hold."""
    target, staging = session.name_of(publication.target), session.name_of(publication.staging)
    keys = ", ".join(session.as_text(f"target.{session.quote(key)}") for key in publication.keys)
    joined = f"{target} AS target JOIN {staging} AS source ON {same_key(session, publication)}"
    return f"SELECT DISTINCT {keys} FROM {joined} WHERE CASE WHEN {publication.predicate} THEN 0 ELSE 1 END = 1"


_MARK = "_materialize_matched"
