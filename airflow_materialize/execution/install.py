"""Fills one virtual environment: resolve, install, add the runtime, try it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import airflow_materialize
from airflow_materialize.errors import AssetError, MaterializeError, Problem, TransientError
from airflow_materialize.execution.containment import Child, run_contained
from airflow_materialize.execution.inline_project import write_project
from airflow_materialize.execution.interpreter import Interpreter
from airflow_materialize.execution.requirements import RequirementLine, Requirements
from airflow_materialize.execution.uv import reason, run_uv

# Older releases of pyarrow run code that a file names (CVE-2023-47248). No pin: a user's own pin is kept.
PYARROW = "pyarrow>=14.0.1"

_PACKAGE = Path(airflow_materialize.__file__).parent
_ADOPTED = """
from airflow_materialize.sdk.bruin_query import adopt

query, get_connection = adopt(query, get_connection)
"""
_SMOKE_TEST = "import pyarrow; import airflow_materialize.child.main"

# What uv says when the network, not a requirement, is at fault.
_NETWORK = re.compile(
    r"error sending request|timed out|connection reset|connection refused|dns error"
    r"|status client error \(429|status server error",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Installation:
    """What goes into an environment, and what with.

    Attributes:
        requirements: Of the asset.
        interpreter: The Python below it.
        env: The environment of uv.
        lock: File descriptor of the environment's lock. uv holds it too: when the worker is killed, the next one waits
            until uv has stopped writing.
        source: The file that uv reads the requirements from; None where there are none.
        settings: The file that uv takes its settings from; None where there are none.
        child: The handle by which the installation is ended.
    """

    requirements: Requirements
    interpreter: Interpreter
    env: Mapping[str, str]
    lock: int
    source: Path | None = None
    settings: Path | None = None
    child: Child = field(default_factory=Child)

    def uv(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run uv where relative paths of the requirements file start: in its folder."""
        cwd = self.requirements.path.parent if self.requirements.path else Path("/")
        settings = ("--config-file", self.settings) if self.settings else ()
        return run_uv(*arguments, *settings, cwd=cwd, env=self.env, child=self.child, held=(self.lock,))

    def prepared(self, folder: Path) -> Installation:
        """Return the same with the files that uv is to read, made in a folder where they do not exist as such."""
        if not self.requirements.inline:
            return replace(self, source=self.requirements.path)
        source, settings = write_project(self.requirements, folder)
        return replace(self, source=source, settings=settings)


def install(venv: Path, installation: Installation) -> tuple[str, list[str]]:
    """Make a virtual environment and install everything an asset needs in it.

    Returns:
        The lock, and files whose absence means that the environment is broken, relative to it.

    Raises:
        MaterializeError: Something does not resolve, install or import.
        TransientError: The package index was not reached.
    """
    installation = installation.prepared(venv.parent)
    # Relocatable: it is renamed when it is complete.
    made = installation.uv("venv", venv, "--relocatable", "--no-project", "--python", installation.interpreter.path)
    if made.returncode:
        raise MaterializeError(f"uv cannot make a virtual environment: {reason(made)}")
    lock = _resolve(venv, installation)
    _install_lock(venv, lock, installation)
    site_packages = next(venv.glob("lib/python3*/site-packages"))
    files = _add_runtime(site_packages)
    _try(venv, installation)
    return lock, [str(file.relative_to(venv)) for file in files]


def runtime_files() -> Iterator[tuple[str, Path]]:
    """Give each file that runs in an asset's environment: its path there, and where it is now."""
    yield "airflow_materialize/__init__.py", _PACKAGE / "__init__.py"
    for folder in ("child", "sdk"):
        for file in sorted((_PACKAGE / folder).rglob("*.py")):
            yield str(Path("airflow_materialize") / file.relative_to(_PACKAGE)), file


def _resolve(venv: Path, installation: Installation) -> str:
    """Resolve once, so that the environment keeps what exactly was installed."""
    requirements = installation.requirements
    added = venv.parent / "added.txt"
    added.write_text(f"{PYARROW}\n")
    sources = [installation.source] if installation.source else []
    options = ("--quiet", "--no-header", "--no-annotate", "--python", venv / "bin" / "python")
    process = installation.uv("pip", "compile", *options, *sources, added)
    if process.returncode:
        raise _failure("does not resolve", reason(process), requirements)
    return _with_hashes(process.stdout, requirements)


def _with_hashes(lock: str, requirements: Requirements) -> str:
    """Carry the hashes that a requirements file demands over to the lock."""
    hashes: dict[str, str] = {}
    for line in requirements.lines:
        demanded = " ".join(option for option in line.options.split() if option.startswith("--hash="))
        if demanded:
            hashes[line.name] = f"{hashes.get(line.name, '')} {demanded}"
    lines = (f"{line}{hashes.get(line.partition('==')[0], '')}" for line in lock.splitlines())
    return "".join(f"{line}\n" for line in lines)


def _install_lock(venv: Path, lock: str, installation: Installation) -> None:
    requirements = installation.requirements
    # Indexes and the like come from the file again, and are not kept: they may hold a password.
    options = [line.text for line in requirements.lines if line.is_option and not line.is_include]
    source = venv.parent / "install.txt"
    source.write_text("".join(f"{option}\n" for option in options) + lock)
    target = ("--quiet", "--no-deps", "--python", venv / "bin" / "python")
    process = installation.uv("pip", "install", *target, "--requirements", source)
    if process.returncode:
        raise _failure("cannot be installed", reason(process), requirements)


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
        shutil.copyfile(_PACKAGE / "sdk" / "bruin_exceptions.py", alias / "exceptions.py")
    if not alias.exists() and not alias.with_suffix(".py").exists():
        alias.mkdir()
        for name, text in (("__init__.py", "bruin_alias.py"), ("exceptions.py", "bruin_exceptions.py")):
            shutil.copyfile(_PACKAGE / "sdk" / text, alias / name)
    return copies


def _try(venv: Path, installation: Installation) -> None:
    # -B: compiled files would name the folder that the environment is about to leave.
    command = [str(venv / "bin" / "python"), "-I", "-B", "-c", _SMOKE_TEST]
    path = {"PATH": installation.env.get("PATH", "")}
    process = run_contained(command, env=path, cwd=venv, child=installation.child, held=(installation.lock,))
    if process.returncode:
        where = installation.requirements.path or "without requirements"
        text = process.stderr.strip() or f"exit code {process.returncode}"
        raise MaterializeError(
            f"{where}: the packages install, but do not import on Python {installation.interpreter.version}:\n{text}",
            hint="often two packages that do not fit: pin another version of one",
        )


def _failure(what: str, why: str, requirements: Requirements) -> MaterializeError:
    """Return the error for a requirement, at the line that is to blame where uv names it."""
    if _NETWORK.search(why):
        return TransientError(
            f"the package index was not reached: {why}", hint="is there a network, is the index right?"
        )
    hint = "correct or remove the requirement"
    if re.search(r"\bpyarrow\b", why):
        hint += f"; {PYARROW} is always added, as results travel as Arrow data"
    line = _blamed(why, requirements.lines)
    if requirements.path is None or line is None:
        where = requirements.path or PYARROW
        return MaterializeError(f"{where}: {what}: {why}", hint=hint)
    message = f"{line.text!r} {what}: {why}"
    return AssetError([Problem(str(line.file), line.number, 1, "", message, hint, code="AM705")])


def _blamed(why: str, lines: tuple[RequirementLine, ...]) -> RequirementLine | None:
    """Return the line whose package uv names first."""
    places = []
    for line in lines:
        found = re.search(rf"(?<![\w.-]){re.escape(line.name)}(?![\w-])", why) if line.name else None
        if found:
            # Of a package's several lines the one that is quoted as it stands.
            places.append((found.start(), line.text not in why, line.number, line))
    return min(places, key=lambda place: place[:3])[3] if places else None
