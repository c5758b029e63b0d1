"""Takes what is installed from a `uv.lock`: exactly that, with no word to an index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from airflow_materialize.errors import AssetError, Problem
from airflow_materialize.execution.environments.blame import requirement_failure
from airflow_materialize.execution.environments.installation import Installation
from airflow_materialize.execution.environments.lock_text import entries_of
from airflow_materialize.execution.environments.policy import refusal
from airflow_materialize.execution.environments.requirement_lines import (
    RequirementLine,
    Requirements,
    problem,
    read_text,
)

_EXPORT = (
    *("export", "--quiet", "--frozen", "--no-emit-project", "--no-default-groups", "--no-editable"),
    *("--no-header", "--no-annotate", "--format", "requirements.txt"),
)
_RELOCK = "run `uv lock` in its folder"
_MARKER = re.compile(r"(?P<package>\S.*?) ; (?P<marker>.*?)(?P<rest>\s*\\\n.*)?", re.DOTALL)


def frozen_entries(installation: Installation, held: int) -> list[str]:
    """Return the packages of the project's `uv.lock` for this interpreter and system.

    Raises:
        AssetError: The lock is older than the project, or has what the policy refuses.
    """
    requirements = installation.requirements
    _check(requirements)
    process = installation.uv(*_EXPORT, "--python", installation.interpreter.path, held=held)
    if process.returncode:
        raise requirement_failure("cannot be read from its uv.lock", process, requirements)
    environment = _marker_environment(installation)
    found = (_of_here(entry, environment) for entry in entries_of(process.stdout))
    return [entry for entry in found if entry]


def _of_here(entry: str, environment: dict[str, str]) -> str:
    """Return an entry without its marker; empty where that does not hold."""
    match = _MARKER.fullmatch(entry)
    if not match:
        return entry
    return match["package"] + (match["rest"] or "") if Marker(match["marker"]).evaluate(environment) else ""


def _marker_environment(installation: Installation) -> dict[str, str]:
    # The system is that of the worker; the interpreter may be another one.
    version = installation.interpreter.version
    return {
        **{name: str(value) for name, value in default_environment().items()},
        "implementation_version": version,
        "python_full_version": version,
        "python_version": ".".join(version.split(".")[:2]),
        "extra": "",
    }


def _check(requirements: Requirements) -> None:
    path = requirements.uv_lock
    assert path, requirements  # noqa: S101  # for mypy: who calls this has looked
    text = read_text(path)
    import tomllib

    try:
        packages = [each for each in tomllib.loads(text).get("package", []) if isinstance(each, dict)]
    except tomllib.TOMLDecodeError as error:
        raise problem(path, 0, f"is not TOML: {error}", _RELOCK, code="AM708") from error
    own = next((each for each in packages if _name(each) == requirements.project), None)
    if own is None:
        message = f"has no project {requirements.project!r}, which {requirements.path} describes"
        raise problem(path, 0, message, _RELOCK, code="AM708")
    stale = [line for line in requirements.lines if not _is_locked(line, own)]
    if stale:
        raise AssetError(
            [
                Problem(
                    *(str(line.file), line.number, 1, ""),
                    f"{line.text!r} is not what {path} was made from",
                    _RELOCK,
                    code="AM708",
                )
                for line in stale
            ]
        )
    if requirements.policy != "open":
        problems = [
            refusal(path, _line_of(text, each), f"{_name(each)!r} comes from {source}", "lock a release", policy)
            for policy in [requirements.policy]
            for each, source in _from_elsewhere(packages)
        ]
        if problems:
            raise AssetError(problems)


def _is_locked(line: RequirementLine, own: dict[str, Any]) -> bool:
    """Whether the lock was made with this dependency. Where a source gives it, its versions do not count."""
    asked = Requirement(line.text)
    metadata = own.get("metadata")
    for each in metadata.get("requires-dist", []) if isinstance(metadata, dict) else []:
        has_source = each.keys() & {"git", "url", "path", "directory", "editable", "virtual"}
        same_version = SpecifierSet(each.get("specifier", "")) == asked.specifier
        if (
            canonicalize_name(each.get("name", "")) == line.name
            and set(each.get("extras", [])) == asked.extras
            and (has_source or same_version)
        ):
            return True
    return False


def _from_elsewhere(packages: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Give each package that no index has, with its source. A project without a build has none."""
    for each in packages:
        source = each.get("source")
        kinds = set(source) if isinstance(source, dict) else set()
        if not kinds & {"registry", "virtual"} and source != {"editable": "."}:
            yield each, " ".join(sorted(kinds)) or "nowhere"


def _name(each: dict[str, Any]) -> str:
    return canonicalize_name(str(each.get("name", "")))


def _line_of(text: str, each: dict[str, Any]) -> int:
    needle = f'name = "{each.get("name")}"'
    return next((number for number, line in enumerate(text.splitlines(), 1) if line == needle), 1)
