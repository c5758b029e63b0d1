"""Loads that were done before: what the ledger says about a repeated attempt, or one that never heard of its commit."""

# Names are quoted by the session, and values are bound.

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_materialize.destinations.base import UnknownOutcomeError
from airflow_materialize.destinations.discretion import PassingError, RepeatableError
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.again import again
from airflow_materialize.load.ledger import Attempt, Entry, Ledger
from airflow_materialize.load.views import target_of
from airflow_materialize.report import MOST_COUNTED, CheckReport, LoadReport

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Destination, Progress, Session, Table
    from airflow_materialize.load.staging import Source
    from airflow_materialize.plan.run_plan import RunPlan


BeforeCommit = Callable[["Session", "Table"], CheckReport | None]
"""Looks at the table, inside of the load's transaction where there is one; an exception takes the load back."""


def already_loaded(
    destination: Destination, plan: RunPlan, file_id: str, sha256: str, *, before_commit: BeforeCommit | None = None
) -> LoadReport | None:
    """Return the report of a staged file that was loaded before, or None; the file itself is not needed.

    Args:
        destination: Where the table is.
        plan: The DAG run's plan.
        file_id: What `Source.id` was.
        sha256: What `Source.sha256` was.
        before_commit: Called with the table as it is, where the file was loaded.
    """
    table = target_of(destination, plan.asset)
    with unchanged(table), destination.session(read_only=True, purpose=f"load of {table}") as session:
        entry = Ledger(session, table).find(plan.load_key) if session.kind(table) == "table" else None
        if entry is None or (entry.staged_file, entry.sha256) != (file_id, sha256):
            return None
        report = replace(report_of(session, table, entry), guarantee=destination.guarantee)
        return replace(report, checks=before_commit(session, table)) if before_commit else report


def settle(
    destination: Destination,
    plan: RunPlan,
    source: Source,
    attempt: Attempt,
    error: UnknownOutcomeError,
    say: Progress,
) -> None:
    """Ask the ledger whether a COMMIT that failed was kept.

    Raises:
        RepeatableError: It was not, as the connection was lost.
        PassingError: It was not, for another reason.
        UnknownOutcomeError: Nobody knows, as the ledger cannot be asked.
    """
    table = target_of(destination, plan.asset)

    def ask() -> Entry | None:
        with destination.session(read_only=True, purpose=f"ledger of {table}") as session:
            # Who still commits holds the lock: its row would not be seen yet.
            session.lock(table)
            return Ledger(session, table).find(plan.load_key) if session.kind(table) else None

    try:
        entry = again(ask, say)
    except MaterializeError as failure:
        raise UnknownOutcomeError(
            f"{error.message}. Whether {table} was changed is not known, as the ledger cannot be asked:"
            f" {failure.message}",
            brief=error.brief,
        ) from error
    if entry is None or (entry.attempt, entry.staged_file, entry.sha256) != (attempt, source.id, source.sha256):
        kind = RepeatableError if isinstance(error.__cause__, RepeatableError) else PassingError
        raise kind(error.message, brief=error.brief) from error


def report_of(session: Session, table: Table, entry: Entry) -> LoadReport:
    """Return the report of a load that an earlier attempt committed."""
    return LoadReport(
        str(table),
        entry.strategy,
        "already_loaded",
        materialized=False,
        rows_in=entry.rows_in,
        rows_deleted=entry.rows_deleted,
        rows_updated=entry.rows_updated,
        rows_inserted=entry.rows_inserted,
        rows_total=total_of(session, table),
    )


def total_of(session: Session, table: Table) -> int | None:
    """Return the number of rows in a table; None where they are too many to be counted beside a load."""
    count = session.count_to(table, MOST_COUNTED)
    return None if count == MOST_COUNTED + 1 else count


@contextmanager
def unchanged(table: Table) -> Iterator[None]:
    """Say in every error that the table is as it was."""
    try:
        yield
    except UnknownOutcomeError:
        raise
    except MaterializeError as error:
        error.unchanged = error.unchanged or str(table)
        raise
    except (pa.ArrowException, OSError) as error:
        raise MaterializeError(f"The result cannot be read: {error}", unchanged=str(table)) from error
