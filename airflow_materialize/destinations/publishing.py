"""What a strategy works on and what it comes to: shared code and destinations write the statements alike."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from airflow_materialize.destinations.spelling import Spelling, Table

if TYPE_CHECKING:
    import pyarrow as pa


_WIDEST = 100


@dataclass(frozen=True)
class Statement:
    """One statement of a strategy.

    Attributes:
        sql: With `?` for each parameter.
        parameters: Values to bind.
        counts: What the rows that it touches are to the report: `replaced` ones are deleted to be inserted again. A
            statement that counts as `merged` is a query of one row: how many it updated, and how many it inserted;
            `merged past triggers`, which may have swallowed some.
            One that counts as `upserted` does both, and touches each new row and those that it changes; the latter
            twice where it counts as `upserted twice`.
    """

    sql: str
    parameters: tuple[Any, ...] = ()
    counts: Literal[
        "", "deleted", "updated", "replaced", "inserted", "merged", "merged past triggers", "upserted", "upserted twice"
    ] = ""


@dataclass(frozen=True)
class Publication:
    """A result in its staging table, on its way into the table.

    Attributes:
        target, staging: The two tables.
        columns: The columns that both have.
        filled: Columns of the table alone, with the expression that new rows get there.
        keys: The primary key, for a merge.
        null_keys: Those of its columns in which NULL matches NULL.
        predicate: A further condition on `target` and `source` for a match; empty where there is none.
        updates: The columns that a merge changes in matched rows.
        expressions: What it sets some of them to, of `target` and `source`; the others take the result's value.
        replaces_rows: Whether a merge may replace matched rows whole, as it changes all that is not key.
        incremental_key: The column by which rows belong together in time; empty where there is none.
        bounds: The half-open interval as values of that column, where it says which rows are replaced.
        load_key_column: The column that names the load of each row; empty where there is none.
        load_key: This load's key.
        compared: The columns in which a row of the result may differ from the table's, with their types.
        collated: Those of them in which other texts may count as equal.
        moment: Since when a row that the result lacks is no longer current.
    """

    target: Table
    staging: Table
    columns: tuple[str, ...]
    filled: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    null_keys: frozenset[str] = frozenset()
    predicate: str = ""
    updates: tuple[str, ...] = ()
    expressions: Mapping[str, str] = field(default_factory=dict)
    replaces_rows: bool = False
    incremental_key: str = ""
    bounds: tuple[Any, Any] | None = None
    load_key_column: str = ""
    load_key: str = ""
    compared: Mapping[str, pa.DataType] = field(default_factory=dict)
    collated: frozenset[str] = frozenset()
    moment: Any = None


def newer(session: Spelling, publication: Publication, source: str = "source") -> str:
    """Return the condition, with AND before it, that the row of the result is not older; empty where none is.

    Args:
        session: What writes it.
        publication: What goes where.
        source: What the row of the result is called.
    """
    if not publication.incremental_key:
        return ""
    key = session.quote(publication.incremental_key)
    return f" AND (target.{key} IS NULL OR {source}.{key} >= target.{key})"


def unchanged(session: Spelling, publication: Publication, source: str = "source") -> str:
    """Return the condition that a row of the table has the result's values; empty where all of these are keys."""
    conditions = []
    for name, kind in publication.compared.items():
        left, right = (f"{side}.{session.quote(name)}" for side in ("target", source))
        right = f"({publication.expressions[name]})" if name in publication.expressions else right
        conditions.append(session.unchanged(left, right, kind, collated=name in publication.collated))
    return _all_of(conditions)


def _all_of(conditions: Sequence[str]) -> str:
    """Return the condition that all of them hold; in groups, as parsers have a limit to how deep it may be."""
    if len(conditions) <= _WIDEST:
        return " AND ".join(conditions)
    groups = [conditions[start : start + _WIDEST] for start in range(0, len(conditions), _WIDEST)]
    return " AND ".join(f"({' AND '.join(group)})" for group in groups)


def idle(session: Spelling, publication: Publication) -> str:
    """Return the condition, with AND before it, that a matching row of the result changes nothing."""
    same = unchanged(session, publication)
    not_older = newer(session, publication).removeprefix(" AND ")
    # Where a value is NULL the comparison is neither true nor false.
    reasons = [same, f"CASE WHEN {not_older} THEN 0 ELSE 1 END = 1" if not_older else ""]
    listed = " OR ".join(f"({reason})" for reason in reasons if reason)
    return f" AND ({listed})" if listed else ""


def changing(session: Spelling, publication: Publication) -> str:
    """Return the condition, with AND before it, that a matching row changes something; empty where each does."""
    same = unchanged(session, publication)
    return newer(session, publication) + (f" AND NOT ({same})" if same else "")


def changes(session: Spelling, publication: Publication) -> dict[str, str]:
    """Return the quoted columns that a merge changes in matched rows, with what they are set to."""
    return dict(_change(session, publication, name) for name in publication.updates)


def _change(session: Spelling, publication: Publication, name: str) -> tuple[str, str]:
    return session.quote(name), publication.expressions.get(name, f"source.{session.quote(name)}")


def insert(session: Spelling, publication: Publication, condition: str = "") -> Statement:
    """Return the statement that inserts rows of the staging table.

    Args:
        session: What writes it.
        publication: What goes where.
        condition: What follows the staging table, which it calls `source`; all rows where it is empty.
    """
    names = [session.quote(name) for name in publication.columns]
    taken = [f"source.{name}" for name in names] if condition else names
    listed = ", ".join([*names, *(session.quote(name) for name in publication.filled)])
    values = ", ".join([*taken, *publication.filled.values()])
    source = f"SELECT {values} FROM {session.name_of(publication.staging)}{condition}"
    return Statement(f"INSERT INTO {session.name_of(publication.target)} ({listed}) {source}", counts="inserted")


def upsert(session: Spelling, publication: Publication, tail: str) -> Statement:
    """Return the statement that inserts the staged rows, or changes those of the table that have their key.

    Args:
        session: What writes it, for a database that knows ON CONFLICT.
        publication: What goes where; the key is unique in the table, and no expression stands in it.
        tail: What follows the staging table: the order of its rows, a condition.
    """
    names, keys = (", ".join(map(session.quote, each)) for each in (publication.columns, publication.keys))
    listed = ", ".join([names, *map(session.quote, publication.filled)])
    values = ", ".join([names, *publication.filled.values()])
    start = (
        f"INSERT INTO {session.name_of(publication.target)} AS target ({listed})"
        f" SELECT {values} FROM {session.name_of(publication.staging)} {tail} ON CONFLICT ({keys}) DO "
    )
    if not publication.updates:
        return Statement(f"{start}NOTHING", counts="upserted")
    sets = ", ".join(f"{session.quote(name)} = excluded.{session.quote(name)}" for name in publication.updates)
    same = unchanged(session, publication, "excluded")
    condition = (f"NOT ({same})" if same else "TRUE") + newer(session, publication, "excluded")
    return Statement(f"{start}UPDATE SET {sets} WHERE {condition}", counts="upserted")


def matching(session: Spelling, publication: Publication) -> str:
    """Return the condition that a row of the result, `source`, means one of the table, `target`."""
    further = f" AND ({publication.predicate})" if publication.predicate else ""
    return same_key(session, publication) + further


def same_key(session: Spelling, publication: Publication) -> str:
    """Return the condition that two rows have the same key."""
    conditions = []
    for key in publication.keys:
        left, right = (f"{side}.{session.quote(key)}" for side in ("source", "target"))
        conditions.append(session.same(left, right) if key in publication.null_keys else f"{left} = {right}")
    return " AND ".join(conditions)
