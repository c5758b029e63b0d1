"""What the transactions of a database hold, found out by trying, as no list would be right for each server."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from airflow_materialize.destinations.spelling import Table
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.generic.session import GenericSession

LOCKS = "_materialize_locks"
"""The table of locks: a row for each table that was loaded, which a load updates first of all."""

_PROBE = "_materialize_probe_"


class Behaviour(NamedTuple):
    """How a database behaves.

    Attributes:
        changes_roll_back: Whether a table that is made in a transaction is taken back with it.
        exact_texts: Whether texts are equal only where they are the very same.
    """

    changes_roll_back: bool
    exact_texts: bool


def observe(session: GenericSession, title: str, locks: Table, own: str) -> Behaviour:
    """Change a row and make a table, roll back, and look at what is left. What is left is removed.

    Args:
        session: At the beginning of a transaction.
        title: What the database is called.
        locks: The table of locks.
        own: The row of it that is changed.

    Raises:
        MaterializeError: Changed rows are not taken back.
    """
    name, held = session.name_of(replace(locks, name=_PROBE + uuid.uuid4().hex[:12])), session.name_of(locks)
    row = f"SELECT taken FROM {held} WHERE place = ?"
    exact = f"SELECT CASE WHEN 'a' = 'A' OR 'a' = 'a ' THEN 0 ELSE 1 END FROM {held} WHERE place = ?"
    [(exact_texts,)] = session.rows(exact, [own])
    [(before,)] = session.rows(row, [own])
    session.execute(f"UPDATE {held} SET taken = 1 - taken WHERE place = ?", [own])
    session.execute(f"CREATE TABLE {name} (held INTEGER)")
    session.execute(f"INSERT INTO {name} (held) VALUES (1)")
    session.abandon()
    made = session.described(f"SELECT held FROM {name} WHERE 1 = 0") is not None
    left = session.rows(f"SELECT held FROM {name}") if made else []
    session.abandon()
    if made:
        with suppress(MaterializeError):
            session.execute(f"DROP TABLE {name}")
            session.conclude()
    [(after,)] = session.rows(row, [own])
    session.abandon()
    # A table that is made may commit what was changed before it, so the row alone says nothing then.
    if left or (after != before and not made):
        raise MaterializeError(
            f"{title} does not take changed rows back with a transaction, so a load that fails would leave half of it",
            hint="a database with transactions of several statements, and a driver that does not commit each by itself",
        )
    return Behaviour(not made, bool(exact_texts))
