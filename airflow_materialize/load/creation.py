"""Tables and columns that a load creates: with the types of the result, and what the header says of each column."""

# ruff: noqa: S608  # Names are quoted by the session.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_materialize.definition.model.materialization import STRATEGIES
from airflow_materialize.destinations.arrow import is_text
from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.defaults import default_sql

if TYPE_CHECKING:
    from airflow_materialize.definition.model.asset import Asset
    from airflow_materialize.definition.model.column import Column
    from airflow_materialize.destinations.base import Session, Table
    from airflow_materialize.load.changes import SchemaPlan
    from airflow_materialize.load.staging import StagedColumn


def apply_schema(session: Session, table: Table, plan: SchemaPlan, asset: Asset) -> Table:
    """Bring the table to the plan's columns, and return the table that takes the rows.

    It is the table itself, unless the destination fills another one first to put it in the place of this.

    Args:
        session: An open session, inside of the load's transaction.
        table: The table; it need not exist.
        plan: The columns.
        asset: The header, which may ask for an index on the key.

    Raises:
        MaterializeError: The database refuses a column or an index, or rows that are there would have NULL in a column
            that must not.
    """
    filled = _changed(session, table, plan)
    options = asset.materialization
    if options and options.enforce_key and not STRATEGIES[options.strategy].history:
        _enforce_key(session, filled, plan)
    return filled


def _enforce_key(session: Session, table: Table, plan: SchemaPlan) -> None:
    declared = {name: plan.declared.get(session.fold(name)) for name in plan.all_types()}
    key = [name for name, column in declared.items() if column and column.primary_key]
    if not key or session.has_unique_index(table, key):
        return
    if plan.diff.swapped and not session.changes_roll_back:
        # The table that there will be is no table yet: the next load does it.
        return
    try:
        session.enforce_key(table, key)
    except StatementError as error:
        start = f"{table} cannot have a unique index on {', '.join(key)}"
        error.message, error.brief = f"{start}: {error.message}", f"{start}: {error.brief}" if error.brief else ""
        error.hint = "remove the rows that have a key twice, or leave enforce_key out"
        raise


def _changed(session: Session, table: Table, plan: SchemaPlan) -> Table:
    diff, definitions = plan.diff, _definitions(session, plan)
    if diff.created or diff.swapped:
        with _naming_collations(table, [*plan.declared.values()]):
            if diff.swapped:
                return session.swap(table, definitions, {name: new for name, (_, new) in diff.changed.items()})
            session.create_table(table, definitions)
        return table
    for name in diff.added:
        column = plan.declared.get(session.fold(name))
        if column and not column.nullable and not column.default and _has_rows(session, table):
            raise MaterializeError(
                f"Column {name!r} is new in {table} and must not be NULL, and the rows that are there have no value",
                hint="declare a default, or rebuild the table by a full refresh",
            )
        with _naming_collations(table, [column] if column else []):
            session.add_column(table, name, definitions[name])
    for name, (_, kind) in diff.changed.items():
        session.change_type(table, name, kind)
    for name in diff.dropped:
        try:
            session.drop_column(table, name)
        except StatementError as error:
            raise MaterializeError(
                f"Column {name!r} of {table} is not in the result, and cannot be dropped: {error.message}",
                hint="drop what depends on it first, or return the column, or take another on_schema_change than sync",
            ) from error
    return table


def create_staging(
    session: Session, table: Table, columns: Sequence[StagedColumn], keys: Sequence[str], rows: int
) -> Table:
    """Create the staging table. Keys have their collations there, so that they compare as in the table.

    Raises:
        MaterializeError: The database does not know a collation.
    """
    there = session.collations(table)
    definitions = {
        column.name: session.definition(column.sql, collation=column.collation or there.get(column.name, ""))
        for column in columns
    }
    try:
        return session.create_staging(definitions, keys, rows)
    except StatementError as error:
        _name_collations(table, {column.name: column.collation for column in columns if column.collation}, error)
        raise


def collation_of(column: Column | None, arrow: pa.DataType) -> str:
    """Return the collation of a declared column of texts.

    Raises:
        MaterializeError: The column holds something else.
    """
    if column is None or not column.collation or pa.types.is_null(arrow):
        return ""
    if not is_text(arrow):
        raise MaterializeError(
            f"its collation {column.collation} is for texts, and it holds {arrow}", hint="leave `collation` out"
        )
    return column.collation


def _definitions(session: Session, plan: SchemaPlan) -> dict[str, str]:
    arrows = {column.name: column.arrow for column in plan.columns}
    arrows |= {column.name: column.place.arrow for column in plan.filled}
    definitions = {}
    for name, kind in plan.all_types().items():
        column = plan.declared.get(session.fold(name))
        if column is None:
            definitions[name] = kind
            continue
        definitions[name] = session.definition(
            kind,
            collation=collation_of(column, arrows[name]),
            default=default_sql(session, column, arrows[name]),
            required=not column.nullable,
        )
    return definitions


def _has_rows(session: Session, table: Table) -> bool:
    return bool(session.rows(f"SELECT 1 FROM {session.name_of(table)} LIMIT 1"))


@contextmanager
def _naming_collations(table: Table, columns: Sequence[Column]) -> Iterator[None]:
    try:
        yield
    except StatementError as error:
        _name_collations(table, {column.name: column.collation for column in columns if column.collation}, error)
        raise


def _name_collations(table: Table, collations: dict[str, str], error: StatementError) -> None:
    """Say which columns ask for a collation where the database complains of one."""
    if collations and "collation" in error.message.lower():
        listed = ", ".join(f"{name}: {collation}" for name, collation in collations.items())
        raise MaterializeError(
            f"The columns of {table} cannot have these collations ({listed}): {error.message}",
            hint="a collation that the database knows",
        ) from error
