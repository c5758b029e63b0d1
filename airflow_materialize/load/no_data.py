"""What is right where `materialize()` gave no data."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_materialize.destinations.discretion import discreet
from airflow_materialize.load.again import again
from airflow_materialize.load.comments import comment_on
from airflow_materialize.load.creation import apply_schema
from airflow_materialize.load.ledger import Ledger
from airflow_materialize.load.repeat import BeforeCommit, total_of, unchanged
from airflow_materialize.load.schema import plan_empty_table
from airflow_materialize.load.views import check_place, show_view, target_of
from airflow_materialize.report import LoadReport

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Destination, Progress
    from airflow_materialize.plan.run_plan import RunPlan

log = logging.getLogger(__name__)


def load_nothing(
    destination: Destination,
    plan: RunPlan,
    *,
    before_commit: BeforeCommit | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """Do what is right where `materialize()` gave no data: the table stays as it is.

    It is created empty where it is missing and every column declares its type.

    Args:
        destination: Where the table is.
        plan: The DAG run's plan.
        before_commit: Called with the table as it stays, where there is one.
        progress: Takes sentences for the log; the module's log unless given.

    Raises:
        MaterializeError: The table cannot be created.
    """
    table, say = target_of(destination, plan.asset), progress or log.info
    started, purpose = time.monotonic(), f"load of {table}"

    def once() -> LoadReport:
        changes, checks = [], None
        total: int | None = 0
        with destination.session(read_only=True, purpose=purpose, progress=say) as session:
            exists = check_place(session, table) != ""
            total = total_of(session, table) if exists else 0
            schema = None if exists else plan_empty_table(session, plan.asset)
            if exists and before_commit:
                checks = before_commit(session, table)
        if schema:
            with destination.session(purpose=purpose, progress=say) as session, session.transaction():
                session.lock(table)
                if session.kind(table) == "":
                    ledger = Ledger(session, table)
                    ledger.create()
                    ledger.forget()
                    apply_schema(session, table, schema, plan.asset)
                    show_view(session, table, schema.diff)
                    comment_on(session, table, plan.asset)
                    changes = schema.diff.sentences()
                checks = before_commit(session, table) if before_commit else None
        return LoadReport(
            str(table), plan.strategy, "no_data", materialized=bool(changes), rows_total=total, schema_changes=changes,
            checks=checks,
        )  # fmt: skip

    with discreet(plan.asset.columns), unchanged(table):
        report = again(once, say)
    return replace(report, seconds=round(time.monotonic() - started, 3), guarantee=destination.guarantee)
