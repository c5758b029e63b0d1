"""Runs commands so that they have no privileges, see nothing of the worker, and leave nothing running behind."""

from __future__ import annotations

import contextlib
import math
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, Self

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.ending import End, end_of
from airflow_materialize.execution.guard import GUARD, WARDENS, sweep
from airflow_materialize.execution.limits import NO_LIMITS, Limits
from airflow_materialize.execution.sandbox import UMASK
from airflow_materialize.execution.view import EVERYTHING, View
from airflow_materialize.execution.warden import tree
from airflow_materialize.execution.warden.keeper import GRACE_SECONDS as _GRACE
from airflow_materialize.execution.warden.start import VIEW_DIGITS

# Airflow's supervisor kills a task five seconds after it asked it to end, whatever `killed_task_cleanup_time` says.
# With less than that the task can still tell how it ended.
SUPERVISED_GRACE_SECONDS = 4.0

Readable = IO[bytes] | socket.socket

READ_BYTES = 64 * 1024
GRACE_SECONDS = _GRACE

# How much longer than its grace an end may take until the warden counts as lost.
_OVERDUE_SECONDS = 7.0
_POLL_SECONDS = 0.05
# How long a warden may take to end that has told how all else did; it has nothing left to do, and may be stopped.
_EXIT_SECONDS = 5.0
_EXIT_POLL_SECONDS = 0.001
# How long to read on after the end: a process that got away may hold the pipes open for ever.
_DRAIN_SECONDS = 2.0

_START = f"import sys; sys.path.append({str(Path(__file__).parent)!r}); from warden.start import main; main()"


class Child:
    """A handle on what runs for one step, made before it starts and good for ending it at any time.

    Attributes:
        stopped: Whether `kill` was called. A child that is stopped before its start never starts.
        interrupted: The `ChildResult` where an exception in the worker ended it, as Airflow's timeout is one.
        failure: The same in words.
        view: What commands that are started from now on see of the machine.
    """

    def __init__(self, view: View = EVERYTHING) -> None:
        self.stopped = False
        self.grace_seconds = 0.0
        self.contained: Contained | None = None
        self.interrupted: Any = None
        self.failure: MaterializeError | None = None
        self.view = view

    def kill(self, grace_seconds: float = SUPERVISED_GRACE_SECONDS) -> None:
        """Have everything end: SIGTERM, then SIGKILL. Who waits for it returns when that is done.

        May be called from a signal handler while the same thread waits for the child, and from other threads.

        Args:
            grace_seconds: What it has to end by itself.
        """
        self.stopped, self.grace_seconds = True, grace_seconds
        if self.contained is not None:
            self.contained.end(grace_seconds)

    def may_write(self, folder: Path) -> None:
        """Let commands that are started from now on write to a folder, which is their `/tmp` as well."""
        self.view = self.view.writing(folder, at={Path("/tmp"): folder})  # noqa: S108  # it is that folder

    def has_exited(self) -> bool:
        """Whether nothing runs."""
        return self.contained is None or self.contained.has_exited()


class Contained:
    """A command that runs under a warden: a small process that starts it and ends with the last of its descendants.

    Args:
        command: Its first word is the path of a program.
        env: All of its environment variables.
        cwd: Its working directory.
        fds: What it inherits besides its output.
        limits: What it may use.
        child: The handle by which it is ended.
        umask: Of the files that it makes; -1 for the worker's own.

    Raises:
        MaterializeError: The worker cannot be hidden from it.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        fds: tuple[int, ...] = (),
        limits: Limits = NO_LIMITS,
        child: Child,
        umask: int = UMASK,
    ) -> None:
        self.ended: End | None = None
        self._overdue = 0.0
        self._told: str | None = None
        GUARD.enter()
        try:
            self._control, theirs = socket.socketpair()
            with theirs:
                view = str(child.view).encode()
                self._control.sendall(f"{len(view):0{VIEW_DIGITS}}".encode() + view)
                self._process = _start(command, env, cwd, (theirs.fileno(), *fds), limits, umask)
        except BaseException:
            GUARD.leave()
            raise
        WARDENS.add(self._process.pid)
        started = tree.look(self._process.pid)
        self._started = started.started if started else 0
        child.contained = self
        if child.stopped:
            # The signal came while the process was being made.
            self.end(child.grace_seconds)

    @property
    def stdout(self) -> IO[bytes]:
        """What it prints."""
        assert self._process.stdout is not None  # noqa: S101  # a pipe, see `_start`
        return self._process.stdout

    @property
    def stderr(self) -> IO[bytes]:
        """What it complains of."""
        assert self._process.stderr is not None  # noqa: S101  # a pipe, see `_start`
        return self._process.stderr

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and self._process.returncode is None:
            # Airflow's timeout and Ctrl-C arrive as exceptions.
            self.end()
            self.ended = self.wait()

    def end(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Ask the warden to end everything."""
        overdue = time.monotonic() + grace_seconds + _OVERDUE_SECONDS
        self._overdue = min(self._overdue or overdue, overdue)
        # A warden that is gone has no more to do.
        with contextlib.suppress(OSError):
            self._control.send(f"end {grace_seconds:.3f}\n".encode())

    def has_exited(self) -> bool:
        """Whether all has ended; leaves the warden to be reaped."""
        if self._process.returncode is not None:
            return True
        try:
            return bool(os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        except ChildProcessError:
            return True

    def attend(self, readers: Mapping[Readable, Callable[[], bool]]) -> None:
        """Read from all of these until they end, and not much longer than what writes to them lives.

        Args:
            readers: Each with the function that reads from it once, and says whether there may be more.
        """
        with selectors.DefaultSelector() as selector:
            for readable, read in readers.items():
                selector.register(readable, selectors.EVENT_READ, read)
            selector.register(self._control, selectors.EVENT_READ, self._hear)
            deadline = 0.0
            while selector.get_map():
                self._insist()
                if not deadline and self._told is not None:
                    deadline = time.monotonic() + _DRAIN_SECONDS
                if deadline and time.monotonic() > deadline:
                    return
                for key, _ in selector.select(_POLL_SECONDS):
                    if not key.data():
                        selector.unregister(key.fileobj)

    def wait(self) -> End:
        """Wait for the end of everything, and say how it ended.

        Raises:
            MaterializeError: The command was not started, as it would have kept privileges.
        """
        while self._told is None:
            self._insist()
            if select.select([self._control], [], [], _POLL_SECONDS)[0]:
                self._hear()
        if not self.has_exited():
            self._overdue = min(self._overdue or math.inf, time.monotonic() + _EXIT_SECONDS)
            while not self.has_exited():
                self._insist()
                time.sleep(_EXIT_POLL_SECONDS)
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        for file in (self._control, self.stdout, self.stderr):
            file.close()
        WARDENS.discard(self._process.pid)
        if not self._told:
            sweep(self._started)
        GUARD.leave()
        return end_of(self._told, self._process.returncode, usage.ru_maxrss)

    def _hear(self) -> bool:
        """Take the warden's last word, which is none where it was killed."""
        try:
            self._told = self._control.recv(4096).decode()
        except OSError:
            self._told = ""
        return False

    def _insist(self) -> None:
        """Kill a warden that does not do as it was told: it is stopped, say. What it kept becomes ours."""
        if self._overdue and time.monotonic() > self._overdue and not self.has_exited():
            os.kill(self._process.pid, signal.SIGKILL)


def run_contained(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    child: Child,
    held: tuple[int, ...] = (),
    umask: int = UMASK,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and capture what it prints.

    Args:
        command: Its first word is the path of a program.
        env: All of its environment variables.
        cwd: Its working directory.
        child: The handle by which it is ended.
        held: File descriptors that it inherits, and no others.
        umask: Of the files that it makes; -1 for the worker's own.

    Raises:
        MaterializeError: It was stopped by the handle.
    """
    stopped = f"the run was stopped before its environment was complete (at {Path(command[0]).name})"
    if child.stopped:
        raise MaterializeError(stopped)
    printed, complained = bytearray(), bytearray()
    with Contained(command, env=env, cwd=cwd, fds=held, child=child, umask=umask) as contained:
        streams = ((contained.stdout, printed), (contained.stderr, complained))
        contained.attend({pipe: partial(_append, pipe, text) for pipe, text in streams})
        end = contained.wait()
    if child.stopped:
        raise MaterializeError(stopped)
    output, error = (text.decode(errors="replace") for text in (printed, complained))
    return subprocess.CompletedProcess(list(command), end.exit_code, output, error)


def _append(pipe: IO[bytes], text: bytearray) -> bool:
    data = os.read(pipe.fileno(), READ_BYTES)
    text += data
    return bool(data)


def _start(
    command: Sequence[str], env: Mapping[str, str], cwd: Path, fds: tuple[int, ...], limits: Limits, umask: int
) -> subprocess.Popen[bytes]:
    control, *others = map(str, fds)
    warden = [sys.executable, "-I", "-S", "-c", _START, control, ",".join(others), str(limits)]
    return subprocess.Popen(
        [*warden, *command],
        env=dict(env),
        cwd=cwd,
        # The worker's own stdin is the socket of Airflow's supervisor, which answers with connections.
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        close_fds=True,
        pass_fds=fds,
        start_new_session=True,
        umask=umask,
    )
