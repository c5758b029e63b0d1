"""Waiting for a database that somebody else has: with an end, and with a word in the log."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from airflow_materialize.destinations.stopping import current
from airflow_materialize.errors import MaterializeError, TransientError

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Progress

T = TypeVar("T")

PROGRESS_SECONDS = 10.0
"""How often the log hears of a wait."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.1


def wait_for(
    attempt: Callable[[], T | None], blocker: Callable[[], str], *, limit: float, progress: Progress | None = None
) -> T:
    """Try until it works.

    Args:
        attempt: Returns None as long as somebody else is in the way.
        blocker: Says who that is, as "/srv/shop.duckdb is held by process 42".
        limit: The longest wait in seconds.
        progress: Told every ten seconds.

    Raises:
        TransientError: The limit is over, or the wait was stopped.
    """
    start = told = time.monotonic()
    pause = _FIRST_PAUSE
    stop = current()
    while (got := attempt()) is None:
        now = time.monotonic()
        if now - start >= limit:
            raise TransientError(f"{blocker()}; waited {now - start:.0f} s")
        if progress and now - told >= PROGRESS_SECONDS:
            progress(f"Waiting: {blocker()} ({now - start:.0f} s so far)")
            told = now
        time.sleep(pause)
        if stop and stop.reason:
            raise TransientError(f"{blocker()}; nobody waits any longer")
        pause = min(pause * 2, _LONGEST_PAUSE)
    return got


def rest(seconds: float) -> None:
    """Do nothing for a while.

    Raises:
        TransientError: The wait was stopped.
    """
    until, stop = time.monotonic() + seconds, current()
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _LONGEST_PAUSE))
        if stop and stop.reason:
            raise TransientError("nobody waits any longer")


@contextmanager
def queue(
    path: Path, *, shared: bool, purpose: str = "", limit: float, progress: Progress | None = None
) -> Iterator[None]:
    """Hold a database file's place in the queue: many readers or one writer, writers first.

    Two lock files stand beside the database. Who writes takes the gate and keeps it until the lock is free of readers;
    who reads passes through the gate, so no reader overtakes a waiting writer. Both stay when they are not needed:
    a lock file that is removed can be locked twice.

    Args:
        path: The database file.
        shared: Whether others may read at the same time.
        purpose: What those who wait are told.
        limit: The longest wait in seconds.
        progress: Told every ten seconds of waiting.

    Raises:
        TransientError: The limit is over.
        MaterializeError: The lock files cannot be made.
    """
    lock = _open(path.with_name(f"{path.name}.lock"))
    gate = _open(path.with_name(f"{path.name}.gate"))

    def blocker() -> str:
        return f"{path} is held by {_holder(lock) or 'readers or by a load that is about to start'}"

    def wait(descriptor: int, kind: int) -> None:
        wait_for(lambda: _locked(descriptor, kind), blocker, limit=limit, progress=progress)

    try:
        wait(gate, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        if shared:
            fcntl.flock(gate, fcntl.LOCK_UN)
        wait(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        fcntl.flock(gate, fcntl.LOCK_UN)
        # Who reads removes what a killed writer left there.
        _sign(lock, "" if shared else f"process {os.getpid()}" + (f" ({purpose})" if purpose else ""))
        yield
        _sign(lock, "")
    finally:
        os.close(lock)
        os.close(gate)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise MaterializeError(
            f"The lock file {path} cannot be opened: {error.strerror}",
            hint="every process that uses the database must be able to write beside it",
        ) from error


def _locked(descriptor: int, kind: int) -> bool | None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return True


def _sign(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 1000, 0).decode(errors="replace")
