"""Fills one virtual environment: install what is locked, add the runtime, try it."""

from __future__ import annotations

import shutil
from pathlib import Path

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.containment import run_contained
from airflow_materialize.execution.environments.blame import requirement_failure
from airflow_materialize.execution.environments.installation import Installation
from airflow_materialize.execution.environments.local_copies import with_copies
from airflow_materialize.execution.environments.lock_text import entries_of, name_of, with_credentials
from airflow_materialize.execution.environments.runtime import PACKAGE, runtime_files
from airflow_materialize.execution.environments.uv import reason
from airflow_materialize.execution.environments.uv_settings import explicit_index

_ADOPTED = """
from airflow_materialize.sdk import query as _
from airflow_materialize.sdk.bruin_query import adopt, ours as __getattr__

query, get_connection = adopt(query, get_connection)
"""
_SMOKE_TEST = "import airflow_materialize.child.library; import pyarrow; import airflow_materialize.child.main"


def install(venv: Path, lock: str, installation: Installation, held: int, compiled: Path) -> list[str]:
    """Make a virtual environment and install everything an asset needs in it.

    Args:
        venv: Its place; the folder above it is for files on the way.
        lock: The exact packages.
        installation: What they were resolved for.
        held: File descriptor of the environment's lock.
        compiled: Where to keep what Python compiles meanwhile.

    Returns:
        Files whose absence means that the environment is broken, relative to it.

    Raises:
        MaterializeError: Something does not install or import.
        TransientError: The package index was not reached.
    """
    # Relocatable: it is renamed when it is complete.
    python = ("--python", installation.interpreter.path)
    made = installation.uv("venv", venv, "--relocatable", "--no-project", *python, held=held)
    if made.returncode:
        raise MaterializeError(f"uv cannot make a virtual environment: {reason(made)}")
    _install_lock(venv, lock, installation, held)
    site_packages = next(venv.glob("lib/python3*/site-packages"))
    files = _add_runtime(site_packages)
    _try(venv, compiled, installation, held)
    return [str(file.relative_to(venv)) for file in files]


def _install_lock(venv: Path, lock: str, installation: Installation, held: int) -> None:
    requirements = installation.requirements
    # Indexes and the like come from the file again, and are not kept: they may hold a password.
    options = [line.anywhere for line in requirements.lines if line.is_option and not line.is_include]
    source = venv.parent / "install.txt"
    target: list[str | Path] = ["--quiet", "--no-deps", *installation.refreshed, "--python", venv / "bin" / "python"]
    if requirements.policy == "locked":
        target += ["--require-hashes", "--only-binary", ":all:"]
    texts = [line.text for line in requirements.lines]
    by_index: dict[str, list[str]] = {}
    for entry in entries_of(lock):
        by_index.setdefault(explicit_index(name_of(entry), requirements), []).append(entry)
    for index, entries in by_index.items():
        whole = [with_credentials(entry, texts) for entry in entries]
        copied = with_copies(whole, installation.home, venv.parent)
        # What a build needs from beside its folder is in place there alone.
        for given in (copied, whole) if copied != whole else (whole,):
            source.write_text("".join(f"{line}\n" for line in [*options, *given]))
            process = installation.uv("pip", "install", *target, "--requirements", source, held=held, first=index)
            source.unlink()
            if not process.returncode:
                break
        else:
            raise requirement_failure("cannot be installed", process, requirements)


def _add_runtime(site_packages: Path) -> list[Path]:
    """Copy what the child runs into the environment, and give the copies."""
    copies = [site_packages / name for name, _ in runtime_files()]
    for copy, (_, file) in zip(copies, runtime_files(), strict=True):
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    alias = site_packages / "bruin"
    if any(site_packages.glob("bruin_sdk-*.dist-info")):
        # Bruin's own package stays as it is, and asks the worker where a connection is no secret of the asset.
        with (alias / "__init__.py").open("a") as genuine:
            genuine.write(_ADOPTED)
        shutil.copyfile(PACKAGE / "sdk" / "bruin_exceptions.py", alias / "exceptions.py")
    if not alias.exists() and not alias.with_suffix(".py").exists():
        alias.mkdir()
        for name, text in (("__init__.py", "bruin_alias.py"), ("exceptions.py", "bruin_exceptions.py")):
            shutil.copyfile(PACKAGE / "sdk" / text, alias / name)
    return copies


def _try(venv: Path, compiled: Path, installation: Installation, held: int) -> None:
    options = ["-I", "-X", "utf8", "-X", f"pycache_prefix={compiled}"]
    command = [str(venv / "bin" / "python"), *options, "-c", _SMOKE_TEST]
    path = {"PATH": installation.env.get("PATH", "")}
    process = run_contained(command, env=path, cwd=venv, child=installation.child, held=(held,))
    if process.returncode:
        where = installation.requirements.path or "without requirements"
        # The folder is gone before anybody reads this.
        text = process.stderr.strip().replace(f"{venv}/", "") or f"exit code {process.returncode}"
        raise MaterializeError(
            f"{where}: the packages install, but do not import on Python {installation.interpreter.version}:\n{text}",
            hint="often two packages that do not fit: pin another version of one",
        )
