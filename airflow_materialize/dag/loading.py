"""A load in a task: what it says in the log, and what it leaves behind where its checks refuse it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_materialize.dag.operators import Step
    from airflow_materialize.report import CheckReport, LoadReport
    from airflow_materialize.staged_file import Manifest


def load_and_tell(step: Step, context: Context, manifest: Manifest) -> LoadReport:
    """Load, and say what happened.

    Args:
        step: The operator.
        context: Of its task.
        manifest: What `run` handed over.

    Raises:
        MaterializeError: The load failed. Where checks refused it, the report is pushed before.
    """
    from airflow_materialize.checks.asset import ChecksFailedError
    from airflow_materialize.load.ledger import Attempt
    from airflow_materialize.report import LoadReport
    from airflow_materialize.steps import LOAD_SECONDS, load_step

    try:
        task, limit = context["ti"], own_limit(step, LOAD_SECONDS)
        attempt, started = Attempt(task.id.hex, task.try_number), execution_time(context)
        report = load_step(
            manifest, step.workplace(), attempt=attempt, execution_time=started, log=step.logger, limit=limit
        )
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


def execution_time(context: Context) -> datetime:
    """Return when the DAG run started."""
    dag_run = context["dag_run"]
    return dag_run.start_date or dag_run.run_after


def own_limit(step: Step, seconds: float) -> float | None:
    """Return how long a step may take; None where Airflow's `execution_timeout` says it."""
    return None if step.execution_timeout else seconds


def _tell(step: Step, report: CheckReport) -> None:
    for verdict in report.verdicts:
        (step.log.info if verdict.passed else step.log.error)("%s", verdict)
