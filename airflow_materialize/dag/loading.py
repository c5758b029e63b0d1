"""A load in a task: what it says in the log, and what it leaves behind where its checks refuse it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_materialize.dag.operators import Step
    from airflow_materialize.load.ledger import Attempt
    from airflow_materialize.report import CheckReport, LoadReport
    from airflow_materialize.staged_file import Manifest


def load_and_tell(step: Step, context: Context, manifest: Manifest, attempt: Attempt, started: datetime) -> LoadReport:
    """Load, and say what happened.

    Args:
        step: The operator.
        context: Of its task.
        manifest: What `run` handed over.
        attempt: This try at the load.
        started: When the DAG run started.

    Raises:
        MaterializeError: The load failed. Where checks refused it, the report is pushed before.
    """
    from airflow_materialize.checks.asset import ChecksFailedError
    from airflow_materialize.report import LoadReport
    from airflow_materialize.steps import load_step

    try:
        report = load_step(manifest, step.workplace(), attempt=attempt, execution_time=started, log=step.logger)
    except ChecksFailedError as error:
        checks, strategy = error.report, manifest.plan.strategy
        _tell(step, checks)
        step.report = LoadReport(checks.table, strategy, "refused", materialized=False, checks=checks).to_json()
        context["ti"].xcom_push(key="return_value", value=step.report)
        raise
    step.log.info("%s", report)
    if report.checks:
        _tell(step, report.checks)
    return report


def _tell(step: Step, report: CheckReport) -> None:
    for verdict in report.verdicts:
        (step.log.info if verdict.passed else step.log.error)("%s", verdict)
