"""Brings what user code prints into the task's log: live, line by line, without secrets."""

from __future__ import annotations

import logging
from collections import deque
from typing import Literal

from airflow_materialize.execution.redaction import Redactor

__all__ = ["LINE_LIMIT", "TAIL_LINES", "OutputLog", "Redactor"]

# Longer lines are cut: a log store takes no line of megabytes.
LINE_LIMIT = 64 * 1024

# As many last lines as an error repeats.
TAIL_LINES = 50

_LEVELS = {"stdout": logging.INFO, "stderr": logging.WARNING}


class OutputLog:
    """Receives the bytes and messages of one child and logs them.

    Args:
        log: Where lines go: stdout at INFO, stderr at WARNING, messages at their own level.
        redact: Applied to whole lines, so a secret that was written in two parts is masked too.

    Attributes:
        tail: The last lines, for the text of an error.
        redact: As given.
    """

    def __init__(self, log: logging.Logger, redact: Redactor) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._log = log
        self.redact = redact
        # UTF-8 takes up to four bytes for a character of a secret; the cut must not fall into one.
        self._keep = LINE_LIMIT + 4 * redact.longest
        self._pending = {name: _PendingLine() for name in _LEVELS}

    def feed(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """Take what was read from a stream; log the lines that it completes."""
        pending = self._pending[stream]
        *complete, rest = data.split(b"\n")
        for part in complete:
            pending.add(part, self._keep)
            self._emit(stream)
        pending.add(rest, self._keep)

    def message(self, level: int, name: str, text: str) -> None:
        """Log a record of the child's own `logging`."""
        line = self.redact(text if name in ("", "root") else f"{name}: {text}")
        self.tail.extend(line.splitlines())
        self._log.log(level, "%s", line)

    def close(self) -> None:
        """Log what the streams ended with, if that was no whole line."""
        for stream, pending in self._pending.items():
            if pending.data:
                self._emit(stream)

    def _emit(self, stream: str) -> None:
        pending = self._pending[stream]
        # A progress bar returns to the start of its line; what counts is what it showed last.
        shown = bytes(pending.data).rstrip(b"\r").rpartition(b"\r")[2]
        text = self.redact(shown.decode("utf-8", errors="replace"))
        if pending.dropped or len(text) > LINE_LIMIT:
            text = f"{text[:LINE_LIMIT]} … (cut; a line of {len(pending.data) + pending.dropped:,} bytes)"
        self.tail.append(text)
        self._log.log(_LEVELS[stream], "%s", text)
        pending.clear()


class _PendingLine:
    """The beginning of a line, and how many bytes of it were dropped."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.dropped = 0

    def add(self, part: bytes, limit: int) -> None:
        """Append up to the limit. A carriage return makes room: what stood before it is overwritten."""
        if len(self.data) + len(part) > limit and b"\r" in part.rstrip(b"\r"):
            part = part.rstrip(b"\r").rpartition(b"\r")[2]
            self.clear()
        taken = part[: max(0, limit - len(self.data))]
        self.data += taken
        self.dropped += len(part) - len(taken)

    def clear(self) -> None:
        """Start the next line."""
        self.data.clear()
        self.dropped = 0
