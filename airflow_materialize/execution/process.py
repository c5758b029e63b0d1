"""Runs the child process of one asset: starts it, listens to it, and ends it with everything that it started."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal, Self

from airflow_materialize.execution.containment import GRACE_SECONDS, READ_BYTES, Child, Contained
from airflow_materialize.execution.ending import End
from airflow_materialize.execution.environments.environment import Environment
from airflow_materialize.execution.exhaustion import oom_kills
from airflow_materialize.execution.limits import NO_LIMITS, Limits
from airflow_materialize.execution.logs import OutputLog
from airflow_materialize.execution.queries.broker import Broker
from airflow_materialize.execution.result import ChildResult, Conversation
from airflow_materialize.sdk.wire import Message, WireError, receive, send

# How long a child may take to finish a message that it began.
_MESSAGE_SECONDS = 60.0

START = """\
import sys, airflow_materialize.child.library
from airflow_materialize.child.main import main
sys.exit(main(int(sys.argv[1])))
"""
"""What the child's interpreter runs, the number of its socket behind it. `-m` would import more before it."""

_LEFT = "processes that the asset left running were ended: {}"


class TimeLimit:
    """Ends a child that lives too long, from a thread of its own: nothing that its worker waits for can delay it.

    Args:
        child: The child.
        seconds: From its start on; None for no limit.

    Attributes:
        expired: Whether the child was ended.
    """

    def __init__(self, child: Child, seconds: float | None) -> None:
        self.expired = False
        self._child = child
        self._timer = threading.Timer(seconds, self._expire) if seconds is not None else None

    def __enter__(self) -> Self:
        if self._timer:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()

    def _expire(self) -> None:
        if not self._child.has_exited():
            self.expired = True
            self._child.kill(GRACE_SECONDS)


def run_child(  # noqa: PLR0913  # what the asset is, what it gets and what it may, each from elsewhere
    environment: Environment,
    spec: Mapping[str, Any],
    env: Mapping[str, str],
    output: OutputLog,
    *,
    child: Child | None = None,
    timeout: float | None = None,
    limits: Limits = NO_LIMITS,
    broker: Broker | None = None,
    on_progress: Callable[[int, int], None] = lambda _rows, _bytes: None,
    on_phase: Callable[[str], None] = lambda _phase: None,
) -> ChildResult:
    """Run an asset in its environment, to its end.

    Args:
        environment: Made by `ensure_environment`.
        spec: What to run, the body of the first message. Its `cwd` is the working directory.
        env: All environment variables of the child, made by `child_environment`.
        output: Receives what the child prints and logs, while it does.
        child: A handle to end it with.
        timeout: How many seconds it may live.
        limits: What it may use of the machine.
        broker: Answers its `query()`; None where nothing is answered.
        on_progress: Called with the rows and bytes staged so far.
        on_phase: Called with each phase that begins.

    Returns:
        What happened, success or not; `explain_failure` puts a failure into words.
    """
    child = child or Child()
    conversation = Conversation(output, on_progress, on_phase)
    if child.stopped:
        return conversation.result(End(-signal.SIGTERM, 0), stopped=True)
    killed_before = oom_kills()
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            contained = Contained(
                _command(environment, theirs.fileno()),
                env=env,
                cwd=Path(spec["cwd"]),
                fds=(theirs.fileno(), *([broker.descriptor] if broker else [])),
                limits=limits,
                child=child,
            )
        try:
            with contained, TimeLimit(child, timeout) as limit:
                if broker:
                    spec = {**spec, "queries": broker.told}
                    broker.begin()
                end = _attend(contained, ours, spec, conversation)
        except BaseException:
            # Airflow's timeout and Ctrl-C arrive as exceptions.
            ended = contained.ended or End(-signal.SIGTERM, 0)
            child.interrupted = conversation.result(ended, stopped=True, timed_out=True, limits=limits)
            raise
        finally:
            output.close()
    if end.left:
        output.tell(logging.WARNING, _LEFT.format(", ".join(end.left)))
    return conversation.result(
        end,
        stopped=child.stopped,
        timed_out=limit.expired,
        limits=limits,
        oom_killed=oom_kills() != killed_before,
    )


def _command(environment: Environment, fd: int) -> list[str]:
    # Compiled files go to the environment, never beside the assets: nothing is written into the DAGs folder.
    pycache = f"pycache_prefix={environment.compiled}"
    python = str(environment.python)
    # -I ignores PYTHONUNBUFFERED, which is for what the asset itself starts.
    return [python, "-I", "-u", "-X", "utf8", "-X", pycache, "-c", START, str(fd)]


def _attend(contained: Contained, ours: socket.socket, spec: Mapping[str, Any], told: Conversation) -> End:
    """Talk with a child until its end."""
    ours.settimeout(_MESSAGE_SECONDS)
    # A child that is dead already is explained by its exit code.
    with contextlib.suppress(OSError):
        send(ours, Message("spec", dict(spec)))
    contained.attend(
        {
            ours: partial(_hear, ours, told),
            contained.stdout: partial(_read, "stdout", contained.stdout, told.output),
            contained.stderr: partial(_read, "stderr", contained.stderr, told.output),
        }
    )
    return contained.wait()


def _read(name: Literal["stdout", "stderr"], pipe: IO[bytes], output: OutputLog) -> bool:
    """Read once from a stream; False at its end."""
    data = os.read(pipe.fileno(), READ_BYTES)
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
