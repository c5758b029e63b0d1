"""The operators of the steps: they resolve what Airflow knows and call `steps`."""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.sdk import BaseOperator

from airflow_materialize.errors import AssetError, MaterializeError, TransientError
from airflow_materialize.settings import SECTION

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context

    from airflow_materialize.definition.parsed import ParsedAsset, ParsedPipeline
    from airflow_materialize.execution.process import Child
    from airflow_materialize.load.ledger import Attempt
    from airflow_materialize.plan.run_plan import RunPlan
    from airflow_materialize.staged_file import Manifest
    from airflow_materialize.steps import Workplace


class Step(BaseOperator):
    """What the operators of all steps share.

    Args:
        parsed: The asset as its header says it now.
        pipeline: The pipeline that it belongs to.
        root: The folder of all pipelines.
    """

    template_fields = ("source_hash", "report")
    template_fields_renderers: ClassVar[dict[str, str]] = {"report": "json"}
    # `execute` fills in `report`, so what a step did stands under Rendered Templates.
    overwrite_rtif_after_execution = True

    def __init__(self, *, parsed: ParsedAsset, pipeline: ParsedPipeline, root: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parsed = parsed
        self.pipeline = pipeline
        self.root = root
        self.source_hash = parsed.source_hash
        self.report: dict[str, Any] | None = None

    def execute(self, context: Context) -> Any:
        """Do the step. What may pass by itself is retried, everything else fails at once."""
        from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

        try:
            return self.do(context)
        except MaterializeError as error:
            kind = AirflowException if self.may_pass(error) else AirflowFailException
            raise kind(str(error)) from None

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
        from airflow_materialize.connections import airflow_option
        from airflow_materialize.settings import read_settings
        from airflow_materialize.steps import Workplace

        return Workplace(self.root, self.pipeline.path, read_settings(airflow_option))

    def manifest(self, context: Context) -> Manifest:
        """Return what `run` handed over in this DAG run.

        Raises:
            MaterializeError: There is none, or it is that of another asset or run.
        """
        from airflow_materialize.staged_file import Manifest

        name, run = self.parsed.name, f"{self.task_id.rpartition('.')[0]}.run"
        handed = context["ti"].xcom_pull(task_ids=run)
        hint = f"clear the task {run} too"
        if handed is None:
            raise MaterializeError(f"{name}: `run` has handed nothing over in this DAG run", hint=hint, unchanged=name)
        manifest = Manifest.from_json(handed)
        plan, dag_run = manifest.plan, context["dag_run"]
        if (plan.asset.name, plan.dag_id, plan.run_id) != (name, dag_run.dag_id, dag_run.run_id):
            raise MaterializeError(
                f"{name}: the manifest is that of {plan.asset.name} in the run {plan.run_id} of {plan.dag_id}",
                hint=hint,
                unchanged=name,
            )
        return manifest


class MaterializeOperator(Step):
    """Runs an asset's code in its own environment and hands its result over as an Arrow file.

    The XCom is the manifest. A failure of user code may pass at the next try, so Airflow's `retries` apply to it; a
    header that is wrong fails at once.
    """

    custom_operator_name = "run"
    child: Child | None = None

    def may_pass(self, error: MaterializeError) -> bool:
        """Whether another try may succeed: always, unless the header itself is wrong."""
        return not isinstance(error, AssetError)

    def do(self, context: Context) -> dict[str, Any]:
        """Plan the run, run user code, stage its result."""
        from airflow_materialize.dag.trigger import trigger_of
        from airflow_materialize.execution.process import Child
        from airflow_materialize.plan.planning import plan_run
        from airflow_materialize.steps import run_step

        parsed, workplace = self.parsed, self.workplace()
        for warning in parsed.warnings:
            self.log.warning("%s", warning)
        if parsed.asset is None:
            raise AssetError(parsed.problems, unchanged=parsed.name)
        self.refuse_lonely_folder(workplace)
        trigger = trigger_of(context)
        plan = plan_run(
            parsed.asset, self.pipeline.pipeline, trigger, source=parsed.script, source_hash=parsed.source_hash
        )
        for sentence in (f"Interval: {plan.interval or 'none'}", *plan.notes):
            self.log.info("%s", sentence)
        self.child = Child()
        manifest = run_step(
            plan,
            workplace,
            attempt=f"{trigger.task_instance}-{trigger.try_number}",
            execution_time=trigger.execution_time,
            child=self.child,
            log=self.logger,
        )
        phases = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in manifest.report.seconds.items())
        self.log.info("%s: %s (%s)", parsed.name, manifest.report, phases)
        self.report = manifest.report.to_json()
        return manifest.to_json()

    def refuse_lonely_folder(self, workplace: Workplace) -> None:
        """Fail where the load may run on a machine that does not see the staged file."""
        from airflow.providers.common.compat.sdk import conf

        executors = {name.rpartition(":")[2].rpartition(".")[2] for name in conf.getlist("core", "executor")}
        if not self.parsed.shape.table or workplace.settings.staged_files_shared or executors <= {"LocalExecutor"}:
            return
        raise MaterializeError(
            f"{self.parsed.name}: staged files are kept in {workplace.settings.staged_files}, "
            f"which another worker of {', '.join(sorted(executors))} may not see",
            hint=f"point [{SECTION}] staged_files to a folder that every worker mounts and set staged_files_shared",
            unchanged=self.parsed.name,
        )

    def on_kill(self) -> None:
        """End the asset's process with everything that it started. `execute` raises afterwards."""
        if self.child is not None:
            self.child.kill()


class LoadOperator(Step):
    """Loads the staged file into the table with the strategy of the frozen run plan."""

    custom_operator_name = "load"

    def do(self, context: Context) -> dict[str, Any]:
        """Load, and return the report as plain data."""
        from airflow_materialize.steps import load_step

        report = load_step(self.manifest(context), self.workplace(), attempt=_attempt_of(context), log=self.logger)
        self.log.info("%s", report)
        self.report = report.to_json()
        return self.report


class CheckOperator(Step):
    """Asks the table whether it keeps the asset's checks.

    Args:
        blocking: Which checks: those that others wait for, or the rest.
    """

    custom_operator_name = "check"

    def __init__(self, *, blocking: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.blocking = blocking

    def do(self, context: Context) -> dict[str, Any]:
        """Check, report each check in the log, and fail with all that fail."""
        from airflow_materialize.checks.scan import explain
        from airflow_materialize.steps import check_step

        plan = self.plan(context)
        report = check_step(
            plan, self.workplace(), blocking=self.blocking, execution_time=_execution_time(context), log=self.logger
        )
        self.report = report.to_json()
        for verdict in report.verdicts:
            (self.log.info if verdict.passed else self.log.error)("%s", verdict)
        if report.failed:
            context["ti"].xcom_push(key="return_value", value=self.report)
            raise MaterializeError(explain(report))
        return self.report

    def plan(self, context: Context) -> RunPlan:
        """Return the frozen plan; when the step is executed again, with the header as it stands now.

        A person who clears a check has most likely mended it. A header that cannot be read changes nothing.
        """
        frozen = self.manifest(context).plan
        if context["ti"].try_number == 1 or self.parsed.asset is None:
            return frozen
        return replace(frozen, asset=self.parsed.asset)


def _attempt_of(context: Context) -> Attempt:
    from airflow_materialize.load.ledger import Attempt

    task = context["ti"]
    return Attempt(task.id.hex, task.try_number)


def _execution_time(context: Context) -> datetime:
    dag_run = context["dag_run"]
    return dag_run.start_date or dag_run.run_after
