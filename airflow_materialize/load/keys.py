"""The columns that a strategy needs, and what their values must not be."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_materialize.definition.model.materialization import STRATEGIES
from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.destinations.arrow import scalar
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.ledger import naive

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session, Table
    from airflow_materialize.load.changes import SchemaPlan
    from airflow_materialize.plan.run_plan import RunPlan

SAMPLES = 5
"""How many keys an error shows."""


@dataclass(frozen=True)
class Keys:
    """What a load goes by.

    Attributes:
        primary: The primary key, where the strategy goes by it.
        incremental: The incremental key; empty where none is needed.
        bounds: The interval as values of the incremental key, where rows are deleted by it.
        secret: Whether values of keys must not be shown.
        last: Whether the last row of a key wins, and not two of them are an error.
        matches_null: Whether NULL in a key matches NULL.
    """

    primary: tuple[str, ...] = ()
    incremental: str = ""
    bounds: tuple[Any, Any] | None = None
    secret: bool = False
    last: bool = False
    matches_null: bool = False


def find_keys(session: Session, plan: RunPlan, schema: SchemaPlan) -> Keys:
    """Return the columns that the strategy goes by, as the table spells them.

    Raises:
        MaterializeError: The header names none, or the result lacks one.
    """
    options, columns = plan.asset.materialization, plan.asset.columns
    sensitive = {session.fold(column.name) for column in columns if column.sensitive}
    staged = {session.fold(column.name): column for column in schema.columns}

    def found(name: str, role: str) -> str:
        if session.fold(name) not in staged:
            near = suggest(name, schema.names)
            raise MaterializeError(
                f"The result lacks the {role} {name!r}", hint=near or f"it has: {', '.join(schema.names)}"
            )
        return staged[session.fold(name)].name

    # What a full refresh makes is what the next load goes by.
    declared = options.strategy if options else plan.strategy
    if STRATEGIES[declared].primary_key:
        primary = tuple(found(column.name, "primary key column") for column in columns if column.primary_key)
        if not primary:
            raise MaterializeError(
                f"{declared} needs a primary key", hint="primary_key: true at the columns that identify a row"
            )
        incremental = found(options.incremental_key, "incremental key") if options and options.incremental_key else ""
        return Keys(
            primary,
            incremental,
            secret=any(session.fold(key) in sensitive for key in primary),
            last=bool(options and options.on_duplicate_key == "last"),
            matches_null=bool(options and options.on_null_key == "match"),
        )
    if plan.strategy == "delete+insert":
        if options is None or not options.incremental_key:
            raise MaterializeError(
                "delete+insert needs an incremental_key", hint="the column whose values are replaced"
            )
        incremental = found(options.incremental_key, "incremental key")
        secret = session.fold(incremental) in sensitive
        if options.delete_by == "values":
            return Keys(incremental=incremental, secret=secret)
        return Keys(incremental=incremental, bounds=_bounds(session, plan, incremental, schema), secret=secret)
    return Keys()


def check_history(session: Session, table: Table, plan: RunPlan, keys: Keys) -> None:
    """See that a table can have several versions of a key.

    Raises:
        MaterializeError: A unique index allows one.
    """
    if STRATEGIES[plan.strategy].history and session.has_unique_index(table, keys.primary):
        listed = ", ".join(keys.primary)
        raise MaterializeError(
            f"{plan.strategy} keeps several versions of a row in {table}, and a unique index on {listed} allows one",
            hint="drop that primary key or index",
        )


def _bounds(session: Session, plan: RunPlan, name: str, schema: SchemaPlan) -> tuple[Any, Any]:
    if plan.interval is None:
        raise MaterializeError("delete_by: interval needs an interval, and this DAG run has none", hint="give it dates")
    kind = next(column.arrow for column in schema.columns if column.name == name)
    moments: list[Any] = [naive(plan.interval.start), naive(plan.interval.end)]
    if pa.types.is_timestamp(kind):
        # Bounds have microseconds; as such they compare with columns of nanoseconds too.
        bounds = [scalar(moment, pa.timestamp("us")).cast(pa.timestamp("us", kind.tz)) for moment in moments]
    elif pa.types.is_date(kind):
        if any(moment.time() != moment.min.time() for moment in moments):
            raise MaterializeError(
                f"delete_by: interval cannot go by the dates in {name!r}: {moments[0]} to {moments[1]} are no days",
                hint="delete_by: values, or a column of timestamps",
            )
        bounds = [scalar(moment, pa.timestamp("us")).cast(pa.date32()) for moment in moments]
    else:
        raise MaterializeError(
            f"delete_by: interval cannot go by {name!r}, which is {kind}", hint="a date or timestamp"
        )
    return session.bind(bounds[0]), session.bind(bounds[1])


def check_keys(session: Session, staging: Table, keys: Keys) -> None:
    """See that no two staged rows have one primary key, and that none has NULL in it unless NULL matches.

    Raises:
        MaterializeError: It has the number of such rows and five of their keys.
    """
    if not keys.primary:
        return
    name, quoted = session.name_of(staging), [session.quote(key) for key in keys.primary]
    listed, texts = ", ".join(quoted), ", ".join(map(session.as_text, quoted))
    is_null = " OR ".join(f"{column} IS NULL" for column in quoted)
    [(nulls,)] = session.rows(f"SELECT count(*) FROM {name} WHERE {is_null}")
    if nulls and not keys.matches_null:
        samples = session.rows(f"SELECT {texts} FROM {name} WHERE {is_null} LIMIT {SAMPLES}")
        raise MaterializeError(
            f"{_rows(nulls)} of the result {_have(nulls)} NULL in the primary key ({', '.join(keys.primary)})"
            + shown(samples, keys),
            hint="fill it, leave these rows out, or let NULL match NULL with on_null_key: match",
        )
    doubled = sum(
        int(count) for query in session.count_doubled(staging, keys.primary) for (count,) in session.rows(query)
    )
    if doubled:
        groups = f"FROM {name} GROUP BY {listed} HAVING count(*) > 1"
        samples = session.rows(f"SELECT {texts}, count(*) {groups} ORDER BY {listed} LIMIT {SAMPLES}")
        raise MaterializeError(
            f"{doubled} primary {'key' if doubled == 1 else 'keys'} ({', '.join(keys.primary)}) of the result"
            f" {'stands' if doubled == 1 else 'stand'} in several rows" + shown(samples, keys, counted=True),
            hint="return one row for each key, or let the last one win with on_duplicate_key: last",
        )


def check_bounds(session: Session, staging: Table, plan: RunPlan, keys: Keys) -> None:
    """See that all staged rows are in the interval that they replace.

    Raises:
        MaterializeError: It has the number of rows outside and the reach of their values.
    """
    if keys.bounds is None or plan.interval is None:
        return
    key = session.quote(keys.incremental)
    outside = f"{key} IS NULL OR {key} < ? OR {key} >= ?"
    reach = f"count(*), {session.as_text(f'min({key})')}, {session.as_text(f'max({key})')}"
    query = f"SELECT {reach} FROM {session.name_of(staging)} WHERE {outside}"
    [(count, low, high)] = session.rows(query, keys.bounds)
    if count:
        reached = "not shown, as it is sensitive" if keys.secret else "NULL" if low is None else f"{low} to {high}"
        raise MaterializeError(
            f"{_rows(count)} of the result {'lies' if count == 1 else 'lie'} outside of the interval"
            f" [{plan.interval.start.isoformat()}, {plan.interval.end.isoformat()}): {keys.incremental} is {reached}",
            hint="return the interval's rows only, or use delete_by: values",
        )


def null_keys(session: Session, staging: Table, keys: Keys) -> frozenset[str]:
    """Return the columns of the primary key that are NULL somewhere in the result."""
    if not keys.primary or not keys.matches_null:
        return frozenset()
    counts = ", ".join(f"count(*) - count({session.quote(key)})" for key in keys.primary)
    [nulls] = session.rows(f"SELECT {counts} FROM {session.name_of(staging)}")
    return frozenset(key for key, count in zip(keys.primary, nulls, strict=True) if count)


def shown(samples: list[tuple[Any, ...]], keys: Keys, *, counted: bool = False) -> str:
    """Return keys as an error shows them: five at most, and none of a sensitive column."""
    if keys.secret:
        return " (not shown: a key column is sensitive)"
    width = len(keys.primary)
    texts = []
    for sample in samples:
        key = ", ".join("NULL" if value is None else str(value) for value in sample[:width])
        texts.append((f"({key})" if width > 1 else key) + (f" {sample[width]} times" if counted else ""))
    return f": {', '.join(texts)}"


def _rows(count: int) -> str:
    return f"{count} {'row' if count == 1 else 'rows'}"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"
