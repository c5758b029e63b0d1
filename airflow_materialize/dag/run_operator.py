"""The operator of the step `run`: it resolves what Airflow knows, and has user code run."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, cast

from airflow_materialize.dag.operators import Step
from airflow_materialize.dag.policy import is_retried
from airflow_materialize.dag.upstream import skips, upstream_of
from airflow_materialize.errors import AssetError, MaterializeError
from airflow_materialize.settings import SECTION

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

    from airflow.sdk import Context

    from airflow_materialize.execution.containment import Child
    from airflow_materialize.manifest import Manifest
    from airflow_materialize.workplace import Workplace


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
        """Run the asset, and start with it soon."""
        with _collecting_later() as collect:
            return self.run_asset(context, collect)

    def run_asset(self, context: Context, on_started: Callable[[], None]) -> dict[str, Any]:
        """Plan the run, run user code, stage its result; unless the header, or a skip, says that it is not to run."""
        from airflow_materialize.dag.log_groups import GroupedLog
        from airflow_materialize.dag.trigger import trigger_of
        from airflow_materialize.dag.watch import ended_with_supervisor
        from airflow_materialize.execution.containment import Child
        from airflow_materialize.manifest import signed
        from airflow_materialize.plan.planning import plan_run
        from airflow_materialize.plan.upstream import follow
        from airflow_materialize.steps import run_step, skipped

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
        attempt = f"{trigger.task_instance}-{trigger.try_number}"
        if skip := follow(skips(self, context)):
            self.skip_with(skipped(plan, skip, attempt=attempt), context)
        self.child, log = Child(), GroupedLog(self.logger)

        def enter(phase: str) -> None:
            if phase != "environment":
                on_started()
            log.enter(phase)

        with ended_with_supervisor(self.child):
            manifest = run_step(
                plan,
                workplace,
                attempt=attempt,
                execution_time=trigger.execution_time,
                child=self.child,
                log=cast("logging.Logger", log),
                on_phase=enter,
                upstream=upstream_of(self, context),
            )
        if manifest.report.skip:
            self.skip_with(manifest, context)
        phases = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in manifest.report.seconds.items())
        self.log.info("%s: %s (%s)", parsed.name, manifest.report, phases)
        self.report = manifest.report.to_json()
        return signed(manifest, workplace.signer)

    def skip(self) -> NoReturn:
        """End this step as skipped, and with it the others of this asset. What depends on the asset runs."""
        from airflow.providers.common.compat.sdk import AirflowSkipException

        raise AirflowSkipException(
            f"{self.parsed.name} is disabled by its header: nothing runs, its table stays as it is"
        )

    def skip_with(self, manifest: Manifest, context: Context) -> NoReturn:
        """End this step as skipped by user code, and leave a report by which what follows decides."""
        from airflow.providers.common.compat.sdk import AirflowSkipException

        from airflow_materialize.manifest import signed

        self.report = manifest.report.to_json()
        context["ti"].xcom_push(key="return_value", value=signed(manifest, self.workplace().signer))
        raise AirflowSkipException(f"{self.parsed.name} is {manifest.report.skip}")

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


@contextmanager
def _collecting_later() -> Iterator[Callable[[], None]]:
    """Put the collection of garbage off until the given function is called.

    Airflow's own modules are so much that one look through all of them takes as long as five starts of an asset, and
    our imports would bring one about.
    """
    collect = gc.enable if gc.isenabled() else _do_nothing
    gc.disable()
    try:
        yield collect
    finally:
        collect()


def _do_nothing() -> None:
    """Leave a collector off that was off."""
