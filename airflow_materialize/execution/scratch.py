"""The private folder of one run of user code. It goes at the run's end, or at the next run's, whatever lies in it."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from airflow_materialize.execution.environments.turns import is_locked_alone

_PREFIX = "materialize-run-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give a new folder below that of temporary files, and delete it in the end.

    Its maker holds its lock, which the system releases however it dies: what killed workers have left is deleted too.
    """
    place = Path(tempfile.gettempdir())
    for left in place.glob(f"{_PREFIX}*"):
        _delete_unused(left)
    while True:
        # Another run may find it before its lock is taken, and deletes it.
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        try:
            opened = os.open(folder, _FOLDER)
        except FileNotFoundError:
            continue
        try:
            if _is_locked(opened, folder):
                yield folder
                return
        finally:
            delete_tree(folder)
            os.close(opened)


def _is_locked(opened: int, folder: Path) -> bool:
    try:
        return is_locked_alone(opened, folder)
    except OSError:
        # A disk without locks: nobody else takes one there either.
        return True


def _delete_unused(folder: Path) -> None:
    with contextlib.suppress(OSError):
        opened = os.open(folder, _FOLDER)
        try:
            if os.fstat(opened).st_uid == os.geteuid() and is_locked_alone(opened, folder):
                delete_tree(folder)
        finally:
            os.close(opened)


def delete_tree(folder: Path) -> None:
    """Delete a folder, however deep it is and whatever rights its folders have; what cannot go stays.

    Each folder within is moved up before it is emptied, so that none is ever deeper than two, and is held open
    meanwhile: a link that somebody puts in its place leads nowhere.
    """
    with contextlib.suppress(OSError):
        top = os.open(folder, _FOLDER)
        try:
            pending = _empty(top, top)
            while pending:
                _empty_and_remove(pending.pop(), top, pending)
        finally:
            os.close(top)
        folder.rmdir()


def _empty_and_remove(name: str, top: int, pending: list[str]) -> None:
    with contextlib.suppress(OSError):
        opened = _open(name, top)
        try:
            pending += _empty(opened, top)
        finally:
            os.close(opened)
        os.rmdir(name, dir_fd=top)


def _empty(place: int, top: int) -> list[str]:
    """Delete the files of an open folder, and return the names that its folders have at the top now."""
    moved = []
    for entry in list(os.scandir(place)):
        with contextlib.suppress(OSError):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=place)
                continue
            name = entry.name
            if place != top:
                name = secrets.token_hex(16)
                # Only who may write to a folder may move it.
                os.close(_open(entry.name, place))
                os.rename(entry.name, name, src_dir_fd=place, dst_dir_fd=top)
            moved.append(name)
    return moved


def _open(name: str, place: int) -> int:
    """Open a folder, and take all rights to it."""
    try:
        opened = os.open(name, _FOLDER, dir_fd=place)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=place)
        opened = os.open(name, _FOLDER, dir_fd=place)
    os.fchmod(opened, 0o700)
    return opened
