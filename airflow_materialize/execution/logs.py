"""Brings what user code prints into the task's log: live, line by line, without secrets."""

from __future__ import annotations

import logging
import re
from collections import deque
from typing import Literal

from airflow_materialize.execution.redaction import Redactor

__all__ = ["LINE_LIMIT", "TAIL_LINES", "OutputLog", "Redactor"]

# Longer lines are cut: a log store takes no line of megabytes.
LINE_LIMIT = 64 * 1024

# What one run logs fills no disk: beyond this its output is counted, not logged.
MOST_BYTES = 64 * 1024 * 1024

# A record costs a log store more than its text.
_RECORD_BYTES = 100

# As many last lines as an error repeats.
TAIL_LINES = 50

_LEVELS = {"stdout": logging.INFO, "stderr": logging.WARNING}
# Of a level of another name Airflow's supervisor shows nothing.
_STANDARD = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO)
# Colours and tabs are fine. What else is no character could move a terminal's cursor, and so forge other lines; half of
# one, as in names of files that are not UTF-8, cannot be written into a log at all.
_CONTROL = re.compile(
    "\x1b(?!\\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_TRACEBACK = re.compile(r"(\s*[+|] )*(Exception Group )?Traceback \(most recent call last\):")


class OutputLog:
    """Receives the bytes and messages of one child and logs them.

    Args:
        log: Where lines go, each a record: stdout at INFO, stderr at WARNING, a traceback on it at ERROR, messages at
            their own level.
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
        self._in_traceback = False
        self._left = MOST_BYTES
        self._unlogged = 0

    def feed(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """Take what was read from a stream; log the lines that it completes."""
        pending = self._pending[stream]
        *complete, rest = data.split(b"\n")
        for part in complete:
            pending.add(part, self._keep)
            self._emit(stream)
        pending.add(rest, self._keep)

    def tell(self, level: int, text: str) -> None:
        """Log what is said of the child, which is no output of it."""
        for line in self.redact(text).splitlines():
            self._write(level, line, in_tail=False)

    def message(self, level: int, name: str, text: str) -> None:
        """Log a record of the child's own `logging`; a level of its own as the standard one below it."""
        level = next((standard for standard in _STANDARD if level >= standard), logging.DEBUG)
        whole = self.redact(text if name in ("", "root") else f"{name}: {text}")
        for line in whole.splitlines() or [""]:
            self._write(level, line if len(line) <= LINE_LIMIT else f"{line[:LINE_LIMIT]} … (cut)")

    def close(self) -> None:
        """Log what the streams ended with, if that was no whole line."""
        for stream, pending in self._pending.items():
            if pending.data:
                self._emit(stream)
        if self._unlogged:
            unlogged, self._unlogged = self._unlogged, 0
            self._log.warning("… %s more lines are not logged: the limit is %d MiB", f"{unlogged:,}", MOST_BYTES >> 20)

    def _emit(self, stream: str) -> None:
        pending = self._pending[stream]
        # A progress bar returns to the start of its line; what counts is what it showed last.
        shown = bytes(pending.data).rstrip(b"\r").rpartition(b"\r")[2]
        text = self.redact(shown.decode("utf-8", errors="replace"))
        if pending.dropped or len(text) > LINE_LIMIT:
            text = f"{text[:LINE_LIMIT]} … (cut; a line of {len(pending.data) + pending.dropped:,} bytes)"
        self._write(self._level(stream, text), text)
        pending.clear()

    def _level(self, stream: str, text: str) -> int:
        """Return the level of a line; those of a traceback follow each other up to the one that is not indented."""
        if stream != "stderr":
            return _LEVELS[stream]
        if _TRACEBACK.match(text):
            self._in_traceback = True
            return logging.ERROR
        if not self._in_traceback:
            return _LEVELS[stream]
        self._in_traceback = text.startswith((" ", "|", "+"))
        return logging.ERROR

    def _write(self, level: int, line: str, *, in_tail: bool = True) -> None:
        line = harmless(line)
        if in_tail:
            self.tail.append(line)
        self._left -= len(line) + _RECORD_BYTES
        if self._left < 0:
            self._unlogged += 1
            return
        self._log.log(level, "%s", line)


def harmless(text: str) -> str:
    """Return a text with control characters and halves of characters spelled out; line feeds, tabs and colours stay."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


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
