"""The figures of the last load of an asset's own table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from airflow_materialize.sdk.channel import line


@dataclass(frozen=True)
class LastLoad:
    """The newest load that was committed and that the table still holds.

    Attributes:
        run_id: The DAG run that it belongs to.
        strategy: How it was loaded.
        interval_start, interval_end: The half-open interval of that DAG run, in UTC; None where it had none.
        rows_in: Rows of the result.
        rows_inserted, rows_updated, rows_deleted: Rows of the table that it touched.
        committed_at: When, in UTC.
    """

    run_id: str
    strategy: str
    interval_start: datetime | None
    interval_end: datetime | None
    rows_in: int
    rows_inserted: int
    rows_updated: int
    rows_deleted: int
    committed_at: datetime | None


_MOMENTS = ("interval_start", "interval_end", "committed_at")


def ask_last_load() -> LastLoad | None:
    """Ask the worker, which reads the ledger beside the table.

    Raises:
        QueryError: The database does not answer, or no worker listens.
    """
    load = line().look_up("last_load").get("load")
    return None if load is None else LastLoad(**{**load, **{name: _moment(load[name]) for name in _MOMENTS}})


def _moment(text: Any) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
