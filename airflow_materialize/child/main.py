"""The process of one asset: takes a spec from the worker, runs user code, leaves the staged file."""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import sys
from contextlib import suppress
from types import FunctionType

from airflow_materialize.child.errors import AssetMistake, type_name
from airflow_materialize.child.imports import import_asset, module_name, prepare_path, run_script
from airflow_materialize.child.reporter import Reporter, log_to
from airflow_materialize.child.spec import Spec
from airflow_materialize.sdk.channel import open_channel, own_socket
from airflow_materialize.sdk.exceptions import Skip
from airflow_materialize.sdk.names import INTERVAL_END, INTERVAL_START, PARAMETERS, PARTITION_KEY
from airflow_materialize.sdk.whole import import_apart, names
from airflow_materialize.sdk.wire import receive

try:
    # `hashlib` brings OpenSSL, which takes longer to import than the rest of this file.
    from _sha2 import sha256 as _sha256  # type: ignore[import-not-found]  # typeshed knows public modules
except ImportError:
    try:
        from _sha256 import sha256 as _sha256  # type: ignore[import-not-found]  # CPython 3.11
    except ImportError:
        from hashlib import sha256 as _sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from airflow_materialize.child.intake import Intake
    from airflow_materialize.child.writer import Staged, StagedWriter
    from airflow_materialize.sdk.outcome import Result

SIGNATURE = "def materialize(): or def materialize(context):, returning the rows"
_PR_SET_DUMPABLE = 4
_USES_SDK = re.compile(rb"^\s*(from|import)\s+(airflow_materialize|bruin)\b", re.MULTILINE)


def main(descriptor: int) -> int:
    """Serve the worker at the other end of the socket `descriptor`, and return the exit code.

    0 follows `staged`, `no_data`, `done` or `skipped`; 1 follows `failure`, or nothing where the worker is gone.
    """
    sock = own_socket(descriptor)
    hide()
    message = receive(sock)
    if message is None:
        return 1
    spec = Spec(**message.body)
    if spec.queries:
        open_channel(**spec.queries)
    reporter = Reporter(sock)
    log_to(reporter)
    try:
        outcome, body = run(spec, reporter)
    except Skip as end:
        outcome, body = "skipped", {"reason": end.reason, "mode": end.mode}
    except BaseException as error:  # noqa: BLE001  # whatever ends the asset is reported
        import_apart("airflow_materialize.child.failure")
        from airflow_materialize.child.failure import describe

        outcome, body = "failure", describe(error, reporter.phase, spec.sensitive)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    reporter.send(outcome, **body)
    return 1 if outcome == "failure" else 0


def hide() -> None:
    """Keep this process, and the secrets in it, from being read by others of the same user."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, *[ctypes.c_ulong(0)] * 4)


def run(spec: Spec, reporter: Reporter) -> tuple[str, dict[str, Any]]:
    """Run the asset and return the kind and body of the last message."""
    reporter.enter("import")
    set_environment(spec)
    source = read_checked(spec.file, spec.sha256)
    os.chdir(spec.cwd)
    sys.argv = [spec.file]
    if _USES_SDK.search(source):
        # Its modules, too, come before those that stand beside the asset.
        names()
    prepare_path(spec.search_path, spec.file)
    if spec.kind == "script":
        reporter.enter("script")
        return _run_script(source, spec.file)
    module = import_asset(source, spec.file, module_name(spec.file, spec.search_path))
    function = find_materialize(module, spec.file)
    reporter.enter("materialize")
    returned = call_materialize(function, spec.file)
    # Not before: the first line of an asset that needs no pyarrow does not wait for it.
    import_apart(
        *(f"airflow_materialize.{name}" for name in ("child.intake", "child.writer", "child.adapters", "sdk.outcome"))
    )
    from airflow_materialize.child.writer import StagedWriter

    writer = StagedWriter(spec.output, reporter.progress)
    try:
        staged, said = stage(returned, writer, spec, reporter)
    except BaseException:
        writer.abandon()
        raise
    if staged is None:
        return "no_data", said
    columns = {field.name: str(field.type) for field in staged.schema}
    return "staged", {"rows": staged.rows, "batches": staged.batches, "columns": columns, **said}


def set_environment(spec: Spec) -> None:
    """Give user code its secrets, and the context what no variable of Bruin's says."""
    # A core dump would hold the secrets.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    names = {INTERVAL_START: "data_interval_start", INTERVAL_END: "data_interval_end", PARTITION_KEY: "partition_key"}
    for name, value in names.items():
        if spec.context.get(value):
            os.environ[name] = str(spec.context[value])
    os.environ[PARAMETERS] = json.dumps(spec.context.get("parameters") or {})
    os.environ.update(spec.environment)


def read_checked(file: str, sha256: str) -> bytes:
    """Return the file's bytes, or raise `AssetMistake` where they are not those that were planned."""
    try:
        with open(file, "rb") as script:  # noqa: PTH123  # pathlib takes longer to import than all of this
            source = script.read()
    except OSError as error:
        raise AssetMistake(f"{file} cannot be read: {error.strerror}") from error
    if _sha256(source).hexdigest() != sha256:
        raise AssetMistake(f"{file} was changed after this run was planned", hint="clear the step run")
    return source


def find_materialize(module: ModuleType, file: str) -> Any:
    """Return the module's function `materialize`, or raise `AssetMistake` with what there is instead."""
    absent = object()
    function = getattr(module, "materialize", absent)
    if function is absent:
        import_apart("difflib")
        from difflib import get_close_matches

        own = [
            name
            for name, value in vars(module).items()
            if isinstance(value, FunctionType) and value.__module__ == module.__name__
        ]
        alike = get_close_matches("materialize", own, 1)
        found = f"it has {', '.join(own)}" if own else "it has no function at all"
        meant = f"; did you mean to call {alike[0]}() so?" if alike else ""
        raise AssetMistake(f"{file} has no function materialize(): {found}", hint=SIGNATURE + meant)
    if not callable(function):
        problem = f"materialize in {file} is no function but a value of type {type_name(function)}"
        raise AssetMistake(problem, hint=SIGNATURE)
    return function


def call_materialize(function: Any, file: str) -> Any:
    """Call the function without an argument, or with the context where it takes one.

    One required parameter is the context; so is an optional one named `context`.

    Raises:
        AssetMistake: It takes something else.
    """
    import_apart("inspect")
    import inspect

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some callables of C have none
        return function()
    named = inspect.Parameter.KEYWORD_ONLY
    variable = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    parameters = [each for each in signature.parameters.values() if each.kind not in variable]
    required = [each for each in parameters if each.default is inspect.Parameter.empty]
    if len(required) > 1 or any(each.kind is named and each.name != "context" for each in required):
        raise AssetMistake(f"materialize{signature} in {file} takes too many arguments", hint=SIGNATURE)
    optional = next((each for each in parameters if each.name == "context"), None)
    takes = required[0] if required else optional
    if takes is None:
        return function()
    from airflow_materialize.sdk import context

    return function(context) if takes.kind is inspect.Parameter.POSITIONAL_ONLY else function(**{takes.name: context})


def stage(returned: Any, writer: StagedWriter, spec: Spec, reporter: Reporter) -> tuple[Staged | None, dict[str, Any]]:
    """Write what `materialize()` returned, driving what is asynchronous in one event loop and one task.

    The phase is still `materialize` while an iterator runs, for that is user code.

    Returns:
        What was written, None where there is no data; and what `result()` says beside it.
    """
    import inspect

    from airflow_materialize.child.adapters import to_batches
    from airflow_materialize.child.intake import Intake

    intake = Intake(spec.columns, writer)
    frame, results = _unwrapped(returned)
    if inspect.isawaitable(frame) or hasattr(frame, "__aiter__"):
        import asyncio

        results += asyncio.run(_stage_async(frame, intake))
    else:
        if not hasattr(frame, "__next__"):
            reporter.enter("write")
        for batch in to_batches(frame, intake.json):
            intake.add(batch)
    said = {name: value for result in results for name, value in result.said().items()}
    if reporter.phase != "write":
        reporter.enter("write")
    return intake.finish(), said


def _unwrapped(returned: Any) -> tuple[Any, list[Result]]:
    """Return the frame within a `Result`, and the result itself; anything else as it is."""
    from airflow_materialize.sdk.outcome import Result

    return (returned.frame, [returned]) if isinstance(returned, Result) else (returned, [])


async def _stage_async(frame: Any, intake: Intake) -> list[Result]:
    import inspect

    from airflow_materialize.child.adapters import Pages, to_batches

    results: list[Result] = []
    while inspect.isawaitable(frame):
        frame, found = _unwrapped(await frame)
        results += found
    if not hasattr(frame, "__aiter__"):
        for batch in to_batches(frame, intake.json):
            intake.add(batch)
        return results
    pages = Pages(intake.json)
    async for item in frame:
        for batch in pages.add(item):
            intake.add(batch)
    for batch in pages.finish():
        intake.add(batch)
    return results


def _run_script(source: bytes, file: str) -> tuple[str, dict[str, Any]]:
    try:
        run_script(source, file)
    except SystemExit as end:
        if end.code not in {None, 0}:
            raise
    return "done", {}
