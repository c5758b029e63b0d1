"""The operators of the steps: they resolve what Airflow knows and call `steps`."""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, cast

from airflow.sdk import BaseOperator

from airflow_materialize.dag.events import say
from airflow_materialize.dag.loading import execution_time, load_and_tell, own_limit
from airflow_materialize.dag.policy import is_retried, narrowed, patience
from airflow_materialize.errors import AssetError, MaterializeError, TransientError
from airflow_materialize.settings import SECTION

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context

    from airflow_materialize.definition.parsed import Asked, ParsedAsset, ParsedPipeline
    from airflow_materialize.execution.containment import Child
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
        raise ending(error, may_pass=self.may_pass(error), overdue=overdue)

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
        from airflow_materialize.connections import airflow_option
        from airflow_materialize.settings import read_settings
        from airflow_materialize.workplace import Workplace

        return Workplace(self.root, self.pipeline.path, read_settings(airflow_option))

    def sibling(self, step: str) -> str:
        """Return the id of another step of the same asset."""
        return f"{self.task_id.rpartition('.')[0]}.{step}"

    def handed(self, context: Context, step: str) -> Any:
        """Return what another step of the same asset left in this DAG run; None where it has left nothing."""
        return context["ti"].xcom_pull(task_ids=self.sibling(step))

    def manifest(self, context: Context) -> Manifest:
        """Return what `run` handed over in this DAG run.

        Raises:
            MaterializeError: There is none, or it is that of another asset or run.
        """
        from airflow_materialize.staged_file import Manifest

        name = self.parsed.name
        handed = self.handed(context, "run")
        hint = f"clear the task {self.sibling('run')} too"
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

    def overdue(self) -> MaterializeError:
        """Return how far user code came, where it had begun."""
        return (self.child and self.child.failure) or super().overdue()

    def may_pass(self, error: MaterializeError) -> bool:
        """Whether another try may succeed: unless the header itself is wrong, or says that this error is final."""
        return not isinstance(error, AssetError) and is_retried(self.parsed.asset, error.kinds)

    def do(self, context: Context) -> dict[str, Any]:
        """Plan the run, run user code, stage its result; unless the header says that it is not to run."""
        from airflow_materialize.dag.log_groups import GroupedLog
        from airflow_materialize.dag.trigger import trigger_of
        from airflow_materialize.execution.containment import Child
        from airflow_materialize.plan.planning import plan_run
        from airflow_materialize.steps import run_step

        parsed, workplace = self.parsed, self.workplace()
        for warning in parsed.warnings:
            self.log.warning("%s", warning)
        if parsed.asset is None:
            raise AssetError(parsed.problems, unchanged=parsed.name)
        if parsed.asset.enabled is False:
            self.skip()
        self.refuse_lonely_folder(workplace)
        trigger = trigger_of(context, self.pipeline.pipeline)
        made_of = {"source": parsed.script, "source_hash": parsed.source_hash, "macros": self.pipeline.macros}
        plan = plan_run(parsed.asset, self.pipeline.pipeline, trigger, **made_of)
        for sentence in (f"Interval: {plan.interval or 'none'}", *plan.notes):
            self.log.info("%s", sentence)
        if not plan.enabled:
            self.skip()
        self.child, log = Child(), GroupedLog(self.logger)
        manifest = run_step(
            plan,
            workplace,
            attempt=f"{trigger.task_instance}-{trigger.try_number}",
            execution_time=trigger.execution_time,
            child=self.child,
            log=cast("logging.Logger", log),
            on_phase=log.enter,
        )
        phases = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in manifest.report.seconds.items())
        self.log.info("%s: %s (%s)", parsed.name, manifest.report, phases)
        self.report = manifest.report.to_json()
        return manifest.to_json()

    def skip(self) -> NoReturn:
        """End this step as skipped, and with it the others of this asset. What depends on the asset runs."""
        from airflow.providers.common.compat.sdk import AirflowSkipException

        raise AirflowSkipException(
            f"{self.parsed.name} is disabled by its header: nothing runs, its table stays as it is"
        )

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
        manifest = self.manifest(context)
        report = load_and_tell(self, context, manifest)
        self.report = report.to_json()
        say(context, self.report, manifest.plan)
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
            say(context, self.handed(context, "load"), plan)
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
            say(context, self.handed(context, "load"), self.manifest(context).plan)


def _tries_before(context: Context) -> int:
    """Return how often the step was tried since a person cleared it, this try left out."""
    task = context["ti"]
    # Airflow counts tries on after a clear, and adds the task's retries to them.
    return task.try_number - 1 - ((task.max_tries or 0) - (context["task"].retries or 0))
