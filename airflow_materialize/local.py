"""Many assets, in the order of their dependencies, in this process and without a scheduler."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from uuid6 import uuid7

from airflow_materialize.connections import airflow_option, signing_key
from airflow_materialize.definition.project.graph import AssetGraph
from airflow_materialize.definition.project.select import Selection, choose_variant, select_assets
from airflow_materialize.errors import AssetError, MaterializeError
from airflow_materialize.plan.interval import Interval, inclusive_days
from airflow_materialize.plan.planning import plan_run
from airflow_materialize.plan.run_plan import Trigger
from airflow_materialize.plan.upstream import Said, Upstream, follow
from airflow_materialize.report import Skip
from airflow_materialize.results import AssetResult, MaterializeResult, Watcher
from airflow_materialize.settings import read_settings
from airflow_materialize.steps import check_step, load_step, run_step
from airflow_materialize.workplace import Workplace

if TYPE_CHECKING:
    from airflow_materialize.definition.model.parsed import ParsedAsset, ParsedPipeline
    from airflow_materialize.plan.run_plan import RunPlan
    from airflow_materialize.staged_file import Manifest

STEPS = ("run", "load", "check")

log = logging.getLogger("airflow_materialize")


def materialize(  # noqa: PLR0913  # the choices of one run
    assets: str | Path | Iterable[str | Path],
    *,
    start: str = "",
    end: str = "",
    full_refresh: bool = False,
    connections: Mapping[str, str] | None = None,
    variables: Mapping[str, Any] | None = None,
    variant: str = "",
    partition_key: str = "",
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
        partition_key: The partition that the run is about; its dates are given by `start` and `end`.
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
        partition_key=partition_key,
    )
    result = MaterializeResult(trigger.run_id)
    default_connection = airflow_option("default_connection") or ""
    selections = [chosen for path in paths for chosen in select_assets(path, default_connection)]
    for selection in choose_variant(selections, variant):
        settings, secret = read_settings(airflow_option), signing_key()
        place = Workplace(selection.root, selection.pipeline.path, settings, connections or {}, secret)
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

    def asset(self, parsed: ParsedAsset, upstream: _Upstream) -> AssetResult:
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
            self.steps(plan, result, upstream)
        except MaterializeError as error:
            result.error = error
        return result

    def steps(self, plan: RunPlan, result: AssetResult, upstream: _Upstream) -> None:
        """Do the chosen steps, unless there is nothing to do."""
        manifest = None
        if "run" in self.only:
            result.skip = follow(upstream.skips)
            if result.skip:
                self.watch(result, "skipped")
            else:
                manifest = self.run(plan, result, upstream.words)
        if "load" in self.only and plan.asset.is_table and not result.skip:
            self.load(plan, manifest, result)
        if "check" in self.only and not result.skip:
            self.check(plan, result)

    def disabled(self, result: AssetResult) -> AssetResult:
        """Say that the asset's header wants it left alone."""
        result.disabled = True
        self.watch(result, "disabled")
        return result

    def run(self, plan: RunPlan, result: AssetResult, upstream: Upstream) -> Manifest:
        """Run user code and keep its file."""
        from airflow_materialize.execution.containment import Child

        manifest = run_step(
            plan,
            self.workplace,
            attempt=f"{uuid7().hex}-1",
            execution_time=self.trigger.execution_time,
            child=Child(),
            log=log,
            upstream=upstream,
        )
        result.run, result.skip = manifest.report, manifest.report.skip
        if manifest.files:
            result.staged = self.workplace.settings.staged_files / manifest.files[0].path
        self.watch(result, "run")
        return manifest

    def load(self, plan: RunPlan, manifest: Manifest | None, result: AssetResult) -> None:
        """Load the file of this run, or the newest that was kept."""
        from airflow_materialize.checks.asset import ChecksFailedError
        from airflow_materialize.load.ledger import Attempt
        from airflow_materialize.staged_file import newest_manifest

        manifest = manifest or newest_manifest(
            self.workplace.settings.staged_files, plan.asset.name, self.workplace.signer
        )
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
    own: dict[str, AssetResult] = {}
    for parsed in selection.chosen:
        if parsed.name in stopped:
            result.assets[parsed.name] = AssetResult(parsed.name, skipped=stopped[parsed.name])
            run.watch(result.assets[parsed.name], "skip")
            continue
        done = own[parsed.name] = result.assets[parsed.name] = run.asset(parsed, _upstream(parsed.name, graph, own))
        if done.error:
            run.watch(done, "error")
            if not (done.check and all(not verdict.blocking for verdict in done.check.failed)):
                stopped |= {name: parsed.name for name in graph.downstream(parsed.name) if name not in stopped}


class _Upstream(NamedTuple):
    """What an asset waits for: the skips of what it depends on, and the words of all before it."""

    skips: dict[str, Skip | None]
    words: Upstream


def _upstream(name: str, graph: AssetGraph, done: Mapping[str, AssetResult]) -> _Upstream:
    """Return what an asset waits for. What is not part of this call counts as there."""

    def said(other: str) -> Said | None:
        found = done.get(other)
        # One that failed is not asked about, unless by a check that nothing waits for.
        return Said(found.run, found.load) if found and found.run else None

    skips = {other: done[other].skip if other in done else None for other in graph.depends[name]}
    return _Upstream(skips, Upstream(graph.upstream(name), frozenset(graph.depends), said))
