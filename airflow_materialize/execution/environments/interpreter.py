"""Finds the CPython interpreter that an asset asks for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.containment import Child, run_contained
from airflow_materialize.execution.environments.requirements import check_supported, is_supported
from airflow_materialize.execution.environments.uv import reason, run_uv

_PROBE = """
import json, platform, sys
print(json.dumps([platform.python_implementation(), platform.python_version(), sys.executable]))
"""


@dataclass(frozen=True)
class Interpreter:
    """An interpreter on this machine.

    Attributes:
        path: Of its binary, links resolved.
        version: As `3.12.1`.
    """

    path: Path
    version: str


def find_interpreter(
    python: str, env: Mapping[str, str], log: logging.Logger, child: Child | None = None
) -> Interpreter:
    """Find an interpreter, or let uv download it.

    The worker's own counts first, then those that uv knows of (its own, then `PATH`), then those behind the shims of
    pyenv, asdf and mise.

    Args:
        python: `3.12`, `3.12.1` or a path.
        env: The environment of uv.
        log: Told of a download.
        child: The handle by which the search is ended.

    Raises:
        MaterializeError: There is none, and none can be downloaded. It lists those that there are.
    """
    if _is_own(python):
        # The interpreter below the worker's virtual environment: it outlives that.
        return Interpreter(Path(getattr(sys, "_base_executable", sys.executable)).resolve(), platform.python_version())
    # uv gives up at the first shim that does not run, so it searches the folders behind the shims instead.
    env = {**env, "PATH": os.pathsep.join(search_path(env))}
    find = ("python", "find", python, "--no-project", "--system", "--no-python-downloads")
    child = child or Child()
    found = run_uv(*find, cwd=Path("/"), env=env, child=child)
    if found.returncode and "/" not in python:
        log.info("Python %s is not on this machine: uv downloads it", python)
        download = run_uv("python", "install", python, "--no-bin", cwd=Path("/"), env=env, child=child)
        if download.returncode:
            raise _missing(python, _download_reason(reason(download)), env, child)
        found = run_uv(*find, cwd=Path("/"), env=env, child=child)
    if found.returncode:
        raise _missing(python, reason(found), env, child)
    return _probe(Path(found.stdout.strip()), child)


def known_interpreter(
    python: str, env: Mapping[str, str], folder: Path, log: logging.Logger, child: Child | None = None
) -> Interpreter:
    """Find an interpreter as `find_interpreter` does, and remember it: asking each of them takes a third of a second.

    Args:
        python: As there.
        env: As there.
        folder: Where it is remembered; it need not exist.
        log: As there.
        child: As there.

    Raises:
        MaterializeError: There is none, and none can be downloaded.
    """
    if _is_own(python):
        return find_interpreter(python, env, log, child)
    place = hashlib.sha256(
        json.dumps([python, search_path(env), env.get("UV_PYTHON_INSTALL_DIR")]).encode()
    ).hexdigest()
    record = folder / f"{place[:32]}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(record.read_text())
        # Another binary at that place, as an update leaves it, is asked anew.
        if known["stamp"] == _stamp(Path(known["path"])):
            return Interpreter(Path(known["path"]), str(known["version"]))
    found = find_interpreter(python, env, log, child)
    # What cannot be remembered is asked for again the next time.
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = record.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        told = {"path": str(found.path), "version": found.version, "stamp": _stamp(found.path)}
        written.write_text(json.dumps(told))
        written.rename(record)
    return found


def _is_own(python: str) -> bool:
    return python in (platform.python_version(), platform.python_version().rpartition(".")[0])


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def search_path(env: Mapping[str, str]) -> list[str]:
    """Return the folders of `PATH`, with those behind the shims of version tools in their place."""
    home = Path(env.get("HOME", "/nonexistent"))
    folders = [Path(entry) for entry in env.get("PATH", os.defpath).split(os.pathsep) if entry]
    folders += [home / ".pyenv/shims", home / ".local/share/mise/shims"]
    found = (str(each) for folder in folders for each in _behind_shims(folder))
    return list(dict.fromkeys(found))


def _behind_shims(folder: Path) -> Iterator[Path]:
    if folder.name != "shims":
        yield folder
        return
    for pattern in ("versions/3.*/bin", "installs/python/3.*/bin"):
        yield from sorted(folder.parent.glob(pattern))


def _probe(path: Path, child: Child) -> Interpreter:
    # Without the worker's variables: PYTHONHOME and the like would answer for another interpreter.
    process = run_contained([str(path), "-I", "-c", _PROBE], env={}, cwd=Path("/"), child=child)
    if process.returncode:
        raise MaterializeError(f"the interpreter {path} does not run: {process.stderr.strip()}")
    implementation, version, executable = json.loads(process.stdout)
    if implementation != "CPython":
        raise MaterializeError(f"{path} is {implementation} {version}", hint="assets run on CPython")
    check_supported(version, f"the interpreter {path}")
    return Interpreter(Path(executable).resolve(), version)


def _download_reason(text: str) -> str:
    """Return the first line, which says what failed, and the last, which says why."""
    lines = [line.removeprefix("cause: ") for line in map(str.strip, text.splitlines()) if line]
    return "; ".join(dict.fromkeys([lines[0], lines[-1]])) if lines else text


def _missing(python: str, why: str, env: Mapping[str, str], child: Child) -> MaterializeError:
    listing = ("python", "list", "--only-installed", "--output-format", "json")
    listed = run_uv(*listing, cwd=Path("/"), env=env, child=child)
    found = json.loads(listed.stdout) if not listed.returncode else []
    usable = {each["version"]: each["path"] for each in found if each["implementation"] == "cpython"}
    usable[platform.python_version()] = sys.executable
    versions = sorted(filter(is_supported, usable), key=Version)
    choice = "at hand are " + ", ".join(f"{version} ({usable[version]})" for version in versions)
    if "/" in python:
        return MaterializeError(f"the interpreter {python} cannot be used: {why}", hint=choice)
    return MaterializeError(
        f"Python {python} is not on this machine and could not be downloaded: {why}",
        hint=f"{choice}; others are found on PATH and by `uv python install {python}`",
    )
