"""The operators of the steps after `run`, and what all share: they resolve what Airflow knows and call `steps`."""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from airflow.sdk import BaseOperator

from airflow_materialize.dag.events import say
from airflow_materialize.dag.loading import execution_time, load_and_tell, own_limit
from airflow_materialize.dag.policy import narrowed, patience
from airflow_materialize.errors import MaterializeError, TransientError

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context

    from airflow_materialize.definition.model.parsed import Asked, ParsedAsset, ParsedPipeline
    from airflow_materialize.plan.run_plan import RunPlan
    from airflow_materialize.staged_file import Manifest
    from airflow_materialize.workplace import Workplace


class Step(BaseOperator):
    """What the operators of all steps share.

    Attributes:
        parsed: The asset as its header says it now.
        pipeline: The pipeline that it belongs to.
        root: The folder of all pipelines.
        source_hash: Of all that the asset is made of.
        report: What the step did; None before it has done it.
    """

    parsed: ParsedAsset
    pipeline: ParsedPipeline
    root: Path
    source_hash: str
    report: dict[str, Any] | None

    custom_operator_name: ClassVar[str]
    template_fields = ("source_hash", "report")
    template_fields_renderers: ClassVar[dict[str, str]] = {"report": "json"}
    # `execute` fills in `report`, so what a step did stands under Rendered Templates.
    overwrite_rtif_after_execution = True

    @classmethod
    def of(cls, parsed: ParsedAsset, pipeline: ParsedPipeline, root: Path, /, **arguments: Any) -> Self:
        """Make the task. Airflow merges all defaults for each constructor on its way up, so there is one alone."""
        task = cls(**arguments)
        task.parsed = parsed
        task.pipeline = pipeline
        task.root = root
        task.source_hash = parsed.source_hash
        task.report = None
        return task

    def execute(self, context: Context) -> Any:
        """Do the step. What may pass by itself is retried, everything else fails at once."""
        from airflow.providers.common.compat.sdk import AirflowTaskTimeout

        from airflow_materialize.dag.ending import ending

        try:
            return self.do(context)
        except MaterializeError as failure:
            error, overdue = failure, False
        except AirflowTaskTimeout:
            error, overdue = self.overdue(), True
        error.phase = error.phase or self.custom_operator_name
        self.log.error("%s", error)
        # Airflow does so for callbacks, but not in `dags test` before 3.3.
        told = context["exception"] = ending(error, may_pass=self.may_pass(error), overdue=overdue)
        raise told

    def overdue(self) -> MaterializeError:
        """Return what there is to say where Airflow's timeout has ended the step."""
        from airflow_materialize.dag.ending import overdue

        return overdue(self.parsed, self.custom_operator_name, self.execution_timeout)

    @abstractmethod
    def do(self, context: Context) -> Any:
        """Do the work of this step and return its XCom."""

    def may_pass(self, error: MaterializeError) -> bool:
        """Whether another try may succeed."""
        return isinstance(error, TransientError)

    @property
    def logger(self) -> logging.Logger:
        """The task's log. Airflow's own has the methods of a standard logger and not its type."""
        return cast("logging.Logger", self.log)

    def workplace(self) -> Workplace:
        """Return where the pipeline's files are and where its products go."""
        from airflow_materialize.connections import airflow_option, signing_key
        from airflow_materialize.settings import read_settings
        from airflow_materialize.workplace import Workplace

        return Workplace(self.root, self.pipeline.path, read_settings(airflow_option), secret=signing_key())

    def sibling(self, step: str) -> str:
        """Return the id of another step of the same asset."""
        return f"{self.task_id.rpartition('.')[0]}.{step}"

    def handed(self, context: Context, step: str) -> Any:
        """Return what another step of the same asset left in this DAG run; None where it has left nothing."""
        return context["ti"].xcom_pull(task_ids=self.sibling(step))

    def manifest(self, context: Context) -> Manifest:
        """Return what `run` handed over in this DAG run.

        Raises:
            MaterializeError: There is none, it is not the one that `run` made, or it is that of another asset or run.
        """
        from airflow_materialize.manifest import opened

        name = self.parsed.name
        handed = self.handed(context, "run")
        hint = f"clear the task {self.sibling('run')} too"
        if handed is None:
            raise MaterializeError(f"{name}: `run` has handed nothing over in this DAG run", hint=hint, unchanged=name)
        manifest = opened(handed, self.workplace().signer, name)
        plan, dag_run = manifest.plan, context["dag_run"]
        if (plan.asset.name, plan.dag_id, plan.run_id) != (name, dag_run.dag_id, dag_run.run_id):
            raise MaterializeError(
                f"{name}: the manifest is that of {plan.asset.name} in the run {plan.run_id} of {plan.dag_id}",
                hint=hint,
                unchanged=name,
            )
        return manifest


class LoadOperator(Step):
    """Loads the staged file into the table with the strategy of the frozen run plan."""

    custom_operator_name = "load"

    def do(self, context: Context) -> dict[str, Any]:
        """Load, and return the report as plain data."""
        manifest = self.manifest(context)
        report = load_and_tell(self, context, manifest)
        self.report = report.to_json()
        say(context, self.report, manifest)
        return self.report


class CheckOperator(Step):
    """Asks the table whether it keeps the asset's checks.

    Attributes:
        blocking: Which checks: those that others wait for, or the rest.
        asked: The one check that this step is about, in place of them.
    """

    custom_operator_name = "check"
    blocking = True
    asked: Asked | None = None
    tries_left = 0

    def do(self, context: Context) -> dict[str, Any]:
        """Check, report each check in the log, and fail with all that fail."""
        from airflow_materialize.checks.scan import explain
        from airflow_materialize.steps import CHECK_SECONDS, check_step

        plan, blocking = self.plan(context), None if self.asked else self.blocking
        limit, started = own_limit(self, CHECK_SECONDS), execution_time(context)
        report = check_step(
            plan, self.workplace(), blocking=blocking, execution_time=started, log=self.logger, limit=limit
        )
        self.report = report.to_json()
        for verdict in report.verdicts:
            (self.log.info if verdict.passed else self.log.error)("%s", verdict)
        if report.failed:
            context["ti"].xcom_push(key="return_value", value=self.report)
            self.tries_left = patience(plan.asset, report.failed) - _tries_before(context)
            raise MaterializeError(explain(report))
        if self.outlets:
            say(context, self.handed(context, "load"), self.manifest(context))
        return self.report

    def may_pass(self, error: MaterializeError) -> bool:
        """Whether another try may succeed: also where a check that fails is to be asked again."""
        return super().may_pass(error) or self.tries_left > 0

    def plan(self, context: Context) -> RunPlan:
        """Return the frozen plan; when the step is executed again, with the header as it stands now.

        A person who clears a check has most likely mended it. A header that cannot be read changes nothing.
        """
        frozen = self.manifest(context).plan
        asset = frozen.asset if context["ti"].try_number == 1 else self.parsed.asset or frozen.asset
        return replace(frozen, asset=narrowed(asset, self.asked) if self.asked else asset)


class GateOperator(Step):
    """Brings the checks of an asset together where each is a task of its own: it ends well when all have."""

    custom_operator_name = "check"

    def do(self, context: Context) -> None:
        """Say what was loaded: all checks have been asked."""
        if self.outlets:
            say(context, self.handed(context, "load"), self.manifest(context))


def _tries_before(context: Context) -> int:
    """Return how often the step was tried since a person cleared it, this try left out."""
    task = context["ti"]
    # Airflow counts tries on after a clear, and adds the task's retries to them.
    return task.try_number - 1 - ((task.max_tries or 0) - (context["task"].retries or 0))
