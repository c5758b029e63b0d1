"""Builds the virtual environment of an asset with uv, once per content of its requirements."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.containment import Child
from airflow_materialize.execution.environments.cache import (
    INTERPRETERS,
    LOCK,
    MARKER,
    build_lock,
    count_packages,
    prune,
    used,
)
from airflow_materialize.execution.environments.compiled import COMPILED, move_compiled
from airflow_materialize.execution.environments.installation import Installation
from airflow_materialize.execution.environments.interpreter import known_interpreter
from airflow_materialize.execution.environments.requirements import Requirements, check_requires_python
from airflow_materialize.execution.environments.resolution import find_lock, platform_identity
from airflow_materialize.execution.environments.runtime import runtime_files
from airflow_materialize.execution.environments.turns import turn
from airflow_materialize.execution.environments.uv import uv_environment, uv_version


@dataclass(frozen=True)
class Environment:
    """A virtual environment that is complete.

    Attributes:
        path: Its folder.
        python: Its interpreter.
        key: SHA-256 of what it was made from, hexadecimal.
        lock: What is installed in it, in the form of a requirements file.
        compiled: Where its Python finds and leaves what it compiles, `pycache_prefix`.
    """

    path: Path
    python: Path
    key: str
    lock: str
    compiled: Path


@dataclass(frozen=True)
class BuildOptions:
    """How an environment is built.

    Attributes:
        child: The handle by which that is ended.
        max_size: How large all environments may be after a build, in bytes; None where nothing is pruned.
        index: The setting `index`.
        asset: For whom it is built; others that wait for it read it.
        renew: Whether the requirements are resolved anew.
    """

    child: Child | None = None
    max_size: int | None = None
    index: str = ""
    asset: str = ""
    renew: bool = False


def ensure_environment(
    requirements: Requirements, python: str, folder: Path, log: logging.Logger, **options: Any
) -> Environment:
    """Return the environment for these requirements; build it if it is missing or broken.

    Nothing keeps it from being pruned afterwards: who runs something in it calls `use_environment`, with the same.
    """
    with use_environment(requirements, python, folder, log, BuildOptions(**options)) as environment:
        return environment


@contextlib.contextmanager
def use_environment(
    requirements: Requirements, python: str, folder: Path, log: logging.Logger, options: BuildOptions | None = None
) -> Iterator[Environment]:
    """Give the environment for these requirements and keep it from being pruned; build it if missing or broken.

    Environments are built beside their final place and renamed into it, so a half-built one is never used. Tasks
    that need the same one wait for the first. Others are pruned after the use of one that was built.

    Args:
        requirements: Found by `find_requirements`.
        python: As `python_version` returns it.
        folder: Where environments live, the setting `environments`.
        log: Told of waiting and building.
        options: How it is built.

    Raises:
        MaterializeError: It was stopped, a requirement does not resolve or install, there is no such Python, or the
            folder cannot be written.
        TransientError: The package index was not reached.
    """
    options = options or BuildOptions()
    child = options.child or Child()
    env = uv_environment(os.environ)
    interpreter = known_interpreter(python, env, folder / INTERPRETERS, log, child)
    check_requires_python([interpreter.version], requirements, f"Python {interpreter.version} ({interpreter.path})")
    installation = Installation(requirements, interpreter, env, log, child, options.index, options.asset)
    with _writable(folder):
        lock = find_lock(installation, folder, renew=options.renew)
    key = _key(lock, installation)
    path = folder / f"{interpreter.version}-{key[:24]}"
    missing = False
    with contextlib.ExitStack() as held:
        # Before the first look at it: what is there then is there until the end.
        with _writable(folder):
            held.enter_context(used(path))
        environment = _complete(path, key)
        if not environment:
            doing = f"builds this environment ({path})"
            with _writable(folder), turn(build_lock(path), doing, options.asset, log, child) as descriptor:
                missing = not _complete(path, key)
                if missing:
                    _build(path, key, lock, installation, descriptor)
            environment = _complete(path, key)
            assert environment, path  # noqa: S101  # It was renamed into place a moment ago, and is in use.
        try:
            yield environment
        finally:
            # Not before: to add up the sizes of many environments takes longer than the start of an asset.
            if missing and options.max_size is not None:
                prune(folder, options.max_size, log)


def _key(lock: str, installation: Installation) -> str:
    """Return what tells one environment from another. No credential and no address of an index is part of it."""
    requirements = installation.requirements
    runtime = hashlib.sha256()
    for name, file in runtime_files():
        runtime.update(f"{name}\0".encode() + file.read_bytes())
    parts = [
        lock,
        # How a source distribution is built may be said there. Who says nothing shares with all that come to the same.
        requirements.digest if requirements.is_particular else "",
        str(installation.interpreter.path),
        *platform_identity(installation),
        uv_version(),
        runtime.hexdigest(),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _complete(path: Path, key: str) -> Environment | None:
    """Return the environment at `path`; None if it is missing, was tampered with or lost its interpreter."""
    python = path / "bin" / "python"
    try:
        marker = json.loads((path / MARKER).read_text())
        lock = (path / LOCK).read_text()
        whole = marker["key"] == key and all((path / file).exists() for file in marker["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Environment(path, python, key, lock, path / COMPILED) if whole and os.access(python, os.X_OK) else None


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Make the folder, and say of any failure to write there what to set."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise MaterializeError(
            f"environments cannot be built in {folder}: {error.strerror or error}",
            hint="set [materialize] environments to a folder on a local disk that the worker can write",
        ) from error


def _build(path: Path, key: str, lock: str, installation: Installation, held: int) -> None:
    # Not before: what is built needs none of it.
    from airflow_materialize.execution.environments.install import install

    started = time.monotonic()
    log, requirements = installation.log, installation.requirements
    source = requirements.path or "no requirements file, pyarrow alone"
    log.info("building the environment %s (Python %s, %s)", path, installation.interpreter.version, source)
    # What is left under this name belongs to a builder that was killed: its lock is ours now.
    for leftover in path.parent.glob(f"{path.name}.*.building"):
        shutil.rmtree(leftover, ignore_errors=True)
    building = Path(tempfile.mkdtemp(prefix=f"{path.name}.", suffix=".building", dir=path.parent))
    installation.child.may_write(building)
    try:
        venv, compiled = building / "venv", building / "compiled"
        files = install(venv, lock, installation, held, compiled)
        move_compiled(compiled, venv, path)
        (venv / LOCK).write_text(lock)
        venv.chmod(0o700)
        (venv / MARKER).write_text(json.dumps({"key": key, "files": files}))
        _replace(venv, path, building)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    count = count_packages(lock)
    packages = f"{count} package{'' if count == 1 else 's'}"
    log.info("built the environment with %s in %.1f s", packages, time.monotonic() - started)


def _replace(source: Path, target: Path, aside: Path) -> None:
    """Rename into place; a broken environment that stands there moves into `aside`."""
    with contextlib.suppress(FileNotFoundError):
        target.rename(aside / "broken")
    source.rename(target)
