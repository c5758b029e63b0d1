"""History: the columns by which a table tells the versions of a row apart (slowly changing dimension of type 2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_materialize.definition.model.materialization import HISTORY_COLUMNS, STRATEGIES
from airflow_materialize.destinations.arrow import scalar
from airflow_materialize.load.staging import StagedColumn

if TYPE_CHECKING:
    from airflow_materialize.definition.model.asset import Asset
    from airflow_materialize.destinations.base import Session

VALID_FROM, VALID_UNTIL, IS_CURRENT = HISTORY_COLUMNS

_MOMENT = pa.timestamp("us", "UTC")
_FOR_EVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def history_columns(session: Session, asset: Asset, result: Mapping[str, int]) -> list[StagedColumn]:
    """Return the columns that the load fills: the result's rows are current from now on, or from their own moment.

    Args:
        session: An open session.
        asset: The header.
        result: The result's columns by their folded names. One that is missing is told elsewhere.
    """
    if not keeps_history(asset):
        return []
    key = moment_column(asset)
    since = result.get(session.fold(key)) if key else None
    return [
        _column(session, VALID_FROM, _MOMENT, value=None if key else datetime.now(UTC), source=since),
        _column(session, VALID_UNTIL, _MOMENT, value=_FOR_EVER),
        _column(session, IS_CURRENT, pa.bool_(), value=True),
    ]


def moment_column(asset: Asset) -> str:
    """Return the column that says since when a row is valid; empty where that is the load."""
    return asset.materialization.incremental_key if asset.materialization and keeps_history(asset) else ""


def keeps_history(asset: Asset) -> bool:
    """Whether the asset's table keeps former versions of its rows."""
    return bool(asset.materialization and STRATEGIES[asset.materialization.strategy].history)


def _column(
    session: Session, name: str, kind: pa.DataType, *, value: bool | datetime | None, source: int | None = None
) -> StagedColumn:
    arrow = session.storable(kind)
    return StagedColumn(
        source,
        name,
        arrow,
        session.column_type(arrow),
        value=None if source is not None else scalar(value, kind),
        made=True,
    )
