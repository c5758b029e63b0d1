"""From the staging table into the table: the strategy's statements, counted."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_materialize.definition.model.materialization import STRATEGIES
from airflow_materialize.destinations.arrow import scalar
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.keys import SAMPLES, null_keys, shown
from airflow_materialize.load.scd2 import VALID_FROM
from airflow_materialize.load.schema import LOAD_KEY_COLUMN
from airflow_materialize.load.strategies import (
    Publication,
    current_rows,
    doubled_rows,
    statements_for,
    unreached_rows,
)

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session, Table
    from airflow_materialize.load.changes import SchemaPlan
    from airflow_materialize.load.keys import Keys
    from airflow_materialize.plan.run_plan import RunPlan


@dataclass(frozen=True)
class Counts:
    """Rows of the table that a load touched. A matched row of a merge is updated, not deleted and inserted.

    `doubled` are rows of the result that gave way to a later one of the same key.
    """

    deleted: int = 0
    updated: int = 0
    inserted: int = 0
    doubled: int = 0


def plan_publication(
    session: Session, target: Table, staging: Table, plan: RunPlan, schema: SchemaPlan, keys: Keys
) -> Publication:
    """Say what goes where. The table must have its new columns already.

    Raises:
        MaterializeError: An expression of the header is none, or names a column that there is not.
    """
    fold = session.fold
    there = tuple(session.columns(target) or ())
    merges, history = plan.strategy == "merge", STRATEGIES[plan.strategy].history
    expressions = _expressions(session, plan, schema, there) if merges else {}
    others = [name for name in schema.names if name not in keys.primary]
    marked = {fold(column.name) for column in plan.asset.columns if column.update_on_merge or column.merge_sql}
    updates = [name for name in others if not marked or fold(name) in marked or fold(name) == LOAD_KEY_COLUMN]
    updates += [name for name in expressions if name not in updates]
    kinds = {column.name: column.arrow for column in schema.columns}
    made = {column.name for column in schema.columns if column.made}
    compared = [name for name in (others if history else updates) if name not in made]
    return Publication(
        target=target,
        staging=staging,
        columns=schema.names,
        filled={column.name: column.value for column in schema.filled},
        keys=keys.primary if merges or history else (),
        null_keys=null_keys(session, staging, keys) if merges or history else frozenset(),
        predicate=_predicate(session, plan, schema, there) if merges else "",
        updates=tuple(updates),
        expressions=expressions,
        replaces_rows=set(there) == set(schema.names) and len(updates) == len(others) and not expressions,
        incremental_key=keys.incremental,
        bounds=keys.bounds,
        load_key_column=next((name for name in schema.names if fold(name) == LOAD_KEY_COLUMN), ""),
        load_key=plan.load_key,
        compared={name: kinds.get(name, pa.null()) for name in compared},
        collated=frozenset(
            name for name in compared if (column := schema.declared.get(fold(name))) and column.collation
        ),
        moment=session.bind(_moment(schema)) if history else None,
    )


def _moment(schema: SchemaPlan) -> pa.Scalar[Any]:
    """Return since when the result's rows are current, or now where each has its own moment."""
    since = next(column.value for column in schema.columns if column.made and column.name.lower() == VALID_FROM)
    return since if since is not None else scalar(datetime.now(UTC), pa.timestamp("us", "UTC"))


def _expressions(session: Session, plan: RunPlan, schema: SchemaPlan, there: tuple[str, ...]) -> dict[str, str]:
    expressions = {}
    for column in plan.asset.columns:
        if not column.merge_sql:
            continue
        from airflow_materialize.load.expressions import row_expression  # with a parser of SQL, which is large

        name = next((name for name in there if session.fold(name) == session.fold(column.name)), "")
        place = f"merge_sql of the column {column.name!r}"
        if not name:
            raise MaterializeError(
                f"{place} has nothing to change: neither the table nor the result has the column",
                hint="return it, or declare its type and a default",
            )
        expressions[name] = row_expression(session, column.merge_sql, place, target=there, source=schema.names)
    return expressions


def _predicate(session: Session, plan: RunPlan, schema: SchemaPlan, there: tuple[str, ...]) -> str:
    options = plan.asset.materialization
    if options is None or not options.incremental_predicate:
        return ""
    from airflow_materialize.load.expressions import row_expression  # with a parser of SQL, which is large

    text = options.incremental_predicate
    return row_expression(session, text, "incremental_predicate", target=there, source=schema.names)


def check_reach(session: Session, publication: Publication, keys: Keys) -> None:
    """See that the predicate of a merge hides no row of the table that has a key of the result.

    Such a row would not be matched, and its key would stand in the table twice.

    Raises:
        MaterializeError: It has the number of such keys and five of them.
    """
    if not publication.predicate:
        return
    query = unreached_rows(session, publication)
    [(count,)] = session.rows(f"SELECT count(*) FROM ({query}) AS unreached")
    if count:
        samples = session.rows(f"{query} ORDER BY 1 LIMIT {SAMPLES}")
        raise MaterializeError(
            f"incremental_predicate leaves out rows of {publication.target} that have {count} primary"
            f" {'key' if count == 1 else 'keys'} ({', '.join(keys.primary)}) of the result" + shown(samples, keys),
            hint="these keys would stand in the table twice: let the predicate hold for all rows that the result may"
            " change",
        )


def publish(session: Session, strategy: str, publication: Publication, keys: Keys, rows: int) -> Counts:
    """Apply a strategy, and see that every row of the result arrived once.

    Args:
        session: An open session, inside of the load's transaction.
        strategy: Its name.
        publication: What goes where.
        keys: What the load goes by.
        rows: Rows in the staging table.

    Raises:
        MaterializeError: The counts do not add up. Rolled back, nothing has changed.
    """
    history = STRATEGIES[strategy].history
    counted = {"deleted": 0, "updated": 0, "replaced": 0, "inserted": 0, "upserted": 0, "upserted twice": 0, "": 0}
    statements = statements_for(strategy, session, publication)
    counts_itself = any(statement.counts == "merged" for statement in statements)
    matched = 0
    if publication.keys and not history and not counts_itself:
        counts = [row for query in session.count_matched(publication) for row in session.rows(query)]
        matched, there = (sum(map(int, column)) for column in zip(*counts, strict=True))
        if there > matched:
            raise _doubled(session, publication, keys)
    for statement in statements:
        if statement.counts.startswith("merged"):
            [(updated, inserted)] = session.rows(statement.sql, statement.parameters)
            fits = counts_itself or inserted == rows - matched
            _check(fits and updated + inserted <= rows, publication, f"{updated} and {inserted} rows came of {rows}")
            return Counts(updated=updated, inserted=inserted)
        counted[statement.counts] += session.apply(statement)
    if history:
        [(current,)] = session.rows(current_rows(session, publication))
        _check(current == rows, publication, f"{current} rows are current, and the result has {rows}")
        return Counts(updated=counted["updated"], inserted=counted["inserted"])
    if any(statement.counts.startswith("upserted") for statement in statements):
        new = rows - matched
        touched = counted["upserted"] or (counted["upserted twice"] + new) // 2
        _check(new <= touched <= rows, publication, f"{touched} rows came of {rows}, and {new} were new")
        return Counts(updated=touched - new, inserted=new)
    if not publication.keys:
        check_arrival(publication, counted["inserted"], rows)
        return Counts(deleted=counted["deleted"], inserted=counted["inserted"])
    new, updated = rows - matched, counted["updated"] + counted["replaced"]
    inserted = counted["inserted"] - counted["replaced"]
    right = inserted == new and updated <= matched
    _check(right, publication, f"{inserted} of {new} new rows were inserted, {updated} of {matched} updated")
    return Counts(updated=updated, inserted=inserted)


def check_arrival(publication: Publication, inserted: int, rows: int) -> None:
    """See that every row of the result arrived once.

    Raises:
        MaterializeError: The counts do not add up. Rolled back, nothing has changed.
    """
    _check(inserted == rows, publication, f"{inserted} of {rows} rows were inserted")


def _doubled(session: Session, publication: Publication, keys: Keys) -> MaterializeError:
    """Return the error of a table that has a key of the result in several rows, with five of the keys."""
    samples = session.rows(f"{doubled_rows(session, publication)} LIMIT {SAMPLES}")
    return MaterializeError(
        f"{publication.target} has several rows for some of the result's primary keys ({', '.join(keys.primary)})"
        + shown(samples, keys, counted=True),
        hint="remove the doubled rows, or rebuild the table by a full refresh",
    )


def _check(right: bool, publication: Publication, found: str) -> None:  # noqa: FBT001
    if not right:
        raise MaterializeError(
            f"The row counts of {publication.target} do not add up: {found}",
            hint="see whether the table has triggers or rules that change what is inserted",
        )
