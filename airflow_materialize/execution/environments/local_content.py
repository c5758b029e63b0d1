"""Tells one content of a local package from another."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

# What tools write, and nobody builds from.
_PASSED_OVER = frozenset({"__pycache__", "node_modules"})
_PASSED_OVER_AT_THE_TOP = frozenset({"build", "dist", "venv"})


def content_digest(path: Path) -> str:
    """Return a digest of a file, or of all files of a folder with their names; empty where there is nothing.

    Hidden files and what tools write do not count.
    """
    digest = hashlib.sha256()
    found = False
    for name, file in _files(path):
        try:
            content = file.read_bytes()
        except OSError:
            # A build that needs it says so.
            continue
        found = True
        digest.update(f"{name}\0{len(content)}\0".encode(errors="surrogateescape") + content)
    return digest.hexdigest() if found else ""


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        yield path.name, path
        return
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(each for each in folders if not is_passed_over(each, top=Path(folder) == path))
        for file in sorted(each for each in files if not each.startswith(".")):
            whole = Path(folder, file)
            yield str(whole.relative_to(path)), whole


def is_passed_over(name: str, *, top: bool) -> bool:
    """Whether a folder of this name, in a package or at its top, is none that a package is built from."""
    others = _PASSED_OVER | (_PASSED_OVER_AT_THE_TOP if top else frozenset())
    return name.startswith(".") or name in others or name.endswith(".egg-info")
