"""Many assets, in the order of their dependencies, in this process and without a scheduler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uuid6 import uuid7

from airflow_materialize.connections import airflow_option
from airflow_materialize.definition.graph import AssetGraph
from airflow_materialize.definition.select import Selection, choose_variant, select_assets
from airflow_materialize.errors import AssetError, MaterializeError
from airflow_materialize.plan.interval import Interval, inclusive_days
from airflow_materialize.plan.planning import plan_run
from airflow_materialize.plan.run_plan import Trigger
from airflow_materialize.report import CheckReport, LoadReport, RunReport
from airflow_materialize.settings import read_settings
from airflow_materialize.steps import check_step, load_step, run_step
from airflow_materialize.workplace import Workplace

if TYPE_CHECKING:
    from airflow_materialize.definition.parsed import ParsedAsset, ParsedPipeline
    from airflow_materialize.plan.run_plan import RunPlan
    from airflow_materialize.staged_file import Manifest

STEPS = ("run", "load", "check")

log = logging.getLogger("airflow_materialize")


@dataclass
class AssetResult:
    """What happened to one asset.

    Attributes:
        name: The asset's name.
        run, load, check: The reports of the steps that were done.
        staged: Where the staged file lies, as long as it is kept.
        error: What ended it; None where all went well.
        skipped: The asset upstream that failed, where it was not started because of that.
        disabled: Whether its header says that it does not run. What depends on it runs all the same.
    """

    name: str
    run: RunReport | None = None
    load: LoadReport | None = None
    check: CheckReport | None = None
    staged: Path | None = None
    error: MaterializeError | None = None
    skipped: str = ""
    disabled: bool = False

    @property
    def success(self) -> bool:
        """Whether it was done and all of its checks hold. A disabled one has nothing to do."""
        return not (self.error or self.skipped)


Watcher = Callable[[AssetResult, str], None]
"""Called after each step of each asset with what is known by then, and the step's name."""


@dataclass
class MaterializeResult:
    """What happened to all assets of one call.

    Attributes:
        run_id: The id of this run.
        assets: What happened to each, in the order in which they were done.
    """

    run_id: str
    assets: dict[str, AssetResult] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        """Whether every asset was done and every check holds."""
        return all(asset.success for asset in self.assets.values())

    def rows(self, name: str) -> int:
        """Return how many rows an asset's result had."""
        run = self.assets[name].run
        return run.rows if run else 0

    def checks(self, name: str) -> CheckReport | None:
        """Return what the checks of an asset said; None where none were asked."""
        return self.assets[name].check


def materialize(  # noqa: PLR0913  # the choices of one run
    assets: str | Path | Iterable[str | Path],
    *,
    start: str = "",
    end: str = "",
    full_refresh: bool = False,
    connections: Mapping[str, str] | None = None,
    variables: Mapping[str, Any] | None = None,
    variant: str = "",
    only: Iterable[str] = STEPS,
    raise_on_error: bool = True,
    watch: Watcher = lambda _asset, _step: None,
) -> MaterializeResult:
    """Run assets with their dependencies in order. Each call is a run of its own id.

    A failed asset stops only what depends on it. Connections come from Airflow's environment and secrets backends.

    Args:
        assets: Files of assets, pipelines, or folders of pipelines.
        start: First day of the interval, as `2026-04-01`; yesterday unless said.
        end: Its last day, included.
        full_refresh: Rebuild the tables from their start dates.
        connections: URLs that stand in for connection ids, as `{"warehouse": "duckdb:///tmp/shop.duckdb"}`.
        variables: Values for variables of the pipeline.
        variant: Which variant to run, where the pipeline has some.
        only: The steps to do: `run`, `load`, `check`. `load` without `run` takes the asset's newest kept file.
        raise_on_error: Raise the first error after all assets are done.
        watch: Called after each step.

    Raises:
        AssetError: An asset is invalid, or a path names none.
        MaterializeError: An asset or a check failed, or there is no such variant.
    """
    paths = [assets] if isinstance(assets, str | Path) else list(assets)
    yesterday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    default = Interval(yesterday, yesterday + timedelta(days=1), "yesterday, as no date was given")
    trigger = Trigger(
        dag_id="",
        run_id=f"local__{uuid7()}",
        run_type="manual",
        execution_time=datetime.now(UTC),
        interval=inclusive_days(start, end, default) if start or end else default,
        start_given=bool(start),
        full_refresh=full_refresh,
        variables=dict(variables or {}),
    )
    result = MaterializeResult(trigger.run_id)
    default_connection = airflow_option("default_connection") or ""
    selections = [chosen for path in paths for chosen in select_assets(path, default_connection)]
    for selection in choose_variant(selections, variant):
        place = Workplace(selection.root, selection.pipeline.path, read_settings(airflow_option), connections or {})
        run = _Run(selection.pipeline, place, replace(trigger, dag_id=selection.pipeline.name), frozenset(only), watch)
        _in_order(selection, run, result)
    errors = [asset.error for asset in result.assets.values() if asset.error]
    if errors and raise_on_error:
        raise errors[0]
    return result


@dataclass(frozen=True)
class _Run:
    """What all assets of one pipeline share in one call."""

    pipeline: ParsedPipeline
    workplace: Workplace
    trigger: Trigger
    only: frozenset[str]
    watch: Watcher

    def asset(self, parsed: ParsedAsset) -> AssetResult:
        """Do the steps of one asset."""
        result = AssetResult(parsed.name)
        for warning in parsed.warnings:
            log.warning("%s", warning)
        try:
            if parsed.asset is None:
                raise AssetError(parsed.problems, unchanged=parsed.name)
            if parsed.asset.enabled is False:
                return self.disabled(result)
            plan = plan_run(
                parsed.asset,
                self.pipeline.pipeline,
                self.trigger,
                source=parsed.script,
                source_hash=parsed.source_hash,
                macros=self.pipeline.macros,
            )
            for note in plan.notes:
                log.info("%s", note)
            if not plan.enabled:
                return self.disabled(result)
            manifest = self.run(plan, result) if "run" in self.only else None
            if "load" in self.only and plan.asset.is_table:
                self.load(plan, manifest, result)
            if "check" in self.only:
                self.check(plan, result)
        except MaterializeError as error:
            result.error = error
        return result

    def disabled(self, result: AssetResult) -> AssetResult:
        """Say that the asset's header wants it left alone."""
        result.disabled = True
        self.watch(result, "disabled")
        return result

    def run(self, plan: RunPlan, result: AssetResult) -> Manifest:
        """Run user code and keep its file."""
        from airflow_materialize.execution.containment import Child

        manifest = run_step(
            plan,
            self.workplace,
            attempt=f"{uuid7().hex}-1",
            execution_time=self.trigger.execution_time,
            child=Child(),
            log=log,
        )
        result.run = manifest.report
        if manifest.files:
            result.staged = self.workplace.settings.staged_files / manifest.files[0].path
        self.watch(result, "run")
        return manifest

    def load(self, plan: RunPlan, manifest: Manifest | None, result: AssetResult) -> None:
        """Load the file of this run, or the newest that was kept."""
        from airflow_materialize.checks.asset import ChecksFailedError
        from airflow_materialize.load.ledger import Attempt
        from airflow_materialize.staged_file import newest_manifest

        manifest = manifest or newest_manifest(self.workplace.settings.staged_files, plan.asset.name)
        if manifest is None:
            raise MaterializeError(
                f"{plan.asset.name}: no staged file is kept in {self.workplace.settings.staged_files}",
                hint="make one with --only run",
                unchanged=plan.asset.name,
            )
        attempt, started = Attempt(uuid7().hex, 1), self.trigger.execution_time
        try:
            result.load = load_step(manifest, self.workplace, attempt=attempt, execution_time=started, log=log)
        except ChecksFailedError as error:
            result.check = error.report
            raise
        result.check = result.load.checks
        result.staged = None
        self.watch(result, "load")

    def check(self, plan: RunPlan, result: AssetResult) -> None:
        """Ask the checks that the load has not asked; those that nothing waits for fail the run, too."""
        from airflow_materialize.checks.asset import has_checks, publishes_after_checks
        from airflow_materialize.checks.scan import explain

        blocking = False if result.load and publishes_after_checks(plan) else None
        if not has_checks(plan, blocking=blocking):
            return
        report = check_step(
            plan, self.workplace, blocking=blocking, execution_time=self.trigger.execution_time, log=log
        )
        asked = result.check.verdicts if result.check else []
        result.check = replace(report, verdicts=[*asked, *report.verdicts])
        self.watch(result, "check")
        if result.check.failed:
            raise MaterializeError(explain(result.check))


def _in_order(selection: Selection, run: _Run, result: MaterializeResult) -> None:
    """Do the chosen assets; what depends on a failed one is skipped."""
    graph = AssetGraph.of(selection.pipeline.assets)
    stopped: dict[str, str] = {}
    for parsed in selection.chosen:
        if parsed.name in stopped:
            result.assets[parsed.name] = AssetResult(parsed.name, skipped=stopped[parsed.name])
            run.watch(result.assets[parsed.name], "skip")
            continue
        done = result.assets[parsed.name] = run.asset(parsed)
        if done.error:
            run.watch(done, "error")
            if not (done.check and all(not verdict.blocking for verdict in done.check.failed)):
                stopped |= {name: parsed.name for name in graph.downstream(parsed.name) if name not in stopped}
