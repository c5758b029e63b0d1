"""Runs the child process of one asset: starts it, listens to it, and ends it with everything that it started."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal

from airflow_materialize.execution.environment import Environment
from airflow_materialize.execution.logs import OutputLog
from airflow_materialize.execution.result import ChildResult, Conversation
from airflow_materialize.execution.sandbox import UMASK
from airflow_materialize.sdk.wire import Message, WireError, receive, send

# Airflow kills a task five seconds after it asked it to end.
GRACE_SECONDS = 3.0

# How long to read on after the child's end: a daemon that left its group may hold the pipes open for ever.
_DRAIN_SECONDS = 2.0

# How long a child may take to finish a message that it began.
_MESSAGE_SECONDS = 60.0

_POLL_SECONDS = 0.1
_READ_BYTES = 64 * 1024


class Child:
    """A handle on a child, made before it starts and good for ending it at any time.

    Attributes:
        stopped: Whether `kill` was called. A child that is stopped before its start never starts.
    """

    def __init__(self) -> None:
        self.stopped = False
        # The process is reaped last, after its group got its SIGKILL, so until then no other group has this id.
        self._pid = 0

    def kill(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End the child and all of its group: SIGTERM, then SIGKILL.

        May be called from a signal handler while `run_child` waits in the same thread, and from other threads.

        Args:
            grace_seconds: What the child has to end by itself.
        """
        self.stopped = True
        self.signal_group(signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while not self.has_exited() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS / 2)
        self.signal_group(signal.SIGKILL)

    def start(self, command: list[str], env: Mapping[str, str], cwd: Path, fd: int) -> subprocess.Popen[bytes]:
        """Start the process, which inherits the one file descriptor and nothing else."""
        process = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            # The worker's own stdin is the socket of Airflow's supervisor, which answers with connections.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            close_fds=True,
            pass_fds=(fd,),
            start_new_session=True,
            umask=UMASK,
        )
        self._pid = process.pid
        if self.stopped:
            # The signal came while the process was being made.
            self.signal_group(signal.SIGKILL)
        return process

    def has_exited(self) -> bool:
        """Whether the child itself has ended; leaves it to be reaped."""
        try:
            return not self._pid or bool(os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        except ChildProcessError:
            return True

    def signal_group(self, number: int) -> None:
        """Send a signal to the child and to what it started and kept in its group."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, number)

    def reap(self, process: subprocess.Popen[bytes]) -> int:
        """Kill what is left of the group, reap the child, and return its peak memory in bytes."""
        self.signal_group(signal.SIGKILL)
        self._pid = 0
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_maxrss * 1024


def run_child(
    environment: Environment,
    spec: Mapping[str, Any],
    env: Mapping[str, str],
    output: OutputLog,
    *,
    child: Child | None = None,
    on_progress: Callable[[int, int], None] = lambda _rows, _bytes: None,
) -> ChildResult:
    """Run an asset in its environment, to its end.

    Args:
        environment: Made by `ensure_environment`.
        spec: What to run, the body of the first message. Its `cwd` is the working directory.
        env: All environment variables of the child, made by `child_environment`.
        output: Receives what the child prints and logs, while it does.
        child: A handle to end it with.
        on_progress: Called with the rows and bytes staged so far.

    Returns:
        What happened, success or not; `explain_failure` puts a failure into words.
    """
    child = child or Child()
    conversation = Conversation(output, on_progress)
    if child.stopped:
        return conversation.result(exit_code=-signal.SIGTERM, peak_bytes=0, stopped=True)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            command = _command(environment, theirs.fileno())
            process = child.start(command, env, Path(spec["cwd"]), theirs.fileno())
        with process:
            peak_bytes = _attend(child, process, ours, spec, conversation)
    return conversation.result(exit_code=process.returncode, peak_bytes=peak_bytes, stopped=child.stopped)


def _command(environment: Environment, fd: int) -> list[str]:
    # Compiled files go to the environment, never beside the assets: nothing is written into the DAGs folder.
    pycache = f"pycache_prefix={environment.path / 'pycache'}"
    python = str(environment.python)
    # -I ignores PYTHONUNBUFFERED, which is for what the asset itself starts.
    return [python, "-I", "-u", "-X", "utf8", "-X", pycache, "-m", "airflow_materialize.child.main", str(fd)]


def _attend(
    child: Child, process: subprocess.Popen[bytes], ours: socket.socket, spec: Mapping[str, Any], told: Conversation
) -> int:
    """Talk with a child until its end, reap it, and return its peak memory in bytes."""
    ours.settimeout(_MESSAGE_SECONDS)
    try:
        # A child that is dead already is explained by its exit code.
        with contextlib.suppress(OSError):
            send(ours, Message("spec", dict(spec)))
        _listen(child, process, ours, told)
    except BaseException:
        # Airflow's timeout and Ctrl-C arrive as exceptions.
        child.kill()
        raise
    finally:
        peak_bytes = child.reap(process)
        told.output.close()
    return peak_bytes


def _listen(child: Child, process: subprocess.Popen[bytes], ours: socket.socket, told: Conversation) -> None:
    """Drain both streams and the socket until they end, and not much longer than the child lives."""
    with selectors.DefaultSelector() as selector:
        selector.register(ours, selectors.EVENT_READ, partial(_hear, ours, told))
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            selector.register(pipe, selectors.EVENT_READ, partial(_read, name, pipe, told.output))  # type: ignore[arg-type]
        deadline = 0.0
        while selector.get_map() or not deadline:
            if not deadline and child.has_exited():
                # What it started and left behind would hold the pipes open.
                child.signal_group(signal.SIGKILL)
                deadline = time.monotonic() + _DRAIN_SECONDS
            if deadline and time.monotonic() > deadline:
                return
            for key, _ in selector.select(_POLL_SECONDS):
                if not key.data():
                    selector.unregister(key.fileobj)


def _read(name: Literal["stdout", "stderr"], pipe: IO[bytes], output: OutputLog) -> bool:
    """Read once from a stream; False at its end."""
    data = os.read(pipe.fileno(), _READ_BYTES)
    output.feed(name, data)
    return bool(data)


def _hear(ours: socket.socket, told: Conversation) -> bool:
    """Read one message; False at the end."""
    try:
        message = receive(ours)
    except (WireError, OSError) as error:
        told.torn = str(error)
        return False
    if message:
        told.hear(message)
    return message is not None
