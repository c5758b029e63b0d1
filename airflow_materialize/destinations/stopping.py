"""Ends what a session does, from another thread: for a signal, for a limit, for whoever asks."""

from __future__ import annotations

import math
import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

from airflow_materialize.errors import MaterializeError, TransientError

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session

# A statement is interrupted again and again: the first time may fall between two statements.
_AGAIN_SECONDS = 0.05
_LOOK_SECONDS = 0.5

_SIGNALS = {
    signal.SIGTERM: "it was asked to end",
    signal.SIGINT: "it was asked to end",
    signal.SIGALRM: "it ran longer than its execution_timeout",
}

_LIMIT_HINT = (
    "look for what holds the table; Airflow's execution_timeout, in the default_args of asset_dags, allows another time"
)


class Stop:
    """Says that work is to end, and interrupts the sessions that do it.

    Attributes:
        reason: Why; empty as long as nobody has asked.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._late = False
        self._lock = threading.Lock()
        self._sessions: list[Session] = []

    def ask(self, reason: str) -> None:
        """Let the work end. What is about to be committed is committed. A signal handler may call this."""
        if not self._late:
            self.reason = self.reason or reason

    def interrupt(self) -> None:
        """Let the statements that run now fail, where the work is to end. No signal handler may call this."""
        with self._lock:
            if self.reason and not self._late:
                for session in self._sessions:
                    session.interrupt()

    def conclude(self) -> None:
        """Say that COMMIT comes next, after which it is too late to end.

        Raises:
            TransientError: The work is to end, so nothing may be committed.
        """
        with self._lock:
            if self.reason:
                raise TransientError(f"stopped before COMMIT: {self.reason}")
            self._late = True

    @contextmanager
    def holding(self, session: Session) -> Iterator[None]:
        """Interrupt this session too."""
        with self._lock:
            self._sessions.append(session)
        try:
            yield
        finally:
            with self._lock:
                self._sessions.remove(session)


_CURRENT: ContextVar[Stop | None] = ContextVar("stop", default=None)


def current() -> Stop | None:
    """Return what may end the work of this thread."""
    return _CURRENT.get()


@contextmanager
def stoppable(stop: Stop) -> Iterator[None]:
    """Let waits and statements of this thread end as soon as they are asked to."""
    token = _CURRENT.set(stop)
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def limited(what: str, seconds: float | None) -> Iterator[None]:
    """End the work inside when it takes too long, or when this process is asked to end.

    A statement may keep the main thread in the depths of a driver, where no handler of a signal runs. Therefore
    another thread hears of signals, and interrupts the statement.

    Args:
        what: The work, as "load of raw.orders".
        seconds: How long it may take; None where others watch over that.

    Raises:
        TransientError: It was asked to end.
        MaterializeError: It took too long.
    """
    stop = Stop()
    watch = _Watch(stop, seconds)
    try:
        with watch, stoppable(stop):
            yield
    except Exception as error:
        if not stop.reason:
            raise
        kind, hint = (MaterializeError, _LIMIT_HINT) if watch.expired else (TransientError, "")
        unchanged = error.unchanged if isinstance(error, MaterializeError) else ""
        raise kind(f"The {what} was stopped: {stop.reason}", hint=hint, unchanged=unchanged) from error


class _Watch:
    """A thread that waits for signals and for the end of the time, and then interrupts."""

    def __init__(self, stop: Stop, seconds: float | None) -> None:
        self.expired = False
        self._stop = stop
        self._seconds = seconds or 0.0
        self._until = time.monotonic() + seconds if seconds else math.inf
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="materialize-stop", daemon=True)
        self._reading, self._writing = os.pipe()
        self._before: int | None = None

    def __enter__(self) -> None:
        for descriptor in (self._reading, self._writing):
            os.set_blocking(descriptor, False)
        if threading.current_thread() is threading.main_thread():
            self._before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.set_wakeup_fd(self._before)
        self._over.set()
        with suppress(BlockingIOError):
            os.write(self._writing, b"\0")
        self._thread.join()
        os.close(self._reading)
        os.close(self._writing)

    def _watch(self) -> None:
        while not self._over.is_set():
            pause = _AGAIN_SECONDS if self._stop.reason else _LOOK_SECONDS
            if select.select([self._reading], [], [], pause)[0]:
                for number in os.read(self._reading, 512):
                    if number in _SIGNALS:
                        self._stop.ask(_SIGNALS[signal.Signals(number)])
            if time.monotonic() > self._until and not self._stop.reason:
                self._stop.ask(f"it took longer than {_in_words(self._seconds)}")
                self.expired = bool(self._stop.reason)
            self._stop.interrupt()


def _in_words(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:g} h" if hours >= 1 else f"{seconds:g} s"
