"""Puts the failure of a child into words: the phase, the user's own traceback, and what to do."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from airflow_materialize.errors import Ending, MaterializeError, RunError
from airflow_materialize.execution.environments.requirements import Requirements
from airflow_materialize.execution.exhaustion import (
    limit_note,
    no_memory_left,
    peak,
    said_no_memory,
    sudden_end,
)
from airflow_materialize.execution.result import ChildResult
from airflow_materialize.sdk.names import LINE_CLOSED

VALIDATE = "validate"
"""The phase in which the file that user code wrote is examined."""

_MISSING_MODULE = re.compile(r"No module named '(?P<root>[^'.]+)")
# A line of a megabyte helps nobody in an error; the log has more of it.
_LONGEST_TAIL_LINE = 1000
# Beside a traceback the lines before it matter less.
_BESIDE_TRACEBACK = 10
_MOST_KINDS = 100
_NAME = re.compile(r"[\w.<>]{1,200}")
_TIMEOUT_HINT = "give the header a longer `timeout`, or let the asset do less in one run"


def explain_failure(  # what happened, to what, and what of it is known from elsewhere
    result: ChildResult,
    asset: str,
    asset_file: Path,
    requirements: Requirements,
    unchanged: str = "",
    *,
    timeout: str = "",
    environment: Path | None = None,
) -> RunError:
    """Return the error for a child that failed or was stopped.

    Args:
        result: From `run_child`; its `failed` is true.
        asset: The asset's name.
        asset_file: Its file, beside which a requirements file may go.
        requirements: What its environment was made from.
        unchanged: The table that is as it was, where there is one.
        timeout: How long it was allowed to run, as its header says it.
        environment: The lock of its environment.
    """
    traceback = ""
    if result.timed_out:
        cause, hint = f"it ran longer than its timeout of {timeout}", _TIMEOUT_HINT
        if result.outcome not in ("silent", "failure"):
            hint = "its result was complete: a thread that is no daemon, or what runs at the exit, kept it from ending"
        message = f"{asset} ran longer than its timeout of {timeout}\nIt was in phase {result.phase!r}."
    elif result.stopped:
        cause, hint = "the run was stopped", ""
        message = f"{asset}: the run was stopped in phase {result.phase!r}"
    else:
        if result.outcome == "failure":
            cause, traceback, hint = _exception(result, asset_file, requirements)
        else:
            cause, hint = _silent_end(result)
        message = f"{asset}: failed in phase {result.phase!r}: {cause}"
    output = result.tail[-_BESIDE_TRACEBACK:] if traceback else result.tail
    ending = Ending(cause, traceback, output, result.peak_bytes, str(environment or ""))
    message = _whole(message, ending, result, environment)
    return RunError(message, ending, hint=hint, unchanged=unchanged, kinds=_kinds(result), phase=result.phase)


def explain_refusal(result: ChildResult, error: MaterializeError, asset: str, environment: Path) -> RunError:
    """Return the error for a result that is not taken, though user code ended well.

    Args:
        result: From `run_child`.
        error: Why the file that it wrote is not taken.
        asset: The asset's name.
        environment: The lock of its environment.
    """
    output = result.tail[-_BESIDE_TRACEBACK:]
    ending = Ending(error.message, "", output, result.peak_bytes, str(environment))
    message = _whole(f"{asset}: failed in phase {VALIDATE!r}: {error.message}", ending, result, environment)
    return RunError(message, ending, hint=error.hint, unchanged=error.unchanged, phase=VALIDATE)


def _whole(message: str, ending: Ending, result: ChildResult, environment: Path | None) -> str:
    """Return the message with all that is known of the end."""
    lines = [message, ending.traceback, _last_output(result, ending.output)]
    return "\n".join(filter(None, [*lines, _circumstances(result, message, environment)]))


def _exception(result: ChildResult, asset_file: Path, requirements: Requirements) -> tuple[str, str, str]:
    """Return the exception in one line, the user's own traceback, and a hint."""
    body = {name: str(result.body.get(name) or "") for name in ("type", "message", "traceback", "hint")}
    note, advice = limit_note(result)
    cause = ": ".join(filter(None, (body["type"], body["message"]))) + (f" ({note})" if note else "")
    hint = _module_hint(body["type"], body["message"], asset_file, requirements) or advice or body["hint"]
    return cause, body["traceback"].rstrip(), hint


def _circumstances(result: ChildResult, message: str, environment: Path | None) -> str:
    known = [f"Its peak memory was {result.peak_bytes / 1e6:,.0f} MB."] if result.peak_bytes else []
    if "peak memory" in message:
        known = []
    if environment:
        known.append(f"Its environment is locked in {environment}.")
    return " ".join(known)


def _kinds(result: ChildResult) -> tuple[str, ...]:
    """Return the names of what happened. Those of an exception come from user code's process."""
    if result.timed_out:
        return ("Timeout",)
    if result.stopped:
        return ("Stopped",)
    if result.outcome == "failure":
        told = result.body.get("kinds")
        names = told if isinstance(told, list) else []
        return tuple(name for name in names[:_MOST_KINDS] if isinstance(name, str) and _NAME.fullmatch(name))
    if said_no_memory(result):
        return ("MemoryError",)
    if result.exit_code == -signal.SIGKILL:
        # What the kernel does to a process that wants too much memory.
        return ("SIGKILL", "MemoryError")
    return (_signal_name(-result.exit_code),) if result.exit_code < 0 else ("SystemExit",)


def _last_output(result: ChildResult, output: Sequence[str]) -> str:
    if not output:
        # Of an exception the text says enough, and what was stopped may not have begun.
        return "" if result.outcome == "failure" or not result.peak_bytes else "It printed nothing."
    lines = (line if len(line) <= _LONGEST_TAIL_LINE else f"{line[:_LONGEST_TAIL_LINE]} …" for line in output)
    return "Its last output:\n" + "\n".join(f"  {line}" for line in lines)


def _silent_end(result: ChildResult) -> tuple[str, str]:
    """Return what ended a child that gave no result, and a hint."""
    code = result.exit_code
    if exhausted := sudden_end(result) or no_memory_left(result):
        return exhausted
    if code < 0:
        return f"killed by signal {-code} ({_signal_name(-code)}); {peak(result)}", _crash_hint(-code)
    if result.torn:
        return (
            f"its messages cannot be read: {result.torn}",
            "user code must leave the file descriptors it inherits alone",
        )
    if result.outcome == "silent" and "".join(result.tail[-1:]).endswith(LINE_CLOSED):
        return LINE_CLOSED, "close what the asset opened itself, and no descriptor that it was started with"
    if result.outcome != "silent":
        return (
            f"ended with exit code {code} after its result was complete",
            "look at what runs as the interpreter ends: atexit handlers, threads, destructors",
        )
    hint = "return from materialize() instead of calling sys.exit() or os._exit()"
    return f"ended with exit code {code} and without a result", hint


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "a real-time signal"


def _crash_hint(number: int) -> str:
    if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGABRT, signal.SIGFPE):
        return "a native library crashed: try another version of the packages that were at work"
    if number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        return "the worker did not send it: the asset itself, a person or the machine did"
    return ""


def _module_hint(kind: str, message: str, asset_file: Path, requirements: Requirements) -> str:
    missing = _MISSING_MODULE.search(message)
    if not missing or kind.rpartition(".")[2] not in ("ModuleNotFoundError", "ImportError"):
        return ""
    module = missing["root"]
    if module == "airflow":
        return (
            "Airflow is not there on purpose: assets run apart from it, and see neither its configuration nor its "
            "connections; `from airflow_materialize.sdk import context` has the run's dates and variables"
        )
    if module == "airflow_materialize":
        return "an asset has airflow_materialize.sdk and nothing else of airflow_materialize"
    if requirements.path:
        return f"add the package that has {module!r} (often {module}) to {requirements.place}"
    return f"write the package that has {module!r} (often {module}) into {asset_file.parent / 'requirements.txt'}"
