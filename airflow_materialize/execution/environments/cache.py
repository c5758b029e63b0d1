"""The environments that are kept on this machine: which there are, which are in use, and which have to go."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from airflow_materialize.execution.environments.turns import is_locked_alone, is_same_file

MARKER = "complete.json"
LOCK = "requirements.lock"

# The folder of what requirements come to, beside the environments. What nobody asked for in this time is forgotten.
RESOLUTIONS = "locks"
_KEPT_SECONDS = 90 * 24 * 3600
INTERPRETERS = "interpreters"
RESOLVING = ".resolving"

# The folder may hold other things: what does not look like an environment is left alone.
_NAME = re.compile(r"(\d+\.\d+\.\d+[^-]*)-[0-9a-f]{24}")
_BUILDING = ".building"
_PRUNED = ".pruned"


@dataclass(frozen=True)
class CachedEnvironment:
    """An environment on this machine.

    Attributes:
        path: Its folder.
        python: The version of its interpreter.
        packages: How many are installed in it.
        size: Of its files, in bytes.
        last_used: When a run began to use it.
        in_use: Whether one uses it now.
    """

    path: Path
    python: str
    packages: int
    size: int
    last_used: datetime
    in_use: bool


def build_lock(path: Path) -> Path:
    """Return the file that the builder of an environment locks. It is opened only by who holds `used`, or prunes."""
    return path.with_name(f"{path.name}.lock")


def count_packages(lock: str) -> int:
    """Return how many packages a requirements file in uv's form names."""
    return sum(1 for line in lock.splitlines() if line and not line.startswith((" ", "#")))


@contextlib.contextmanager
def used(path: Path) -> Iterator[None]:
    """Keep an environment from being pruned, whether it is built already or not, and note the time.

    The system ends this when the process dies, however that happens.
    """
    try:
        descriptor = _lock_use(path)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES):
            raise
        # Nothing is pruned where nothing can be written.
        yield
        return
    try:
        # One that is yet to be built has no marker.
        with contextlib.suppress(FileNotFoundError):
            os.utime(path / MARKER)
        yield
    finally:
        os.close(descriptor)


def list_environments(folder: Path) -> list[CachedEnvironment]:
    """Return the environments of a folder, the one that was used last first."""
    found = [
        CachedEnvironment(path, name[1], _packages(path), _size(path), last_used, _is_used(path))
        for path in _entries(folder)
        # One that another process prunes at this moment is no longer there.
        if (name := _NAME.fullmatch(path.name)) and (last_used := _last_used(path))
    ]
    return sorted(found, key=lambda each: each.last_used, reverse=True)


def prune(folder: Path, max_size: int, log: logging.Logger) -> list[CachedEnvironment]:
    """Remove environments, the one that was not used for the longest time first, until the others are small enough.

    One that is in use stays. What builds and prunes that were killed have left goes as well, and so do resolutions that
    nobody asked for in 90 days.

    Args:
        folder: Where environments live, the setting `environments`.
        max_size: How large all of them together may be, in bytes.
        log: Told of each that goes.

    Returns:
        Those that were removed.
    """
    _clear_leftovers(folder, log)
    _clear_resolutions(folder / RESOLUTIONS, log)
    environments = list_environments(folder)
    size = sum(environment.size for environment in environments)
    removed = []
    for environment in reversed(environments):
        if size <= max_size:
            break
        if environment.in_use:
            continue
        with _unused(environment.path) as free:
            # It may have been used since it was listed.
            is_old = free and _last_used(environment.path) == environment.last_used
            aside = _put_aside(environment.path) if is_old else None
        if aside:
            _delete(aside, log)
            log.info("pruned the environment %s (%.1f MB)", environment.path, environment.size / 1e6)
            size -= environment.size
            removed.append(environment)
    return removed


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _use_lock(path: Path) -> Path:
    return path.with_name(f"{path.name}.used.lock")


def _lock_use(path: Path) -> int:
    """Take the shared lock, and return the descriptor that holds it."""
    while True:
        descriptor = os.open(_use_lock(path), os.O_RDWR | os.O_CREAT, 0o600)
        # Waits for a prune that renames: a moment.
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if is_same_file(descriptor, _use_lock(path)):
            return descriptor
        os.close(descriptor)


@contextlib.contextmanager
def _unused(path: Path) -> Iterator[bool]:
    """Keep everyone else from an environment; False where it is used or built."""
    with contextlib.ExitStack() as held:
        # uv writes on for a moment when its builder was killed, and holds the second lock until then.
        yield all(_lock_alone(lock, held) for lock in (_use_lock(path), build_lock(path)))


def _lock_alone(path: Path, held: contextlib.ExitStack) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    held.callback(os.close, descriptor)
    return is_locked_alone(descriptor, path)


def _is_used(path: Path) -> bool:
    try:
        descriptor = os.open(_use_lock(path), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _put_aside(path: Path) -> Path:
    """Rename a folder, so that nobody sees half of it, and drop its locks, which are held."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_PRUNED}")
    path.rename(aside)
    build_lock(path).unlink(missing_ok=True)
    _use_lock(path).unlink(missing_ok=True)
    return aside


def _clear_leftovers(folder: Path, log: logging.Logger) -> None:
    for path in _entries(folder):
        name = path.name.rsplit(".", 2)[0]
        if not _NAME.fullmatch(name):
            continue
        if path.suffix == _PRUNED:
            _delete(path, log)
        elif path.suffix == _BUILDING:
            with _unused(folder / name) as free:
                if free:
                    _delete(path, log)


def _clear_resolutions(folder: Path, log: logging.Logger) -> None:
    for lock in folder.glob("*.lock"):
        record = lock.with_suffix(".txt")
        with contextlib.ExitStack() as held:
            if not _lock_alone(lock, held):
                continue
            for leftover in folder.glob(f"{lock.stem}.*{RESOLVING}"):
                _delete(leftover, log)
            if not record.exists() or time.time() - record.stat().st_mtime > _KEPT_SECONDS:
                record.unlink(missing_ok=True)
                lock.unlink()


def _delete(path: Path, log: logging.Logger) -> None:
    # Another prune may delete the same.
    if path.is_file():
        path.unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        log.warning("%s cannot be deleted", path)


def _last_used(path: Path) -> datetime | None:
    """Return when an environment was used or built; None where there is none."""
    for file in (path / MARKER, path):
        with contextlib.suppress(FileNotFoundError):
            return datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return None


def _packages(path: Path) -> int:
    try:
        return count_packages((path / LOCK).read_text())
    except FileNotFoundError:
        return 0


def _size(path: Path) -> int:
    size = 0
    for folder, _, files in os.walk(path):
        for file in files:
            # A run writes and removes compiled files meanwhile.
            with contextlib.suppress(FileNotFoundError):
                size += (Path(folder) / file).lstat().st_size
    return size
