"""uv, and the interpreters that assets ask for."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from packaging.version import Version

from airflow_materialize.definition.project.select import Selection
from airflow_materialize.doctor.finding import Finding
from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.containment import Child
from airflow_materialize.execution.environments.interpreter import find_interpreter
from airflow_materialize.execution.environments.requirements import find_requirements, python_version
from airflow_materialize.execution.environments.uv import run_uv, uv_environment, uv_version
from airflow_materialize.execution.isolation import Isolation
from airflow_materialize.settings import Settings
from airflow_materialize.workplace import Workplace

# Older ones let a package write files outside its environment (GHSA-4gg8-gxpx-9rph).
_OLDEST_UV = "0.11.15"


def python_findings(settings: Settings, root: Path, selections: list[Selection]) -> Iterator[Finding]:
    """Look for uv, the worker's interpreter, and each version that an asset asks for."""
    view = Isolation(settings, root).to_build()
    # Nothing is downloaded by a doctor.
    env = {**uv_environment(os.environ), "UV_OFFLINE": "1"}
    try:
        ran = run_uv("--version", cwd=Path("/"), env=env, child=Child(view))
    except MaterializeError as error:
        yield Finding("uv", "broken", error.message, error.hint)
        return
    if ran.returncode:
        yield Finding("uv", "broken", f"does not run: {ran.stderr.strip()}", "install the package uv anew")
        return
    if Version(uv_version()) < Version(_OLDEST_UV):
        yield Finding("uv", "broken", f"{uv_version()} has known holes", f"install {_OLDEST_UV} or later")
    else:
        yield Finding("uv", "ok", uv_version())
    for python, assets in _asked_for(settings, selections).items():
        yield _interpreter(python, assets, env, Child(view))


def _asked_for(settings: Settings, selections: list[Selection]) -> dict[str, list[str]]:
    """Return who asks for each version. What is wrong with an asset's own wish is for `validate` to say."""
    found: dict[str, list[str]] = {}
    for selection in selections:
        top = Workplace(selection.root, selection.pipeline.path, settings).top
        for parsed in selection.chosen:
            if parsed.asset is None:
                continue
            try:
                requirements = find_requirements(selection.root / parsed.script, top, settings.requirements)
                python = python_version(parsed.asset.image, requirements, settings.python)
            except MaterializeError:
                continue
            found.setdefault(python, []).append(parsed.name)
    return found


def _interpreter(python: str, assets: list[str], env: dict[str, str], child: Child) -> Finding:
    users = f"{', '.join(assets[:3])}{f' and {len(assets) - 3} more' if len(assets) > 3 else ''}"  # noqa: PLR2004
    try:
        found = find_interpreter(python, env, logging.getLogger("airflow_materialize.doctor"), child)
    except MaterializeError:
        hint = f"uv downloads it at the first run; where it may not: uv python install {python}"
        return Finding("python", "warning", f"{python} is not on this machine (for {users})", hint)
    return Finding("python", "ok", f"{found.version} at {found.path} (for {users})")
