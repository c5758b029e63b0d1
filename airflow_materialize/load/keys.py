"""The columns that a strategy needs, and what their values must not be."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_materialize.definition.problems import suggest
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.ledger import naive

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session, Table
    from airflow_materialize.load.schema import SchemaPlan
    from airflow_materialize.plan.run_plan import RunPlan

_SAMPLES = 5


@dataclass(frozen=True)
class Keys:
    """What a load goes by.

    Attributes:
        primary: The primary key, for a merge.
        incremental: The incremental key; empty where none is needed.
        bounds: The interval as values of the incremental key, where rows are deleted by it.
        secret: Whether values of keys must not be shown.
    """

    primary: tuple[str, ...] = ()
    incremental: str = ""
    bounds: tuple[Any, Any] | None = None
    secret: bool = False


def find_keys(session: Session, plan: RunPlan, schema: SchemaPlan) -> Keys:
    """Return the columns that the strategy goes by, as the table spells them.

    Raises:
        MaterializeError: The header names none, or the result lacks one.
    """
    options, columns = plan.asset.materialization, plan.asset.columns
    staged = {session.fold(column.name): column for column in schema.columns}

    def found(name: str, role: str) -> str:
        if session.fold(name) not in staged:
            near = suggest(name, schema.names)
            raise MaterializeError(
                f"The result lacks the {role} {name!r}", hint=near or f"it has: {', '.join(schema.names)}"
            )
        return staged[session.fold(name)].name

    if plan.strategy == "merge":
        primary = tuple(found(column.name, "primary key column") for column in columns if column.primary_key)
        if not primary:
            raise MaterializeError(
                "A merge needs a primary key", hint="primary_key: true at the columns that identify a row"
            )
        incremental = found(options.incremental_key, "incremental key") if options and options.incremental_key else ""
        secret = any(column.sensitive for column in columns if column.primary_key)
        return Keys(primary, incremental, secret=secret)
    if plan.strategy == "delete+insert":
        if options is None or not options.incremental_key:
            raise MaterializeError(
                "delete+insert needs an incremental_key", hint="the column whose values are replaced"
            )
        incremental = found(options.incremental_key, "incremental key")
        if options.delete_by == "values":
            return Keys(incremental=incremental)
        return Keys(incremental=incremental, bounds=_bounds(session, plan, incremental, schema))
    return Keys()


def _bounds(session: Session, plan: RunPlan, name: str, schema: SchemaPlan) -> tuple[Any, Any]:
    if plan.interval is None:
        raise MaterializeError("delete_by: interval needs an interval, and this DAG run has none", hint="give it dates")
    kind = next(column.arrow for column in schema.columns if column.name == name)
    moments: list[Any] = [naive(plan.interval.start), naive(plan.interval.end)]
    if pa.types.is_timestamp(kind):
        # Bounds have microseconds; as such they compare with columns of nanoseconds too.
        bounds = [pa.scalar(moment, pa.timestamp("us")).cast(pa.timestamp("us", kind.tz)) for moment in moments]
    elif pa.types.is_date(kind):
        if any(moment.time() != moment.min.time() for moment in moments):
            raise MaterializeError(
                f"delete_by: interval cannot go by the dates in {name!r}: {moments[0]} to {moments[1]} are no days",
                hint="delete_by: values, or a column of timestamps",
            )
        bounds = [pa.scalar(moment.date(), pa.date32()) for moment in moments]
    else:
        raise MaterializeError(
            f"delete_by: interval cannot go by {name!r}, which is {kind}", hint="a date or timestamp"
        )
    return session.bind(bounds[0]), session.bind(bounds[1])


def check_keys(session: Session, staging: Table, keys: Keys) -> None:
    """See that no two staged rows have one primary key, and that none has NULL in it.

    Raises:
        MaterializeError: It has the number of such rows and five of their keys.
    """
    if not keys.primary:
        return
    name, quoted = session.name_of(staging), [session.quote(key) for key in keys.primary]
    listed, texts = ", ".join(quoted), ", ".join(f"CAST({column} AS VARCHAR)" for column in quoted)
    is_null = " OR ".join(f"{column} IS NULL" for column in quoted)
    [(nulls,)] = session.rows(f"SELECT count(*) FROM {name} WHERE {is_null}")
    if nulls:
        samples = session.rows(f"SELECT {texts} FROM {name} WHERE {is_null} LIMIT {_SAMPLES}")
        raise MaterializeError(
            f"{_rows(nulls)} of the result {_have(nulls)} NULL in the primary key ({', '.join(keys.primary)})"
            + _shown(samples, keys),
            hint="fill it, or leave these rows out",
        )
    groups = f"FROM {name} GROUP BY {listed} HAVING count(*) > 1"
    [(doubled,)] = session.rows(f"SELECT count(*) FROM (SELECT 1 {groups}) AS doubled")
    if doubled:
        samples = session.rows(f"SELECT {texts}, count(*) {groups} ORDER BY {listed} LIMIT {_SAMPLES}")
        raise MaterializeError(
            f"{doubled} primary {'key' if doubled == 1 else 'keys'} ({', '.join(keys.primary)}) of the result"
            f" {'stands' if doubled == 1 else 'stand'} in several rows" + _shown(samples, keys, counted=True),
            hint="return one row for each key",
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
    reach = f"count(*), CAST(min({key}) AS VARCHAR), CAST(max({key}) AS VARCHAR)"
    query = f"SELECT {reach} FROM {session.name_of(staging)} WHERE {outside}"
    [(count, low, high)] = session.rows(query, keys.bounds)
    if count:
        reached = "NULL" if low is None else f"{low} to {high}"
        raise MaterializeError(
            f"{_rows(count)} of the result {'lies' if count == 1 else 'lie'} outside of the interval"
            f" [{plan.interval.start.isoformat()}, {plan.interval.end.isoformat()}): {keys.incremental} is {reached}",
            hint="return the interval's rows only, or use delete_by: values",
        )


def _shown(samples: list[tuple[Any, ...]], keys: Keys, *, counted: bool = False) -> str:
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
