"""Has uv work out what an asset's requirements come to, or takes it from their `uv.lock`."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from packaging.requirements import Requirement

from airflow_materialize.errors import AssetError
from airflow_materialize.execution.environments.blame import requirement_failure
from airflow_materialize.execution.environments.cache import RESOLVING
from airflow_materialize.execution.environments.frozen import frozen_entries
from airflow_materialize.execution.environments.installation import Installation
from airflow_materialize.execution.environments.local_copies import overrides
from airflow_materialize.execution.environments.lock_text import entries_of, name_of, without_credentials
from airflow_materialize.execution.environments.policy import refusal
from airflow_materialize.execution.environments.requirement_lines import problem
from airflow_materialize.execution.environments.runtime import PYARROW
from airflow_materialize.execution.environments.uv_settings import write_project

_COMPILE = ("pip", "compile", "--quiet", "--no-header", "--no-annotate", "--generate-hashes")


def resolve(installation: Installation, record: Path, held: int) -> str:
    """Return the exact packages in the form of a requirements file, each with its hashes.

    Args:
        installation: Whose requirements they are.
        record: Where they will be remembered: files on the way stand beside it.
        held: File descriptor of its lock.

    Raises:
        MaterializeError: They do not resolve, or do not fit their `uv.lock`.
        TransientError: The package index was not reached.
    """
    # What is left under this name belongs to a task that was killed: its lock is ours now.
    for leftover in record.parent.glob(f"{record.stem}.*{RESOLVING}"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    scratch = Path(tempfile.mkdtemp(prefix=f"{record.stem}.", suffix=RESOLVING, dir=record.parent))
    installation.child.may_write(scratch)
    try:
        if installation.requirements.uv_lock:
            entries = _with_pyarrow(frozen_entries(installation, held), installation, scratch, held)
        else:
            entries = _compiled(installation, scratch, held)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return "".join(f"{without_credentials(entry)}\n" for entry in entries)


def _compiled(installation: Installation, scratch: Path, held: int) -> list[str]:
    requirements = installation.requirements
    sources: list[Path] = []
    if requirements.inline:
        sources = [write_project(requirements, scratch)]
    elif requirements.path:
        sources = [requirements.path]
    added = scratch / "added.txt"
    added.write_text(f"{PYARROW}\n")
    wheels = ("--only-binary", ":all:") if requirements.policy == "locked" else ()
    python = ("--python", installation.interpreter.path)
    options = (*wheels, *installation.refreshed, *python)
    copies = overrides(requirements.local_packages, [line.text for line in requirements.lines], scratch)
    if copies:
        instead = scratch / "instead.txt"
        instead.write_text("".join(f"{requirement}\n" for requirement in copies))
        process = installation.uv(*_COMPILE, *options, "--override", instead, *sources, added, held=held)
    if not copies or process.returncode:
        # What a build needs from beside its folder is in place there alone.
        process = installation.uv(*_COMPILE, *options, *sources, added, held=held)
    if process.returncode:
        raise requirement_failure("does not resolve", process, requirements)
    lock = process.stdout
    for requirement, source in copies.items():
        lock = lock.replace(requirement.partition("file://")[2], str(source))
    entries = [_with_demanded_hashes(entry, installation) for entry in entries_of(lock)]
    if requirements.policy == "locked" and requirements.path:
        _check_all_listed(entries, installation)
    return entries


def _with_demanded_hashes(entry: str, installation: Installation) -> str:
    """Put the hashes that a requirements file demands in the place of those that the index tells."""
    demanded = [
        option
        for line in installation.requirements.lines
        if line.name and line.name == name_of(entry)
        for option in line.options.split()
        if option.startswith("--hash=")
    ]
    if not demanded:
        return entry
    return " \\\n    ".join([re.split(r"\s+\\\n", entry)[0], *dict.fromkeys(demanded)])


def _check_all_listed(entries: list[str], installation: Installation) -> None:
    """Refuse packages that come in by themselves. pyarrow does: it is in each environment."""
    requirements = installation.requirements
    listed = {line.name for line in requirements.lines}
    missing = [name for name in map(name_of, entries) if name not in listed | {"pyarrow"}]
    if missing and requirements.path:
        what = f"{', '.join(missing)} would be installed, as other packages need it, and is not listed"
        fix = "`uv pip compile --generate-hashes` lists every package"
        raise AssetError([refusal(requirements.path, 1, what, fix, requirements.policy)])


def _with_pyarrow(entries: list[str], installation: Installation, scratch: Path, held: int) -> list[str]:
    """Add pyarrow to what a `uv.lock` says, where that has none. Nothing in the lock changes for it."""
    found = [entry for entry in entries if name_of(entry) == "pyarrow"]
    if found:
        _check_pyarrow(found[0], installation)
        return entries
    limits, added = scratch / "locked.txt", scratch / "added.txt"
    limits.write_text("".join(f"{re.split(r'[ ;]', entry)[0]}\n" for entry in entries if "==" in entry))
    added.write_text(f"{PYARROW}\n")
    python = ("--python", installation.interpreter.path)
    process = installation.uv(*_COMPILE, *python, "--constraint", limits, added, held=held)
    if process.returncode:
        raise requirement_failure("does not resolve", process, installation.requirements)
    names = {name_of(entry) for entry in entries}
    return [*entries, *(entry for entry in entries_of(process.stdout) if name_of(entry) not in names)]


def _check_pyarrow(entry: str, installation: Installation) -> None:
    version = entry.partition("==")[2].split()[0] if "==" in entry else ""
    if version and not Requirement(PYARROW).specifier.contains(version, prereleases=True):
        message = f"uv.lock has pyarrow {version}; {PYARROW} is needed, as results travel as Arrow data"
        hint = f"add {PYARROW!r} to the dependencies, and run `uv lock`"
        path = installation.requirements.path or Path()
        raise problem(path, 1, message, hint, code="AM708")
