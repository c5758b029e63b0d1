"""Says which requirement is to blame where uv fails."""

from __future__ import annotations

import re
import subprocess

from airflow_materialize.errors import AssetError, MaterializeError, Problem, TransientError
from airflow_materialize.execution.environments.requirement_lines import RequirementLine, Requirements
from airflow_materialize.execution.environments.runtime import PYARROW
from airflow_materialize.execution.environments.uv import reason

# What uv says when the network, not a requirement, is at fault.
_NETWORK = re.compile(
    r"error sending request|timed out|connection reset|connection refused|dns error"
    r"|status client error \(429|status server error",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"\((401 Unauthorized|403 Forbidden)\)")


def is_network_failure(process: subprocess.CompletedProcess[str]) -> bool:
    """Whether uv failed because an index was not reached."""
    return process.returncode != 0 and _NETWORK.search(reason(process)) is not None


def requirement_failure(
    what: str, process: subprocess.CompletedProcess[str], requirements: Requirements
) -> MaterializeError:
    """Return the error for what uv says, at the line that is to blame where it names a package.

    Args:
        what: As `does not resolve`.
        process: uv, at its end.
        requirements: What it was to install.
    """
    why = reason(process)
    line = _blamed(why, requirements.lines)
    if is_network_failure(process):
        where = f"{line.file}:{line.number}:1: {line.shown!r}" if line else str(requirements.path or PYARROW)
        hint = "see that this machine reaches the index, and that it is the right one: the setting [materialize] index"
        return TransientError(f"{where}: the package index was not reached: {why}", hint=hint)
    hint = "correct or remove the requirement"
    if _REFUSED.search(why):
        hint = "see that the credential of the package index is right; it comes with the setting [materialize] index"
    elif re.search(r"\bpyarrow\b", why):
        hint += f"; {PYARROW} is always added, as results travel as Arrow data"
    if requirements.path is None or line is None:
        where = str(requirements.path or PYARROW)
        return MaterializeError(f"{where}: {what}: {why}", hint=hint)
    message = f"{line.shown!r} {what}: {why}"
    return AssetError([Problem(str(line.file), line.number, 1, "", message, hint, code="AM705")])


def _blamed(why: str, lines: tuple[RequirementLine, ...]) -> RequirementLine | None:
    """Return the line whose package uv names first."""
    places = []
    for line in lines:
        found = re.search(_called(line), why) if line.name or line.local_path else None
        if found:
            # Of a package's several lines the one that is quoted as it stands.
            places.append((found.start(), line.text not in why, line.number, line))
    return min(places, key=lambda place: place[:3])[3] if places else None


def _called(line: RequirementLine) -> str:
    """Return a pattern of what uv calls a package: its name, or where it lies."""
    if line.name:
        return rf"(?<![\w.-]){re.escape(line.name)}(?![\w-])"
    place = (line.file.parent / line.local_path).resolve().as_uri()
    return rf"{re.escape(place)}(?![\w.-])"
