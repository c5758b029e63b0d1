"""From a result's columns to a table's: which match, which type each takes, and what has to change first."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_materialize.definition.model.materialization import HISTORY_COLUMNS
from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.casts import declared_length, declared_type
from airflow_materialize.load.changes import SchemaDiff, SchemaPlan
from airflow_materialize.load.creation import collation_of
from airflow_materialize.load.defaults import FilledColumn, Place, fill
from airflow_materialize.load.scd2 import history_columns, keeps_history, moment_column
from airflow_materialize.load.staging import StagedColumn
from airflow_materialize.load.widening import fit

if TYPE_CHECKING:
    from airflow_materialize.definition.model.asset import Asset
    from airflow_materialize.definition.model.column import Column
    from airflow_materialize.destinations.base import Session, Table
    from airflow_materialize.load.staging import Source

LOAD_KEY_COLUMN = "_materialize_load_key"
"""A column that is filled with the key of the load that wrote the row, where the header declares it."""


def plan_schema(session: Session, table: Table, source: Source, asset: Asset, *, replaces: bool) -> SchemaPlan:
    """Decide which column of the result goes where, and what has to change in the table.

    Args:
        session: An open session, inside of the load's transaction.
        table: The table; it need not exist.
        source: The result.
        asset: The header.
        replaces: Whether the load replaces all rows, so that the result is the schema.

    Raises:
        MaterializeError: The result does not fit, and the header does not allow the change that it needs.
    """
    matching = _Matching(session, table, source, asset)
    if not matching.target:
        columns = matching.fresh()
        return matching.complete(columns, SchemaDiff(created=True), matching.filled(columns, rebuilt=True))
    mode = matching.mode
    if replaces and mode in {"evolve", "sync"}:
        return matching.as_the_result()
    plan = matching.into_the_table(changes=mode in {"evolve", "sync"} and source.rows > 0)
    missing = tuple(name for name in matching.target if name not in plan.all_types())
    if mode == "sync" and source.rows:
        return replace(plan, diff=replace(plan.diff, dropped=missing))
    if mode == "freeze" and replaces and missing:
        raise MaterializeError(
            f"The result lacks the columns {', '.join(missing)} of {table}",
            hint="on_schema_change: evolve lets them go",
        )
    required = sorted(session.required(table) & set(missing)) if source.rows else []
    if required:
        raise MaterializeError(
            f"The result lacks {', '.join(required)}, which {table} does not let be NULL",
            hint="return every such column",
        )
    return plan


def plan_empty_table(session: Session, asset: Asset) -> SchemaPlan | None:
    """Return the plan of a table that is made of declarations alone; None where they do not say every type."""
    columns = []
    for column in asset.columns:
        kind = declared_type(column)
        if session.fold(column.name) == LOAD_KEY_COLUMN:
            kind = pa.string()
        if kind is None:
            return None
        arrow = session.storable(kind)
        columns.append(StagedColumn(None, session.spelled(column.name), arrow, _sql_type(session, column, arrow)))
    columns += history_columns(session, asset, {}) if columns else []
    declared = {session.fold(column.name): column for column in asset.columns}
    return SchemaPlan(tuple(columns), SchemaDiff(created=True), declared=declared) if columns else None


class _Matching:
    """The result's columns and the table's, matched by name."""

    def __init__(self, session: Session, table: Table, source: Source, asset: Asset) -> None:
        options = asset.materialization
        self.session, self.table, self.source = session, table, source
        self.asset, self.mode = asset, options.on_schema_change if options else "evolve"
        self.moment = session.fold(moment_column(asset))
        self.enforced = bool(options and options.enforce_schema)
        self.declared = {session.fold(column.name): column for column in asset.columns}
        self.target = session.columns(table) or {}
        self.target_arrow = session.arrow_types(table) if self.target else {}
        self.in_table = {session.fold(name): name for name in self.target}
        self.by_name = self._by_name()
        self._see_computed()

    def _by_name(self) -> dict[str, int]:
        names: dict[str, int] = {}
        for index, name in enumerate(self.source.schema.names):
            folded = self.session.fold(name)
            if folded in names:
                first = self.source.schema.names[names[folded]]
                raise MaterializeError(f"The result has two columns of one name here: {first!r} and {name!r}")
            if folded == LOAD_KEY_COLUMN or (folded in HISTORY_COLUMNS and keeps_history(self.asset)):
                raise MaterializeError(f"The result has a column {name!r}, which the load fills", hint="leave it out")
            self.session.quote(name)
            names[folded] = index
        if not names:
            raise MaterializeError("The result has no columns", hint="return None where there is no data")
        return names

    def _see_computed(self) -> None:
        """Refuse a result that brings what the database fills by itself."""
        if not self.target or self.by_name.keys() <= self.in_table.keys():
            return
        filled = [name for name in self.session.computed(self.table) if self.session.fold(name) in self.by_name]
        if filled:
            raise MaterializeError(
                f"The result has {', '.join(map(repr, sorted(filled)))}, which {self.table} fills by itself",
                hint="leave it out",
            )

    def fresh(self) -> tuple[StagedColumn, ...]:
        """Return the columns as a new table has them."""
        own = (self._own(folded, index) for folded, index in self.by_name.items())
        return (*own, *self._load_key(), *self._history())

    def as_the_result(self) -> SchemaPlan:
        """Return the plan by which the table gets the result's columns."""
        columns = tuple(
            self._like_the_table(column) if self._is_open(column) and self._known(column) else column
            for column in self.fresh()
        )
        filled = self.filled(columns, rebuilt=True)
        types = SchemaPlan(columns, SchemaDiff(), filled).all_types()
        kept = {self.session.fold(name) for name in types}
        old = {name: self.target.get(self.in_table.get(self.session.fold(name), ""), "") for name in types}
        diff = SchemaDiff(
            swapped=types.keys() != self.target.keys() or any(old[name] != kind for name, kind in types.items()),
            added={name: kind for name, kind in types.items() if not old[name]},
            changed={name: (old[name], kind) for name, kind in types.items() if old[name] and old[name] != kind},
            dropped=tuple(name for name in self.target if self.session.fold(name) not in kept),
        )
        return self.complete(columns, diff, filled)

    def into_the_table(self, *, changes: bool) -> SchemaPlan:
        """Return the plan by which the result goes into the table that there is."""
        self._see_history(changes=changes)
        columns: list[StagedColumn] = []
        added, changed, ignored = {}, {}, []
        for column in self.fresh():
            if not self._known(column):
                if changes:
                    columns.append(column)
                    added[column.name] = column.sql
                else:
                    ignored.append(self._ignored(column))
                continue
            fitted = self._like_the_table(column)
            # No rows, or nothing but NULL, fit every type.
            if not (column.made or self._is_open(column)) and column.sql != fitted.sql:
                declared = self._declared_type(self.declared.get(self.session.fold(column.name)))
                fitted = fit(self.session, self.table, self.source, column, fitted, changes=changes, declared=declared)
            if fitted.sql != self.target[fitted.name]:
                changed[fitted.name] = (self.target[fitted.name], fitted.sql)
            elif column.sql == fitted.sql:
                fitted = column
            columns.append(fitted)
        filled = self.filled(columns, changes=changes)
        added |= {column.name: column.place.sql for column in filled if column.name not in self.target}
        diff = SchemaDiff(added=added, changed=changed, ignored=tuple(ignored))
        return self.complete(tuple(columns), diff, filled)

    def complete(
        self, columns: tuple[StagedColumn, ...], diff: SchemaDiff, filled: tuple[FilledColumn, ...]
    ) -> SchemaPlan:
        """Return the plan, or refuse a result that lacks a column that must not be NULL."""
        names = [*(column.name for column in columns), *(column.name for column in filled)]
        given = set(map(self.session.fold, names))
        lacking = [
            column.name for folded, column in self.declared.items() if not column.nullable and folded not in given
        ]
        if lacking and self.source.rows:
            raise MaterializeError(
                f"The result lacks {', '.join(lacking)}, which must not be NULL",
                hint="return every column with `nullable: false`, or declare a default",
            )
        return SchemaPlan(columns, diff, filled, self.declared)

    def filled(
        self, columns: Iterable[StagedColumn], *, rebuilt: bool = False, changes: bool = True
    ) -> tuple[FilledColumn, ...]:
        """Return the columns with defaults that the result lacks.

        Args:
            columns: The result's.
            rebuilt: Whether the header's types count, whatever the table has.
            changes: Whether columns may be added.
        """
        given = {LOAD_KEY_COLUMN, *(self.session.fold(column.name) for column in columns)}
        lacking = [column for folded, column in self.declared.items() if folded not in given]
        there = {
            folded: Place(name, self.target_arrow[name], self.target[name]) for folded, name in self.in_table.items()
        }
        filled = fill(self.session, lacking, {} if rebuilt else there, creates=changes)
        spell = self.session.spelled
        spelled = (self.in_table.get(self.session.fold(column.name), spell(column.name)) for column in filled)
        return tuple(
            replace(column, place=column.place._replace(name=name))
            for column, name in zip(filled, spelled, strict=True)
        )

    def _own(self, folded: str, index: int) -> StagedColumn:
        """Return a column with the type that the result, or the declaration, gives it."""
        arrow_field = self.source.schema.field(index)
        declared = self.declared.get(folded)
        kind = self._declared_type(declared)
        name = self.in_table.get(folded, self.session.spelled(arrow_field.name))
        try:
            if (
                declared
                and kind is not None
                and (self.enforced or not self.source.rows or pa.types.is_null(arrow_field.type))
            ):
                arrow, length = self.session.storable(kind), declared_length(declared) if self.enforced else None
                enforced = kind if self.enforced else None
            else:
                arrow, length, enforced = self.session.storable(arrow_field.type), None, None
            return StagedColumn(
                index, name, arrow, _sql_type(self.session, declared, arrow), enforced, length,
                secret=bool(declared and declared.sensitive),
                required=bool(declared and not declared.nullable) or folded == self.moment,
                collation=collation_of(declared, arrow_field.type if enforced is None else arrow),
            )  # fmt: skip
        except MaterializeError as error:
            raise MaterializeError(f"Column {name!r}: {error.message}", hint=error.hint) from error

    def _declared_type(self, column: Column | None) -> pa.DataType | None:
        if column is None or not column.type:
            return None
        kind = declared_type(column)
        if kind is None and self.enforced:
            raise MaterializeError(
                f"Column {column.name!r} has the type {column.type!r}, which enforce_schema does not know",
                hint="a common SQL type, as integer, double, decimal(18, 2), varchar, date, timestamp or json",
            )
        return kind

    def _load_key(self) -> list[StagedColumn]:
        if LOAD_KEY_COLUMN not in self.declared:
            return []
        name = self.in_table.get(LOAD_KEY_COLUMN, LOAD_KEY_COLUMN)
        return [StagedColumn(None, name, pa.string(), self.session.column_type(pa.string()), made=True)]

    def _history(self) -> list[StagedColumn]:
        made = history_columns(self.session, self.asset, self.by_name)
        return [replace(column, name=self.in_table.get(column.name, column.name)) for column in made]

    def _see_history(self, *, changes: bool) -> None:
        """Refuse a table whose rows would be neither current versions nor former ones."""
        lacking = [column.name for column in self._history() if not self._known(column)]
        if lacking and (not changes or self.session.rows(f"SELECT 1 FROM {self.session.name_of(self.table)} LIMIT 1")):
            raise MaterializeError(
                f"{self.table} lacks {', '.join(lacking)}, so nobody knows since when its rows are valid",
                hint="a full refresh begins its history with the result; or add the columns and fill them",
            )

    def _is_open(self, column: StagedColumn) -> bool:
        if column.source is None:
            return False
        return not self.source.rows or pa.types.is_null(self.source.schema.field(column.source).type)

    def _known(self, column: StagedColumn) -> bool:
        return column.name in self.target

    def _like_the_table(self, column: StagedColumn) -> StagedColumn:
        arrow = self.target_arrow[column.name]
        return replace(column, sql=self.target[column.name], arrow=column.arrow if pa.types.is_null(arrow) else arrow)

    def _ignored(self, column: StagedColumn) -> str:
        if self.mode == "freeze" and self.source.rows:
            raise MaterializeError(
                f"The result has a column {column.name!r}, which {self.table} lacks"
                + (f" ({hint})" if (hint := suggest(column.name, self.target)) else ""),
                hint="on_schema_change: evolve adds it, ignore leaves it out",
            )
        return column.name


def _sql_type(session: Session, declared: Column | None, arrow: pa.DataType) -> str:
    return session.key_type(arrow) if declared and declared.primary_key else session.column_type(arrow)
