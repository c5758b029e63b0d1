"""The three steps of an asset, in plain values. Operators, the command line and tests all call these."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.upstream import Upstream
from airflow_materialize.report import CheckReport, LoadReport, RunReport, Skip

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pyarrow as pa

    from airflow_materialize.connections import Connection
    from airflow_materialize.destinations.base import Destination
    from airflow_materialize.execution.containment import Child
    from airflow_materialize.load.ledger import Attempt
    from airflow_materialize.plan.run_plan import RunPlan
    from airflow_materialize.staged_file import Manifest
    from airflow_materialize.workplace import Workplace

LOAD_SECONDS, CHECK_SECONDS = 6 * 3600.0, 3600.0
"""How long these steps may take, unless Airflow is told to watch over it."""

_OUTCOMES: dict[str, Any] = {"staged": "data", "no_data": "no_data", "done": "script", "skipped": "skipped"}


def run_step(  # noqa: PLR0913  # what is to run, what it may ask, and who hears of it, each from elsewhere
    plan: RunPlan,
    workplace: Workplace,
    *,
    attempt: str,
    execution_time: datetime,
    child: Child,
    log: logging.Logger,
    on_phase: Callable[[str], None] = lambda _phase: None,
    upstream: Upstream | None = None,
) -> Manifest:
    """Run an asset's code in its own environment and stage what it returns.

    Args:
        plan: What this DAG run does.
        workplace: Where the asset's files are.
        attempt: Names this try; the staged file bears it.
        execution_time: When the DAG run started.
        child: The handle by which a signal handler or another thread ends the process.
        log: Takes the asset's output by level.
        on_phase: Called with the name of each phase that begins, and with an empty one after the last.
        upstream: What the asset waits for; nothing unless given.

    Returns:
        The manifest for `load_step`. Where user code had nothing to do, its report says that it was skipped.

    Raises:
        MaterializeError: User code failed, or could not be started. Nothing was changed in the table.
    """
    from airflow_materialize.execution.asset_run import CodeAttempt, run_code
    from airflow_materialize.execution.examiner import Examiner
    from airflow_materialize.execution.isolation import Isolation
    from airflow_materialize.execution.queries.lookup import Lookup
    from airflow_materialize.staged_file import (
        Manifest,
        discard_part,
        prune,
        seal,
        write_manifest,
    )

    staged = workplace.settings.staged_files
    with _naming_the_table(plan), Examiner(Isolation(workplace.settings, workplace.root)) as examiner:
        if plan.asset.is_table:
            prune(staged, plan, attempt)
        lookup = Lookup(plan.asset, upstream or Upstream(), lambda connection: _last_load(plan, connection, log))
        try:
            one = CodeAttempt(attempt, execution_time, child, lookup, examiner, on_phase)
            result, words, environment = run_code(plan, workplace, one, log)
            file = None
            if result.outcome == "staged":
                from airflow_materialize.execution.failure import VALIDATE, explain_refusal

                on_phase(VALIDATE)
                try:
                    file = seal(staged, plan, attempt, examiner.examine)
                except MaterializeError as error:
                    raise explain_refusal(result, error, plan.asset.name, environment) from error
        except BaseException:
            discard_part(staged, plan, attempt)
            raise
        finally:
            on_phase("")
        report = RunReport(
            asset=plan.asset.name,
            outcome=_OUTCOMES[result.outcome],
            rows=file.rows if file else 0,
            bytes=file.size if file else 0,
            seconds=result.seconds,
            peak_memory_bytes=result.peak_bytes,
            reads=words.reads,
            metadata=words.metadata,
            materialized=words.materialized,
            skip=words.skip,
        )
        manifest = Manifest(plan=plan, report=report, attempt=attempt, files=(file,) if file else ())
        if file:
            write_manifest(staged, manifest, workplace.signer)
        return manifest


def skipped(plan: RunPlan, skip: Skip, *, attempt: str) -> Manifest:
    """Return the manifest of an asset that is skipped because of what it depends on: no code runs.

    Args:
        plan: What this DAG run would have done.
        skip: Why it is skipped.
        attempt: Names this try.
    """
    from airflow_materialize.staged_file import Manifest

    return Manifest(plan=plan, report=RunReport(plan.asset.name, "skipped", skip=skip), attempt=attempt)


def load_step(
    manifest: Manifest,
    workplace: Workplace,
    *,
    attempt: Attempt,
    execution_time: datetime,
    log: logging.Logger,
    limit: float | None = LOAD_SECONDS,
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
        limit: How many seconds it may take; None where others watch over that.

    Raises:
        TransientError: A lock, a lost connection, a signal: trying again is right.
        MaterializeError: The table cannot take the result, or the file is not what the manifest says.
        ChecksFailedError: Nothing was published, as checks fail.
    """
    from concurrent.futures import ThreadPoolExecutor

    from airflow_materialize.destinations.stopping import limited
    from airflow_materialize.staged_file import open_verified

    plan, staged = manifest.plan, workplace.settings.staged_files
    aside = ThreadPoolExecutor(1)
    # Summed beside all that has to be before it is read: imports, the connection, the lock of the table.
    verified = [aside.submit(open_verified, file, staged, plan) for file in manifest.files]
    try:
        with limited(f"load of {plan.asset.name}", limit), _naming_the_table(plan):
            return _load(manifest, verified, workplace, attempt, execution_time, log)
    finally:
        # Of a file whose name is gone, the disk gets its room back with the last that is mapped of it. That takes a
        # moment, for which nothing has to wait.
        aside.submit(verified.clear)
        aside.shutdown(wait=False)


def check_step(
    plan: RunPlan,
    workplace: Workplace,
    *,
    blocking: bool | None,
    execution_time: datetime,
    log: logging.Logger,
    limit: float | None = CHECK_SECONDS,
) -> CheckReport:
    """Ask the table whether it keeps the asset's checks.

    Args:
        plan: Its header says what to check; its interval fills in the templates of custom queries.
        workplace: Where the connection leads.
        blocking: Only the checks that others wait for (True), only the rest (False), or all (None).
        execution_time: When the DAG run started.
        log: Told of waiting.
        limit: How many seconds it may take; None where others watch over that.

    Raises:
        TransientError: A lock, a lost connection, a signal: trying again is right.
        MaterializeError: There is no such table or column. A check that fails raises nothing: it stands in the report.
    """
    from airflow_materialize.checks.asset import AssetChecks
    from airflow_materialize.destinations.stopping import limited

    destination, purpose = _destination(plan, workplace), f"checks of {plan.asset.name}"
    with (
        limited(f"check of {plan.asset.name}", limit),
        destination.session(read_only=True, purpose=purpose, progress=log.info) as session,
    ):
        return AssetChecks(destination, plan, execution_time).ask(session, blocking=blocking)


def _load(
    manifest: Manifest,
    verified: list[Future[pa.ipc.RecordBatchFileReader]],
    workplace: Workplace,
    attempt: Attempt,
    execution_time: datetime,
    log: logging.Logger,
) -> LoadReport:
    from airflow_materialize.checks.asset import AssetChecks, publishes_after_checks
    from airflow_materialize.load.loader import already_loaded, load_nothing, load_table
    from airflow_materialize.load.staging import SealedResult
    from airflow_materialize.staged_file import discard

    plan, staged = manifest.plan, workplace.settings.staged_files
    destination = _destination(plan, workplace)
    checks = AssetChecks(destination, plan, execution_time)
    ask = checks.before_commit if publishes_after_checks(plan) else None
    if not manifest.files:
        return load_nothing(destination, plan, before_commit=ask, progress=log.info)
    (file,), (opened,) = manifest.files, verified
    if not (staged / file.path).exists():
        # The file of a load that went through is gone, and the ledger knows of it.
        done = already_loaded(destination, plan, file.path, file.sha256, before_commit=ask)
        if done:
            return done
    result = SealedResult(file, opened)
    report = load_table(result, destination, plan, attempt, before_commit=ask, progress=log.info)
    discard(staged, file)
    return report


def _destination(plan: RunPlan, workplace: Workplace) -> Destination:
    from airflow_materialize.connections import resolve
    from airflow_materialize.destinations.base import for_connection

    return for_connection(resolve(plan.connection, workplace.connections))


def _last_load(plan: RunPlan, connection: Connection, log: logging.Logger) -> dict[str, Any] | None:
    """Return the figures of the last load of an asset's table, for its user code."""
    from airflow_materialize.destinations.base import for_connection
    from airflow_materialize.load.ledger import last_load

    destination = for_connection(connection)
    purpose = f"last load of {plan.asset.name}"
    with destination.session(read_only=True, purpose=purpose, progress=log.info) as session:
        entry = last_load(session, destination.table(plan.asset.name))
    return entry.figures() if entry else None


@contextmanager
def _naming_the_table(plan: RunPlan) -> Iterator[None]:
    """Say of each failure of a table asset that the table is as it was."""
    try:
        yield
    except MaterializeError as error:
        if plan.asset.is_table and not error.unchanged:
            error.unchanged = plan.asset.name
        raise
