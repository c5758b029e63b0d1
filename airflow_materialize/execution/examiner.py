"""The worker's side of an examination: another process looks at what user code wrote, and this one takes its word."""

from __future__ import annotations

import json
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Self

import airflow_materialize
from airflow_materialize.errors import MaterializeError
from airflow_materialize.examined import ArrowFileError, Examined
from airflow_materialize.execution.containment import READ_BYTES, Child, Contained
from airflow_materialize.execution.ending import End
from airflow_materialize.execution.isolation import Isolation
from airflow_materialize.execution.limits import Limits

# Batches have some ten megabytes. A file that claims to hold more than this in one of them, compressed, is refused.
MEMORY_BYTES = 2 * 1024**3
_LIMITS = Limits(memory=MEMORY_BYTES, processes=64)
# pyarrow does without numpy, whose import takes as long as all the rest.
_START = """
import sys
sys.path[:0] = {paths!r}
sys.modules['numpy'] = None
from airflow_materialize.execution.examination import main
main()
"""


class Examiner:
    """A process for one examination. It costs the run nothing to start it early: it waits.

    Attributes:
        isolation: How far it is set apart.
    """

    def __init__(self, isolation: Isolation) -> None:
        self.isolation = isolation
        self._contained: Contained | None = None
        self._line: socket.socket | None = None
        self._said = bytearray()
        self._complained = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it, whatever it does."""
        if self._contained:
            self._contained.end(0)
            self._contained.wait()
        if self._line:
            self._line.close()

    def start(self) -> None:
        """Let it get ready, if it does not yet."""
        if self._contained:
            return
        paths = _packages()
        text = _START.format(paths=[str(path) for path in paths])
        view = self.isolation.to_examine(*paths)
        self._line, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-I", "-S", "-c", text, str(theirs.fileno())]
            fds = (theirs.fileno(),)
            self._contained = Contained(command, env={}, cwd=Path("/"), fds=fds, limits=_LIMITS, child=Child(view))

    def examine(self, descriptor: int) -> Examined:
        """Have the file of a descriptor examined.

        Raises:
            ArrowFileError: It is not a complete Arrow file of the types that a result may have.
            MaterializeError: The process ended without an answer.
        """
        self.start()
        assert self._contained and self._line  # noqa: S101, PT018  # `start` makes both
        line, contained, self._contained = self._line, self._contained, None
        # One that is dead already is explained by its end.
        with suppress(OSError):
            socket.send_fds(line, [b"\0"], [descriptor])
        with contained:
            contained.attend(
                {
                    line: partial(_take, line, self._said),
                    contained.stdout: partial(_read, contained.stdout, self._complained),
                    contained.stderr: partial(_read, contained.stderr, self._complained),
                }
            )
            end = contained.wait()
        try:
            answer = json.loads(self._said)
            if "refused" in answer:
                raise ArrowFileError(answer["refused"])
            return Examined(**answer)
        except (ValueError, TypeError):
            raise _lost(end, self._complained.decode(errors="replace")) from None


def _packages() -> list[Path]:
    found = [Path(airflow_materialize.__file__).parent.parent]
    spec = find_spec("pyarrow")
    if spec and spec.origin:
        found.append(Path(spec.origin).parent.parent)
    return found


def _take(line: socket.socket, said: bytearray) -> bool:
    try:
        data = line.recv(READ_BYTES)
    except ConnectionResetError:
        # It ended without having read the descriptor.
        return False
    said += data
    return bool(data)


def _read(pipe: IO[bytes], text: bytearray) -> bool:
    data = pipe.read1(READ_BYTES)  # type: ignore[attr-defined]
    text += data
    return bool(data)


def _lost(end: End, complaint: str) -> MaterializeError:
    if end.exit_code < 0:
        how = f"was ended by {signal.Signals(-end.exit_code).name}"
    else:
        how = f"ended with exit code {end.exit_code}"
    last = complaint.strip().splitlines()[-1:] or [""]
    return MaterializeError(
        f"the process that examined the result {how}, so the result is refused" + (f": {last[0]}" if last[0] else ""),
        hint="the asset wrote its file in a way that breaks its readers; return the data from materialize() instead. "
        "Where the asset did nothing of the kind, the worker may lack memory",
    )
