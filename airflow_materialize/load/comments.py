"""Comments on a table and its columns: what the header's descriptions say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_materialize.definition.model.asset import Asset
    from airflow_materialize.destinations.base import Session, Table


def comment_on(session: Session, table: Table, asset: Asset) -> None:
    """Bring the comments of a table to what its header describes; others are left alone."""
    described = {session.fold(column.name): column.description for column in asset.columns if column.description}
    if not described and not asset.description.strip():
        return
    wanted = {name: described.get(session.fold(name), "") for name in session.columns(table) or () if described}
    wanted[""] = asset.description
    there = session.comments(table)
    for name, text in wanted.items():
        if text.strip() and there.get(name) != text.strip():
            session.comment(table, name, text.strip())
