"""What exactly an asset's requirements come to: resolved once for each content of them, and remembered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sysconfig
import tempfile
from pathlib import Path

from packaging.requirements import Requirement

from airflow_materialize.errors import AssetError
from airflow_materialize.execution.environments.blame import PYARROW, requirement_failure
from airflow_materialize.execution.environments.cache import RESOLUTIONS, RESOLVING
from airflow_materialize.execution.environments.frozen import frozen_entries
from airflow_materialize.execution.environments.installation import Installation
from airflow_materialize.execution.environments.local_copies import overrides
from airflow_materialize.execution.environments.lock_text import entries_of, name_of, without_credentials
from airflow_materialize.execution.environments.policy import refusal
from airflow_materialize.execution.environments.requirement_lines import problem
from airflow_materialize.execution.environments.turns import turn
from airflow_materialize.execution.environments.uv_settings import write_project

_COMPILE = ("pip", "compile", "--quiet", "--no-header", "--no-annotate", "--generate-hashes")
_TITLE = re.compile(r"# (?P<sha256>[0-9a-f]{64})\n")


def platform_identity(installation: Installation) -> list[str]:
    """Return what tells apart interpreters and systems for which packages are built."""
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else ""
    return [installation.interpreter.version, sysconfig.get_platform(), libc or ""]


def find_lock(installation: Installation, folder: Path, *, renew: bool = False) -> str:
    """Return the exact packages in the form of a requirements file, each with its hashes.

    Args:
        installation: Its requirements are resolved where that was not done before.
        folder: Where environments live.
        renew: Whether a resolution that is remembered is made anew.

    Raises:
        MaterializeError: They do not resolve, or do not fit their `uv.lock`.
        TransientError: The package index was not reached.
    """
    parts = [
        installation.requirements.digest,
        *platform_identity(installation),
        *installation.index_identity,
        PYARROW,
    ]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    record = folder / RESOLUTIONS / f"{digest[:32]}.txt"
    known = None if renew else _remembered(record)
    if known is not None:
        return known
    record.parent.mkdir(mode=0o700, exist_ok=True)
    doing = f"resolves {installation.requirements.path or PYARROW}"
    turns = turn(record.with_suffix(".lock"), doing, installation.asset, installation.log, installation.child)
    with turns as held:
        known = None if renew else _remembered(record)
        if known is None:
            known = _resolve(installation, record, held)
            _remember(record, known)
        return known


def _remembered(record: Path) -> str | None:
    try:
        text = record.read_text()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    title = _TITLE.match(text)
    if not title or hashlib.sha256(text[title.end() :].encode()).hexdigest() != title["sha256"]:
        return None
    # Where nothing can be written, nothing is pruned either.
    with contextlib.suppress(OSError):
        os.utime(record)
    return text[title.end() :]


def _remember(record: Path, lock: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f"{record.stem}.", suffix=RESOLVING, dir=record.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"# {hashlib.sha256(lock.encode()).hexdigest()}\n{lock}")
    Path(name).rename(record)


def _resolve(installation: Installation, record: Path, held: int) -> str:
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
