"""What a merge and a delete+insert are on MySQL and MariaDB, which name a temporary table once in a statement."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from airflow_materialize.destinations.publishing import (
    Publication,
    Statement,
    changes,
    insert,
    matching,
    newer,
    same_key,
    unchanged,
)
from airflow_materialize.destinations.spelling import Table

if TYPE_CHECKING:
    from airflow_materialize.destinations.mysql.session import MySQLSession

_COMPUTED = "_materialize_computed"
_LAST = "_materialize_last"


def mark_of(columns: Iterable[str]) -> str:
    """Return the name of the column that marks staged rows whose key the table has."""
    name, taken = "_materialize_matched", {column.lower() for column in columns}
    while name in taken:
        name += "_"
    return name


def merge(session: MySQLSession, publication: Publication) -> list[Statement]:
    """Return the statements of a merge.

    With a unique index on the keys, and no other one that could be hit instead, it is one statement. Else the staged
    rows whose key the table has are marked first: by the index of the staging table, so that a table without an index
    is read once. Both write only what is not the same.
    """
    if _upserts(session, publication):
        return [_upsert(session, publication)]
    target, staging = session.name_of(publication.target), session.name_of(publication.staging)
    mark, matches = session.quote(mark_of(publication.columns)), matching(session, publication)
    marking = f"UPDATE {target} AS target JOIN {staging} AS source ON {matches} SET source.{mark} = 1"
    update = _update(session, publication, matches) if publication.updates else []
    return [Statement(marking), *update, insert(session, publication, f" AS source WHERE source.{mark} = 0")]


def delete_insert(session: MySQLSession, publication: Publication) -> list[Statement] | None:
    """Return the statements that replace the rows of the result's incremental keys; None where they go by interval."""
    if publication.bounds:
        return None
    target, staging = session.name_of(publication.target), session.name_of(publication.staging)
    key = session.quote(publication.incremental_key)
    values = f"(SELECT DISTINCT {key} FROM {staging} WHERE {key} IS NOT NULL) AS source"
    null = f"EXISTS (SELECT 1 FROM {staging} AS source WHERE source.{key} <=> NULL)"
    return [
        Statement(f"DELETE target FROM {target} AS target JOIN {values} ON target.{key} = source.{key}", (), "deleted"),
        Statement(f"DELETE FROM {target} WHERE {key} <=> NULL AND {null}", (), "deleted"),
        insert(session, publication),
    ]


def keep_last(session: MySQLSession, staging: Table, keys: Sequence[str], position: str) -> int:
    """Remove the staged rows that have a later one of the same key, and return how many they were."""
    last = session.create_temporary(Table(_LAST, staging.schema), {position: "BIGINT PRIMARY KEY"})
    name, place, listed = session.name_of(last), session.quote(position), ", ".join(map(session.quote, keys))
    session.execute(f"INSERT INTO {name} SELECT max({place}) FROM {session.name_of(staging)} GROUP BY {listed}")
    removed = session.execute(
        f"DELETE source FROM {session.name_of(staging)} AS source"
        f" LEFT JOIN {name} AS kept ON kept.{place} = source.{place} WHERE kept.{place} IS NULL"
    )
    session.drop_table(last)
    return removed


def _upserts(session: MySQLSession, publication: Publication) -> bool:
    """Whether a unique index finds exactly the rows that the merge is about, and the driver can count them."""
    further = (publication.null_keys, publication.predicate, publication.incremental_key, publication.expressions)
    if any(further) or publication.load_key_column:
        return False
    unique = [name for name, (is_unique, _) in session.indexes(publication.target).items() if is_unique]
    return len(unique) == 1 and session.has_unique_index(publication.target, publication.keys)


def _upsert(session: MySQLSession, publication: Publication) -> Statement:
    names = [*map(session.quote, publication.updates)] or [session.quote(publication.keys[0])]
    listed = ", ".join(f"{name} = VALUES({name})" for name in names)
    sql = f"{insert(session, publication).sql} ON DUPLICATE KEY UPDATE {listed}"
    return Statement(sql, counts="upserted twice")


def _update(session: MySQLSession, publication: Publication, matches: str) -> list[Statement]:
    """Return the statements that change the matched rows.

    Expressions are computed before any row changes: MySQL would show them the columns that were set before.
    """
    target, staging = session.name_of(publication.target), session.name_of(publication.staging)
    condition, values = f"{matches}{newer(session, publication)}", changes(session, publication)
    if publication.load_key_column and (same := unchanged(session, publication)):
        # Else a row would change because another load has it too.
        condition += f" AND NOT ({same})"
    if not publication.expressions:
        return [Statement(session.update_from(target, staging, values, condition), counts="updated")]
    computed = session.name_of(Table(_COMPUTED, publication.staging.schema))
    keys = [f"target.{session.quote(key)}" for key in publication.keys]
    listed = ", ".join([*keys, *(f"({value}) AS {name}" for name, value in values.items())])
    kinds = session.columns(publication.target) or {}
    indexed = ", ".join(session.index_part(key, kinds[key]) for key in publication.keys)
    select = f"SELECT {listed} FROM {target} AS target JOIN {staging} AS source ON {condition}"
    taken = {name: f"source.{name}" for name in values}
    return [
        Statement(f"DROP TEMPORARY TABLE IF EXISTS {computed}"),
        Statement(f"CREATE TEMPORARY TABLE {computed} (INDEX ({indexed})) ENGINE = InnoDB AS {select}"),
        Statement(session.update_from(target, computed, taken, same_key(session, publication)), counts="updated"),
        Statement(f"DROP TEMPORARY TABLE {computed}"),
    ]
