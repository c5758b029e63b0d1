"""What Python has compiled for an environment: kept in a folder apart from the packages, as nobody may change those."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

COMPILED = "pycache"
"""The folder of an environment where compiled files are."""


def share(compiled: Path, own: Path) -> None:
    """Let who compiles into a folder of its own find what another folder has, which it can only read."""
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    for folder, _, files in os.walk(compiled):
        place = own / Path(folder).relative_to(compiled)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in files:
            # Another run of the asset may begin at the same time.
            with contextlib.suppress(FileExistsError):
                (place / file).symlink_to(Path(folder, file))


def move_compiled(compiled: Path, venv: Path, target: Path) -> None:
    """Take what was compiled while an environment was tried into it, for its first run.

    Python finds compiled files by the path of their source, and corrects the path that they name as it reads them.

    Args:
        compiled: Where it was compiled.
        venv: Where the environment is.
        target: Where it will be.
    """
    here, there = (compiled / path.relative_to(path.anchor) for path in (venv, target))
    if here.is_dir():
        there.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        here.rename(there)
        compiled.rename(venv / COMPILED)
