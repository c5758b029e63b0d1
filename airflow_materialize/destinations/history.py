"""How a table keeps the former versions of its rows: statements that end versions and begin others."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_materialize.definition.model.materialization import HISTORY_COLUMNS
from airflow_materialize.destinations.publishing import Publication, Statement, insert, same_key

if TYPE_CHECKING:
    from airflow_materialize.destinations.spelling import Spelling


def superseded(session: Spelling, publication: Publication, condition: str) -> Statement:
    """End the current versions that a row of the result takes the place of, when it begins.

    Args:
        session: What writes it.
        publication: What goes where.
        condition: When `source` takes the place of `target`, which has its key.
    """
    since, _, current = _columns(session)
    sql = session.update_from(
        session.name_of(publication.target),
        session.name_of(publication.staging),
        ending(session, f"source.{since}"),
        f"{same_key(session, publication)} AND target.{current} AND {condition}",
    )
    return Statement(sql, counts="updated")


def ending(session: Spelling, moment: str) -> dict[str, str]:
    """Return what the columns of a version become that ends at a moment, by quoted name."""
    since, until, current = _columns(session)
    # No version ends before it began, whatever the rows' own moments and the clocks of workers say.
    return {until: f"CASE WHEN target.{since} > {moment} THEN target.{since} ELSE {moment} END", current: "FALSE"}


def newer_version(session: Spelling) -> str:
    """Return the condition that a row of the result began later than the version in the table."""
    since, _, _ = _columns(session)
    return f"target.{since} < source.{since}"


def after_former(session: Spelling, publication: Publication, keys: str = "") -> Statement:
    """Let no version begin before the former ones of its key have ended: at each moment, one at most is valid.

    Args:
        session: What writes it.
        publication: What goes where.
        keys: The condition of the keys that it is for; all unless given.
    """
    since, until, current = _columns(session)
    listed = ", ".join(map(session.quote, publication.keys))
    former = (
        f"(SELECT {listed}, max({until}) AS {until} FROM {session.name_of(publication.target)}"
        f" WHERE NOT {current}{f' AND {keys}' if keys else ''} GROUP BY {listed})"
    )
    condition = f"{same_key(session, publication)} AND target.{since} < source.{until}"
    staging = session.name_of(publication.staging)
    return Statement(session.update_from(staging, former, {since: f"source.{until}"}, condition))


def ended(session: Spelling, publication: Publication, same: str = "") -> Statement:
    """End the current versions whose key, or a row that is the same, the result lacks.

    Args:
        session: What writes it.
        publication: What goes where.
        same: The condition that `source` is the same as `target`, where that counts.
    """
    _, _, current = _columns(session)
    condition = " AND ".join(filter(None, (same_key(session, publication), same)))
    sets = ", ".join(f"{name} = {value}" for name, value in ending(session, "?").items())
    sql = (
        f"UPDATE {session.name_of(publication.target)} AS target SET {sets} WHERE target.{current} AND NOT EXISTS"
        f" (SELECT 1 FROM {session.name_of(publication.staging)} AS source WHERE {condition})"
    )
    return Statement(sql, (publication.moment, publication.moment), "updated")


def insert_versions(session: Spelling, publication: Publication) -> Statement:
    """Insert the rows of the result that have no current version."""
    _, _, current = _columns(session)
    condition = f"{same_key(session, publication)} WHERE target.{current} IS NULL"
    return insert(
        session, publication, f" AS source LEFT JOIN {current_versions(session, publication)} AS target ON {condition}"
    )


def current_versions(session: Spelling, publication: Publication) -> str:
    """Return the keys of the current versions, and that they are, as a table to join."""
    _, _, current = _columns(session)
    listed = ", ".join([*map(session.quote, publication.keys), current])
    return session.apart(f"SELECT {listed} FROM {session.name_of(publication.target)} WHERE {current}")


def current_rows(session: Spelling, publication: Publication) -> str:
    """Return the query that counts the current versions of rows."""
    _, _, current = _columns(session)
    return f"SELECT count(*) FROM {session.name_of(publication.target)} WHERE {current}"


def _columns(session: Spelling) -> tuple[str, str, str]:
    since, until, current = map(session.quote, HISTORY_COLUMNS)
    return since, until, current
