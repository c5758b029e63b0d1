"""Copies local packages to build them: a build writes beside what it builds, which is not ours to change."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from airflow_materialize.execution.environments.local_content import is_passed_over
from airflow_materialize.execution.environments.lock_text import name_of
from airflow_materialize.execution.environments.requirement_lines import RequirementLine

_EXTRAS = re.compile(r"\[[^]]*]")


def with_copies(entries: Iterable[str], home: Path, scratch: Path) -> list[str]:
    """Return the entries of a lock with copies in the place of the folders that they name.

    Args:
        entries: The packages.
        home: Relative paths start there.
        scratch: Where copies are made.
    """
    found = []
    for entry in entries:
        path = RequirementLine(home, 0, entry, name_of(entry)).local_path
        source = home / path
        found.append(entry.replace(path, str(_copy(source, scratch)), 1) if path and source.is_dir() else entry)
    return found


def overrides(packages: Iterable[tuple[str, Path]], texts: Iterable[str], scratch: Path) -> dict[str, Path]:
    """Return requirements that stand in for local packages whose build has to be asked about them.

    Args:
        packages: The names, where they are known, and the folders of local packages.
        texts: The requirements, some of which may name extras of these.
        scratch: Where copies are made.

    Returns:
        The requirements, each with the folder that it stands in for.
    """
    extras = " ".join(text for text in texts if "[" in text)
    found = {}
    for given, source in packages:
        name = given or project_name(source)
        # What the override would drop is left as it is.
        if name and source.is_dir() and not _is_static(source) and not _EXTRAS.search(extras):
            found[f"{name} @ file://{_copy(source, scratch)}"] = source.resolve()
    return found


def project_name(folder: Path) -> str:
    """Return what a local package says that it is called; empty where only its build knows."""
    return str(_project(folder).get("name") or "")


def _is_static(folder: Path) -> bool:
    project = _project(folder)
    return bool(project.get("version")) and not project.get("dynamic")


def _project(folder: Path) -> dict[str, object]:
    import tomllib

    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text()).get("project")
    except (OSError, ValueError):
        return {}
    return project if isinstance(project, dict) else {}


def _copy(source: Path, scratch: Path) -> Path:
    source = source.resolve()
    target = Path(tempfile.mkdtemp(prefix="local-", dir=scratch)) / source.name

    def ignored(folder: str, names: list[str]) -> list[str]:
        # The environments may lie in the folder of the package.
        return [
            name
            for name in names
            if (is_passed_over(name, top=Path(folder) == source) and Path(folder, name).is_dir())
            or Path(folder, name) in scratch.resolve().parents
        ]

    shutil.copytree(source, target, symlinks=True, ignore=ignored)
    for folder, _, _ in os.walk(target):
        # The original may be one that nobody writes to.
        Path(folder).chmod(0o700)
    if (source / ".git").exists():
        # Where a build tells its version from.
        (target / ".git").symlink_to(source / ".git")
    return target
