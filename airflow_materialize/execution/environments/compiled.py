"""What Python has compiled for an environment: kept in a folder apart from the packages, as nobody may change those.

With `pycache_prefix` Python finds no compiled file of its standard library either, and compiles that anew, which takes
half of the first imports' time. So links lead to what lies beside the library.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

COMPILED = "pycache"
"""The folder of an environment where compiled files are."""

_CACHE = "__pycache__"
# Nothing that runs imports these of the standard library, which are the larger half of it.
_NEVER = frozenset({"test", "tests", "idlelib", "lib2to3", "turtledemo", "tkinter", "site-packages", "dist-packages"})


def link_standard_library(venv: Path, compiled: Path) -> None:
    """Let an environment's Python find what is compiled of its standard library; nothing where nothing is.

    Args:
        venv: The environment.
        compiled: The `pycache_prefix` that it will have.
    """
    names = (line.partition("=") for line in (venv / "pyvenv.cfg").read_text().splitlines())
    home = next(value.strip() for name, _, value in names if name.strip() == "home")
    site_packages = next(venv.glob("lib/python3*/site-packages"))
    # As Python itself finds it, from the folder of the interpreter; links are not followed.
    library = Path(home).parent / "lib" / site_packages.parent.name
    _link(((folder, _below(compiled, folder)) for folder in _folders(library)), _CACHE)


def share(compiled: Path, own: Path) -> None:
    """Let who compiles into a folder of its own find what another folder has, which it can only read."""
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    folders = (Path(folder) for folder, _, _ in os.walk(compiled))
    _link(((folder, own / folder.relative_to(compiled)) for folder in folders), "")


def move_compiled(compiled: Path, venv: Path, target: Path) -> None:
    """Take what was compiled while an environment was tried into it, for its first run.

    Python finds compiled files by the path of their source, and corrects the path that they name as it reads them.

    Args:
        compiled: Where it was compiled.
        venv: Where the environment is.
        target: Where it will be.
    """
    here, there = (_below(compiled, path) for path in (venv, target))
    if here.is_dir():
        there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        here.rename(there)
        compiled.rename(venv / COMPILED)


def _below(compiled: Path, path: Path) -> Path:
    return compiled / path.relative_to(path.anchor)


def _folders(library: Path) -> Iterator[Path]:
    for folder, names, _ in os.walk(library):
        if _CACHE in names:
            yield Path(folder)
        names[:] = [name for name in names if name not in _NEVER and name != _CACHE]


def _link(folders: Iterator[tuple[Path, Path]], within: str) -> None:
    """Make links to the compiled files of folders; each is there already, or another process makes it meanwhile."""
    for folder, place in folders:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.scandir(folder / within) as entries:
            for entry in entries:
                if entry.name.endswith(".pyc") and ".opt-" not in entry.name:
                    with contextlib.suppress(FileExistsError):
                        (place / entry.name).symlink_to(entry.path)
