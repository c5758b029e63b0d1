"""One at a time: who comes second to make the same thing waits, and says for whom."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.containment import Child

_POLL_SECONDS = 0.1
_LONGEST_NAME = 500


@contextlib.contextmanager
def turn(file: Path, doing: str, asset: str, log: logging.Logger, child: Child) -> Iterator[int]:
    """Hold the lock of a file, and give its descriptor. The file names who holds it.

    The system releases it when its holders die, however that happens. A child that inherits the descriptor is a holder.

    Args:
        file: Made if it is missing. Whoever holds it may remove it.
        doing: What the holder does, for the log of those who wait, as `builds this environment`.
        asset: For whom this is done.
        log: Told of waiting.
        child: The handle by which waiting is ended.

    Raises:
        MaterializeError: It was stopped by the handle.
    """
    holder = ""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if is_locked_alone(descriptor, file):
                _sign(descriptor, asset)
                yield descriptor
                return
            if not holder:
                holder = _holder(descriptor)
                log.info("%s %s; waiting for it", holder, doing)
        finally:
            os.close(descriptor)
        if child.stopped:
            raise MaterializeError(f"the run was stopped while it waited for {holder}")
        time.sleep(_POLL_SECONDS)


def is_locked_alone(descriptor: int, file: Path) -> bool:
    """Take the lock of an open file if nobody has it, and say whether that is so and the file still in its place."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return is_same_file(descriptor, file)


def is_same_file(descriptor: int, file: Path) -> bool:
    """Whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int, asset: str) -> None:
    who = asset or "another task"
    text = f"{who} (process {os.getpid()} on {socket.gethostname()}, since {datetime.now().astimezone():%H:%M:%S})"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode()[:_LONGEST_NAME], 0)


def _holder(descriptor: int) -> str:
    # Empty for the moment between its lock and its name.
    return os.pread(descriptor, _LONGEST_NAME, 0).decode(errors="replace") or "another task"
