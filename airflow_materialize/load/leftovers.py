"""What loads that died left in a database: removed beside each table, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow_materialize.load.views import target_of

if TYPE_CHECKING:
    from airflow_materialize.definition.model.asset import Asset
    from airflow_materialize.destinations.base import Destination


def clean(destination: Destination, assets: Iterable[Asset]) -> list[str]:
    """Remove what loads that died left beside the tables of some assets, and say what that was.

    Staging tables are temporary everywhere, and most databases take everything back with the transaction. Elsewhere,
    who takes the lock of a table settles what is left of it, as the next load would; a load that runs holds that lock,
    and is waited for.

    Args:
        destination: Where the tables are.
        assets: Whose they are.

    Raises:
        MaterializeError: The database cannot be opened, or a leftover not be removed.
    """
    with destination.session(read_only=True, purpose="a look for leftovers") as session:
        if session.changes_roll_back:
            return []
        tables = [table for table in (target_of(destination, asset) for asset in assets) if session.kind(table)]
    said: list[str] = []
    for table in tables:
        purpose = f"leftovers of {table}"
        with destination.session(purpose=purpose, progress=said.append) as session, session.transaction():
            session.lock(table)
    return said
