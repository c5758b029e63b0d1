"""What a child said and how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_materialize.execution.ending import End
from airflow_materialize.execution.limits import NO_LIMITS, Limits
from airflow_materialize.execution.logs import OutputLog, harmless
from airflow_materialize.execution.redaction import masked
from airflow_materialize.sdk.wire import Message

Outcome = Literal["staged", "no_data", "done", "skipped", "failure", "silent"]

PHASES = ("import", "script", "materialize", "write")
"""What a child says that it does."""

_OUTCOMES: dict[str, Outcome] = {
    "staged": "staged",
    "no_data": "no_data",
    "done": "done",
    "skipped": "skipped",
    "failure": "failure",
}


@dataclass(frozen=True)
class ChildResult:
    """The end of one child.

    Attributes:
        outcome: What it said last; `silent` if it ended without a word on that.
        body: What belongs to the outcome, as `rows` for `staged` and `traceback` for `failure`.
        exit_code: Negative for death by that signal.
        stopped: Whether it was ended from here.
        timed_out: Whether that was because it ran too long.
        exceeded: The limit under `resources` for which it was ended from here.
        limits: What it was allowed to use.
        cpu_seconds: The processor time of the process that took most.
        oom_killed: Whether the kernel killed a process meanwhile, for want of memory.
        phase: The phase that it was in.
        seconds: Time per phase, in the order in which they ran.
        peak_bytes: Its peak memory.
        tail: The last lines that it printed.
        torn: What was wrong with its messages, if anything.
    """

    outcome: Outcome
    body: dict[str, Any]
    exit_code: int
    stopped: bool
    phase: str
    seconds: dict[str, float] = field(default_factory=dict)
    peak_bytes: int = 0
    tail: tuple[str, ...] = ()
    torn: str = ""
    timed_out: bool = False
    exceeded: str = ""
    limits: Limits = NO_LIMITS
    cpu_seconds: float = 0.0
    oom_killed: bool = False

    @property
    def failed(self) -> bool:
        """Whether anything but a result and a good end happened."""
        return self.stopped or self.exit_code != 0 or self.outcome in ("failure", "silent")


class Conversation:
    """Keeps what a child says until its end.

    Args:
        output: Receives its log records.
        on_progress: Receives rows and bytes.
        on_phase: Receives each phase that begins.

    Attributes:
        torn: What was wrong with its messages, if anything.
    """

    def __init__(
        self,
        output: OutputLog,
        on_progress: Callable[[int, int], None],
        on_phase: Callable[[str], None] = lambda _phase: None,
    ) -> None:
        self.output = output
        self.torn = ""
        self._on_progress = on_progress
        self._on_phase = on_phase
        self._outcome: Outcome = "silent"
        self._body: dict[str, Any] = {}
        self._phase = "start"
        self._since = time.monotonic()
        self._seconds: dict[str, float] = {}

    def hear(self, message: Message) -> None:
        """Take one message. It comes from user code's process, so nothing in it is trusted to be well formed."""
        body = message.body
        if message.kind == "phase":
            if body.get("name") in PHASES:
                self._enter(str(body["name"]))
                self._on_phase(self._phase)
        elif message.kind == "log":
            level = body.get("level")
            level = level if isinstance(level, int) else logging.getLevelNamesMapping().get(str(level), logging.INFO)
            self.output.message(level, str(body.get("name", "")), str(body.get("text", "")))
        elif message.kind == "progress":
            rows, size = body.get("rows"), body.get("bytes")
            if isinstance(rows, int) and isinstance(size, int):
                self._on_progress(rows, size)
        elif message.kind in _OUTCOMES:
            self._outcome = _OUTCOMES[message.kind]
            if message.kind == "failure" and body.get("whole"):
                self.output.tell(logging.ERROR, str(body.pop("whole")))
            redact = self.output.redact
            self._body = masked(body, (lambda text: harmless(redact(text))) if message.kind == "failure" else redact)

    def result(
        self,
        end: End,
        *,
        stopped: bool,
        timed_out: bool = False,
        limits: Limits = NO_LIMITS,
        oom_killed: bool = False,
    ) -> ChildResult:
        """Return the whole, after the child's end."""
        phase = self._phase
        self._enter(phase)
        return ChildResult(
            outcome=self._outcome,
            body=self._body,
            exit_code=end.exit_code,
            stopped=stopped,
            phase=told if (told := self._body.get("phase")) in PHASES else phase,
            seconds=self._seconds,
            peak_bytes=end.peak_bytes,
            tail=tuple(self.output.tail),
            torn=self.torn,
            timed_out=timed_out,
            exceeded=end.exceeded,
            limits=limits,
            cpu_seconds=end.cpu_seconds,
            oom_killed=oom_killed,
        )

    def _enter(self, phase: str) -> None:
        now = time.monotonic()
        self._seconds[self._phase] = round(self._seconds.get(self._phase, 0.0) + now - self._since, 3)
        self._phase, self._since = phase, now
