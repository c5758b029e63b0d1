"""Runs the code of one asset: its environment, its secrets, its queries and its process, brought together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_materialize.definition.parsing.whereabouts import secret_problem
from airflow_materialize.definition.text.fields import parse_duration
from airflow_materialize.errors import Ending, MaterializeError
from airflow_materialize.execution.environments.cache import LOCK
from airflow_materialize.execution.environments.environment import BuildOptions, use_environment
from airflow_materialize.execution.environments.requirements import find_requirements, python_version
from airflow_materialize.execution.limits import limits_of
from airflow_materialize.execution.logs import OutputLog, Redactor
from airflow_materialize.execution.process import run_child
from airflow_materialize.execution.progress import Progress
from airflow_materialize.execution.queries.broker import Broker
from airflow_materialize.execution.queries.desk import Desk
from airflow_materialize.execution.sandbox import child_environment
from airflow_materialize.execution.scratch import scratch
from airflow_materialize.execution.secrets import declared_secrets
from airflow_materialize.execution.spec import child_spec
from airflow_materialize.plan.run_plan import bruin_environment
from airflow_materialize.staged_file import part_path

if TYPE_CHECKING:
    from airflow_materialize.errors import RunError
    from airflow_materialize.execution.containment import Child
    from airflow_materialize.execution.examiner import Examiner
    from airflow_materialize.execution.queries.lookup import Lookup
    from airflow_materialize.execution.result import ChildResult
    from airflow_materialize.execution.said import Words
    from airflow_materialize.plan.run_plan import RunPlan
    from airflow_materialize.workplace import Workplace


@dataclass(frozen=True)
class CodeAttempt:
    """One try at user code.

    Attributes:
        name: The staged file bears it.
        execution_time: When the DAG run started.
        child: The handle by which the process is ended.
        lookup: What user code may look up.
        examiner: Gets ready while user code runs.
        on_phase: Called with the name of each phase that begins.
    """

    name: str
    execution_time: datetime
    child: Child
    lookup: Lookup
    examiner: Examiner
    on_phase: Callable[[str], None] = lambda _phase: None


class Ran(NamedTuple):
    """User code that did not fail.

    Attributes:
        result: How it ended.
        words: What it says of its run.
        environment: The lock of its environment.
    """

    result: ChildResult
    words: Words
    environment: Path


def run_code(plan: RunPlan, workplace: Workplace, attempt: CodeAttempt, log: logging.Logger) -> Ran:
    """Build the environment and run the asset in it.

    Raises:
        MaterializeError: User code failed, or could not be started.
    """
    root, settings = workplace.root, workplace.settings
    script = root / plan.source
    secrets = declared_secrets(
        plan.asset.secrets, workplace.connections, log, lambda *problem: secret_problem(script, root, *problem)
    )
    desk = Desk(plan, workplace.connections, settings.staged_files, secrets.values, log)
    output = part_path(settings.staged_files, plan, attempt.name)
    spec = child_spec(plan, script, (script.parent, workplace.folder, workplace.top), output, secrets)
    began = time.monotonic()
    bruin, stack = bruin_environment(plan, attempt.execution_time), ExitStack()
    isolation = attempt.examiner.isolation
    attempt.child.view = isolation.to_build()
    with _environment_phase(plan.asset.name, attempt):
        requirements = find_requirements(script, workplace.top, settings.requirements)
        python = python_version(plan.asset.image, requirements, settings.python)
        options = BuildOptions(attempt.child, settings.environments_max_size, settings.index, plan.asset.name)
        cached = use_environment(requirements, python, settings.environments, log, options)
        environment = isolation.own_compiled(stack.enter_context(cached), plan.asset)
    explain = partial(
        _explained,
        asset=plan.asset.name,
        asset_file=script,
        requirements=requirements,
        timeout=plan.asset.timeout,
        unchanged=plan.asset.name if plan.asset.is_table else "",
        environment=environment.path / LOCK,
    )
    with stack, scratch() as own, Broker(desk, log, attempt.lookup) as broker:
        prepared = round(time.monotonic() - began, 3)
        attempt.child.view = isolation.to_run(environment, own, output.parent, plan.asset)
        try:
            result = run_child(
                environment,
                spec,
                child_environment(bruin, own, environment.path),
                OutputLog(log, Redactor(secrets.values)),
                child=attempt.child,
                timeout=_seconds(plan.asset.timeout),
                limits=limits_of(plan.asset.resources),
                broker=broker,
                on_progress=Progress(plan.asset.name, log),
                on_phase=partial(_heard, plan, attempt),
            )
        except BaseException:
            if attempt.child.interrupted:
                attempt.child.failure = explain(attempt.child.interrupted)
            raise
    if result.failed:
        raise explain(result)
    from airflow_materialize.execution.said import words_of

    words = words_of(result, plan.asset.name, desk.reads())
    result = replace(result, seconds={"environment": prepared, **result.seconds})
    return Ran(result, words, environment.path / LOCK)


def _heard(plan: RunPlan, attempt: CodeAttempt, phase: str) -> None:
    """Take note of a phase that begins. While user code runs, what examines its result gets ready; not before it."""
    if plan.asset.is_table:
        attempt.examiner.start()
    attempt.on_phase(phase)


def _explained(result: ChildResult, **known: Any) -> RunError:
    # Not before: user code does not wait for the words for what it may do wrong.
    from airflow_materialize.execution.failure import explain_failure

    return explain_failure(result, **known)


@contextmanager
def _environment_phase(asset: str, attempt: CodeAttempt) -> Iterator[None]:
    """Say of each failure that it is one of the environment."""
    attempt.on_phase("environment")
    try:
        yield
    except MaterializeError as error:
        error.phase, error.ending = "environment", Ending(error.message)
        between = "\n" if "\n" in error.message else " "
        error.message = f"{asset}: failed in phase 'environment':{between}{error.message}"
        raise


def _seconds(timeout: str) -> float | None:
    """Return a timeout of a header as a number; None where there is none."""
    return parse_duration(timeout).total_seconds() if timeout else None
