"""Guards the worker itself while user code runs: nobody reads it, and it ends what a warden could not."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.warden import kernel, tree

_SWEEP_SECONDS = 5.0


class _Guard:
    """Keeps this process from being read by others, and has it adopt orphans, while any command runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._before = (True, False)

    def enter(self) -> None:
        """Begin, unless it has begun already.

        Raises:
            MaterializeError: Other processes would still read this one.
        """
        with self._lock:
            if kernel.LINUX:
                if not self._running:
                    self._before = (kernel.is_dumpable(), kernel.is_subreaper())
                # Each time: whatever executes a program or changes its user meanwhile would have undone it.
                kernel.set_dumpable(False)
                if kernel.is_dumpable():
                    if self._before[0] and not self._running:
                        kernel.set_dumpable(True)
                    raise MaterializeError("this process cannot be hidden from user code, which is not started")
                kernel.set_subreaper(True)
            self._running += 1

    def leave(self) -> None:
        """Put everything back as it was, at the end of the last command."""
        with self._lock:
            self._running -= 1
            if not self._running and kernel.LINUX:
                dumpable, subreaper = self._before
                if dumpable:
                    kernel.set_dumpable(True)
                kernel.set_subreaper(subreaper)


GUARD = _Guard()

WARDENS: set[int] = set()
"""The processes that this one started as wardens."""


def sweep(since: int) -> None:
    """End what a warden kept that was killed itself: it has become ours."""
    until = time.monotonic() + _SWEEP_SECONDS
    while (orphans := _orphans(since)) and time.monotonic() < until:
        for orphan in orphans:
            tree.signal_tree(orphan.pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan.pid, os.WNOHANG)


def _orphans(since: int) -> list[tree.Process]:
    """Return the children of this process that became its own when their warden was killed.

    They are younger than the warden, in sessions of their own, and can gain no privileges; what this process started
    itself has hardly all three.
    """
    own, session, pinned = os.getpid(), os.getsid(0), _gains_nothing(os.getpid())
    return [
        process
        for process in tree.processes()
        if process.parent == own
        and process.pid not in WARDENS
        and process.started >= since
        and process.session != session
        and (pinned or _gains_nothing(process.pid))
    ]


def _gains_nothing(pid: int) -> bool:
    try:
        return "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
