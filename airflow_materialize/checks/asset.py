"""The checks of one asset, as its plan has them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from airflow_materialize.checks.scan import explain, run_checks
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.template import bruin_names, render
from airflow_materialize.report import CheckReport

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Destination, Session, Table
    from airflow_materialize.plan.run_plan import RunPlan


class ChecksFailedError(MaterializeError):
    """Blocking checks failed inside of a load, which was taken back.

    Args:
        report: What the checks said.
    """

    def __init__(self, report: CheckReport) -> None:
        super().__init__(explain(report, kept=False))
        self.report = report


class AssetChecks:
    """Asks an asset's table.

    Args:
        destination: Where the table is.
        plan: Its header says what to check; its interval fills in the templates of custom queries.
        execution_time: When the DAG run started.
    """

    def __init__(self, destination: Destination, plan: RunPlan, execution_time: datetime) -> None:
        self._destination = destination
        self._plan = plan
        self._execution_time = execution_time

    def ask(self, session: Session, *, blocking: bool | None) -> CheckReport:
        """Ask the blocking checks (True), the others (False), or all of them (None).

        Raises:
            MaterializeError: There is no such table.
            TransientError: The connection was lost, or a lock did not come free.
        """
        names = bruin_names(self._plan, self._execution_time)
        return run_checks(
            session,
            self._destination.table(self._plan.asset.name),
            self._plan.asset.columns,
            self._plan.asset.custom_checks,
            blocking=blocking,
            render=lambda text: render(text, names),
            table_of=self._destination.table,
        )

    def before_commit(self, session: Session, table: Table) -> CheckReport:
        """Ask the blocking checks inside of a load.

        Raises:
            ChecksFailedError: Some fail.
        """
        del table  # the plan names it
        report = self.ask(session, blocking=True)
        if report.failed:
            raise ChecksFailedError(report)
        return report


def publishes_after_checks(plan: RunPlan) -> bool:
    """Whether the load asks the blocking checks, and there are any."""
    options = plan.asset.materialization
    return options is not None and options.publish == "after_checks" and has_checks(plan, blocking=True)


def has_checks(plan: RunPlan, *, blocking: bool | None) -> bool:
    """Whether there are blocking checks (True), others (False), or any (None)."""
    found = {check.blocking for column in plan.asset.columns for check in column.checks}
    found |= {check.blocking for check in plan.asset.custom_checks}
    return bool(found) if blocking is None else blocking in found
