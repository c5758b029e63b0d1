"""From the staging table into the table: the strategy's statements, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.schema import LOAD_KEY_COLUMN
from airflow_materialize.load.strategies import Publication, matched_rows, statements_for

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session, Table
    from airflow_materialize.load.keys import Keys
    from airflow_materialize.load.schema import SchemaPlan
    from airflow_materialize.plan.run_plan import RunPlan


@dataclass(frozen=True)
class Counts:
    """Rows of the table that a load touched. A matched row of a merge is updated, not deleted and inserted."""

    deleted: int = 0
    updated: int = 0
    inserted: int = 0


def plan_publication(
    session: Session, target: Table, staging: Table, plan: RunPlan, schema: SchemaPlan, keys: Keys
) -> Publication:
    """Say what goes where. The table must have its new columns already."""
    fold = session.fold
    others = [name for name in schema.names if name not in keys.primary]
    marked = {fold(column.name) for column in plan.asset.columns if column.update_on_merge}
    updates = tuple(name for name in others if not marked or fold(name) in marked or fold(name) == LOAD_KEY_COLUMN)
    covered = set(session.columns(target) or ()) == set(schema.names)
    return Publication(
        target=target,
        staging=staging,
        columns=schema.names,
        keys=keys.primary,
        updates=updates,
        replaces_rows=covered and len(updates) == len(others) and not keys.incremental,
        incremental_key=keys.incremental,
        bounds=keys.bounds,
        load_key_column=next((name for name in schema.names if fold(name) == LOAD_KEY_COLUMN), ""),
        load_key=plan.load_key,
    )


def publish(session: Session, strategy: str, publication: Publication, rows: int) -> Counts:
    """Apply a strategy, and see that every row of the result arrived once.

    Args:
        session: An open session, inside of the load's transaction.
        strategy: Its name.
        publication: What goes where.
        rows: Rows in the staging table.

    Raises:
        MaterializeError: The counts do not add up. Rolled back, nothing has changed.
    """
    matched = session.rows(matched_rows(session, publication))[0][0] if publication.keys else 0
    counted = {"deleted": 0, "updated": 0, "inserted": 0, "": 0}
    for statement in statements_for(strategy, session, publication):
        counted[statement.counts] += session.execute(statement.sql, statement.parameters)
    if not publication.keys:
        _check(counted["inserted"] == rows, publication, f"{counted['inserted']} of {rows} rows were inserted")
        return Counts(deleted=counted["deleted"], inserted=counted["inserted"])
    new = rows - matched
    inserted = counted["inserted"] - (matched if publication.replaces_rows else 0)
    _check(inserted == new, publication, f"{inserted} of {new} new rows were inserted")
    if counted["updated"] > matched:
        raise MaterializeError(
            f"{publication.target} has several rows for some of the result's primary keys"
            f" ({', '.join(publication.keys)}): {matched} keys match {counted['updated']} rows",
            hint="remove the doubled rows, or rebuild the table by a full refresh",
        )
    return Counts(updated=counted["updated"], inserted=inserted)


def _check(right: bool, publication: Publication, found: str) -> None:  # noqa: FBT001
    if not right:
        raise MaterializeError(
            f"The row counts of {publication.target} do not add up: {found}",
            hint="see whether the table has triggers or rules that change what is inserted",
        )
