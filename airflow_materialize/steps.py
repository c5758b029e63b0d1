"""The three steps of an asset, in plain values. Operators, the command line and tests all call these."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_materialize.errors import MaterializeError
from airflow_materialize.report import CheckReport, LoadReport, RunReport

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_materialize.destinations.base import Destination
    from airflow_materialize.execution.containment import Child
    from airflow_materialize.execution.result import ChildResult
    from airflow_materialize.load.ledger import Attempt
    from airflow_materialize.plan.run_plan import RunPlan
    from airflow_materialize.settings import Settings
    from airflow_materialize.staged_file import Manifest, StagedFile

_OUTCOMES: dict[str, Any] = {"staged": "data", "no_data": "no_data", "done": "script"}


@dataclass(frozen=True)
class Workplace:
    """Where the files of a pipeline are, and how its connections are found.

    Attributes:
        root: The folder of all pipelines. Paths in definitions and plans are relative to it.
        pipeline: The pipeline's folder, relative to `root`.
        settings: Where environments and staged files are kept.
        connections: URLs that stand in for connection ids.
    """

    root: Path
    pipeline: str
    settings: Settings
    connections: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The pipeline's folder: the working directory of its assets."""
        return self.root / self.pipeline

    @property
    def top(self) -> Path:
        """How far up requirements and modules are looked for: a repository that lies within the root, else the root."""
        inside = (folder for folder in (self.folder, *self.folder.parents) if folder.is_relative_to(self.root))
        return next((folder for folder in inside if (folder / ".git").exists()), self.root)


def run_step(
    plan: RunPlan,
    workplace: Workplace,
    *,
    attempt: str,
    execution_time: datetime,
    child: Child,
    log: logging.Logger,
) -> Manifest:
    """Run an asset's code in its own environment and stage what it returns.

    Args:
        plan: What this DAG run does.
        workplace: Where the asset's files are.
        attempt: Names this try; the staged file bears it.
        execution_time: When the DAG run started.
        child: The handle by which a signal handler or another thread ends the process.
        log: Takes the asset's output by level.

    Returns:
        The manifest for `load_step`.

    Raises:
        MaterializeError: User code failed, or could not be started. Nothing was changed in the table.
    """
    from airflow_materialize.staged_file import Manifest, discard_part, prune, seal, write_manifest

    staged = workplace.settings.staged_files
    with _naming_the_table(plan):
        if plan.asset.is_table:
            prune(staged, plan)
        try:
            result, reads = _run_code(plan, workplace, _Attempt(attempt, execution_time, child), log)
        except BaseException:
            discard_part(staged, plan, attempt)
            raise
        file = seal(staged, plan, attempt) if result.outcome == "staged" else None
        report = RunReport(
            asset=plan.asset.name,
            outcome=_OUTCOMES[result.outcome],
            rows=file.rows if file else 0,
            bytes=file.size if file else 0,
            seconds=result.seconds,
            reads=reads,
        )
        manifest = Manifest(plan=plan, report=report, attempt=attempt, files=(file,) if file else ())
        if file:
            write_manifest(staged, manifest)
        return manifest


def load_step(
    manifest: Manifest, workplace: Workplace, *, attempt: Attempt, execution_time: datetime, log: logging.Logger
) -> LoadReport:
    """Bring the staged file into the table with the strategy of the frozen run plan, in one transaction.

    The file is removed after the commit and kept after a failure. Where the header says `publish: after_checks`, the
    blocking checks are asked before the commit.

    Args:
        manifest: What `run_step` handed over. Nothing in it is believed that can be checked.
        workplace: Where the staged files and the connection are.
        attempt: This try at the load; a newer one is never overwritten by an older one.
        execution_time: When the DAG run started.
        log: Told of waiting, of changes of the schema, and of the outcome.

    Raises:
        TransientError: A lock, a lost connection: trying again is right.
        MaterializeError: The table cannot take the result, or the file is not what the manifest says.
        ChecksFailedError: Nothing was published, as checks fail.
    """
    from airflow_materialize.checks.asset import AssetChecks, publishes_after_checks
    from airflow_materialize.load.loader import already_loaded, load_nothing, load_table
    from airflow_materialize.staged_file import discard, open_verified

    plan, staged = manifest.plan, workplace.settings.staged_files
    with _naming_the_table(plan):
        destination = _destination(plan, workplace)
        checks = AssetChecks(destination, plan, execution_time)
        ask = checks.before_commit if publishes_after_checks(plan) else None
        if not manifest.files:
            return load_nothing(destination, plan, before_commit=ask, progress=log.info)
        (file,) = manifest.files
        if not (staged / file.path).exists():
            # The file of a load that went through is gone, and the ledger knows of it.
            done = already_loaded(destination, plan, file.path, file.sha256, before_commit=ask)
            if done:
                return done
        with open_verified(file, staged, plan) as reader:
            result = _Result(file, reader)
            report = load_table(result, destination, plan, attempt, before_commit=ask, progress=log.info)
        discard(staged, file)
        return report


def check_step(
    plan: RunPlan, workplace: Workplace, *, blocking: bool | None, execution_time: datetime, log: logging.Logger
) -> CheckReport:
    """Ask the table whether it keeps the asset's checks.

    Args:
        plan: Its header says what to check; its interval fills in the templates of custom queries.
        workplace: Where the connection leads.
        blocking: Only the checks that others wait for (True), only the rest (False), or all (None).
        execution_time: When the DAG run started.
        log: Told of waiting.

    Raises:
        TransientError: A lock, a lost connection: trying again is right.
        MaterializeError: There is no such table or column. A check that fails raises nothing: it stands in the report.
    """
    from airflow_materialize.checks.asset import AssetChecks

    destination = _destination(plan, workplace)
    with destination.session(read_only=True, purpose=f"checks of {plan.asset.name}", progress=log.info) as session:
        return AssetChecks(destination, plan, execution_time).ask(session, blocking=blocking)


@dataclass(frozen=True)
class _Result:
    """A staged file that is open and verified, as a load reads it."""

    file: StagedFile
    reader: pa.ipc.RecordBatchFileReader

    @property
    def id(self) -> str:
        return self.file.path

    @property
    def schema(self) -> pa.Schema:
        return self.reader.schema

    @property
    def rows(self) -> int:
        return self.file.rows

    @property
    def sha256(self) -> str:
        return self.file.sha256

    def batches(self) -> Iterator[pa.RecordBatch]:
        return (self.reader.get_batch(index) for index in range(self.reader.num_record_batches))


@dataclass(frozen=True)
class _Attempt:
    """One try at user code."""

    name: str
    execution_time: datetime
    child: Child


def _run_code(
    plan: RunPlan, workplace: Workplace, attempt: _Attempt, log: logging.Logger
) -> tuple[ChildResult, list[str]]:
    """Build the environment, run the asset in it, and return a result that has not failed, and the tables it read."""
    from airflow_materialize.definition.whereabouts import secret_problem
    from airflow_materialize.execution.broker import Broker
    from airflow_materialize.execution.desk import Desk
    from airflow_materialize.execution.environment import use_environment
    from airflow_materialize.execution.failure import explain_failure
    from airflow_materialize.execution.limits import limits_of
    from airflow_materialize.execution.logs import OutputLog, Redactor
    from airflow_materialize.execution.process import run_child
    from airflow_materialize.execution.requirements import find_requirements, python_version
    from airflow_materialize.execution.sandbox import child_environment
    from airflow_materialize.execution.secrets import declared_secrets
    from airflow_materialize.execution.spec import child_spec
    from airflow_materialize.plan.run_plan import bruin_environment
    from airflow_materialize.staged_file import part_path

    root, settings = workplace.root, workplace.settings
    script = root / plan.source
    secrets = declared_secrets(
        plan.asset.secrets, workplace.connections, log, lambda *problem: secret_problem(script, root, *problem)
    )
    desk = Desk(plan, workplace.connections, settings.staged_files, secrets.values, log)
    output = part_path(settings.staged_files, plan, attempt.name)
    spec = child_spec(plan, script, (script.parent, workplace.folder, workplace.top), output, secrets)
    began = time.monotonic()
    requirements = find_requirements(script, workplace.top)
    python = python_version(plan.asset.image, requirements, settings.python)
    folder, size = settings.environments, settings.environments_max_size
    cached = use_environment(requirements, python, folder, log, child=attempt.child, max_size=size)
    bruin = bruin_environment(plan, attempt.execution_time)
    with cached as environment, _scratch() as scratch, Broker(desk, log) as broker:
        prepared = round(time.monotonic() - began, 3)
        result = run_child(
            environment,
            spec,
            child_environment(bruin, scratch, environment.path),
            OutputLog(log, Redactor(secrets.values)),
            child=attempt.child,
            timeout=_seconds(plan.asset.timeout),
            limits=limits_of(plan.asset.resources),
            broker=broker,
            on_progress=lambda rows, size: log.info("%s: %s rows, %.1f MB so far", plan.asset.name, rows, size / 1e6),
        )
    if result.failed:
        raise explain_failure(result, plan.asset.name, script, requirements, timeout=plan.asset.timeout)
    return replace(result, seconds={"environment": prepared, **result.seconds}), desk.reads()


def _seconds(timeout: str) -> float | None:
    """Return a timeout of a header as a number; None where there is none."""
    from airflow_materialize.definition.fields import parse_duration

    return parse_duration(timeout).total_seconds() if timeout else None


def _destination(plan: RunPlan, workplace: Workplace) -> Destination:
    from airflow_materialize.connections import resolve
    from airflow_materialize.destinations.base import for_connection

    return for_connection(resolve(plan.connection, workplace.connections))


@contextmanager
def _scratch() -> Iterator[Path]:
    """A private folder for the HOME and the temporary files of user code."""
    folder = Path(tempfile.mkdtemp(prefix="materialize-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _naming_the_table(plan: RunPlan) -> Iterator[None]:
    """Say of each failure of a table asset that the table is as it was."""
    try:
        yield
    except MaterializeError as error:
        if plan.asset.is_table and not error.unchanged:
            error.unchanged = plan.asset.name
        raise
