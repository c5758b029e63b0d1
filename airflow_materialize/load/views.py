"""A view over the table that holds the rows: what readers see where the header's type is `view`."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from airflow_materialize.destinations.spelling import Table
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.definition.model.asset import Asset
    from airflow_materialize.destinations.base import Destination, Session
    from airflow_materialize.load.changes import SchemaDiff

PREFIX = "_materialize_data_"
"""How the name of a table below a view begins."""

_BYTES, _DIGITS = 44, 8


def target_of(destination: Destination, asset: Asset) -> Table:
    """Return the table that takes an asset's rows: its own, or the one below its view."""
    table = destination.table(asset.name)
    if asset.materialization is None or asset.materialization.type != "view":
        return table
    return replace(table, name=PREFIX + _short(table.name), view=table.name)


def check_place(session: Session, table: Table) -> str:
    """Return what stands under the name of the table with the rows, and refuse what does not belong there.

    Raises:
        MaterializeError: There is a view in the place of a table, or a table in the place of a view.
    """
    if table.view and session.kind(_view(table)) == "table":
        raise MaterializeError(
            f"{table} is a table, and its header's type is view", hint="drop it, or let the type be table"
        )
    kind = session.kind(table)
    if kind == "view":
        raise MaterializeError(
            f"{table} is a view", hint="drop it, give the asset another name, or let its type be view"
        )
    return kind


def hide_view(session: Session, table: Table, diff: SchemaDiff) -> None:
    """Take the view away before the columns below it change, where the transaction hides that from readers."""
    if table.view and diff and session.changes_roll_back and session.kind(_view(table)) == "view":
        session.drop_view(_view(table))


def show_view(session: Session, table: Table, diff: SchemaDiff) -> None:
    """Let the view have the columns that the table below it has now."""
    if not table.view:
        return
    names = list(session.columns(table) or ())
    if diff or list(session.columns(_view(table)) or ()) != names:
        session.create_view(_view(table), table, names)


def _view(table: Table) -> Table:
    return replace(table, name=table.view, view="")


def _short(name: str) -> str:
    """Return a name that fits behind the prefix in every database: long ones end in a part of their hash."""
    encoded = name.encode()
    if len(encoded) <= _BYTES:
        return name
    return f"{encoded[: _BYTES - _DIGITS - 1].decode(errors='ignore')}_{sha256(encoded).hexdigest()[:_DIGITS]}"
