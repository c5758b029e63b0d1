"""What the asset's process tells the worker while it runs."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
from contextlib import suppress

from airflow_materialize.sdk.names import LINE_CLOSED
from airflow_materialize.sdk.wire import Message, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

MAX_LOG_CHARACTERS = 65_536
"""A longer log line is cut."""


class Reporter:
    """Sends messages from any thread of this process, and from this process alone.

    A process that user code forked has a copy of the socket; frames of two processes would run into each other, so
    there `send` does nothing.

    Attributes:
        phase: The phase that runs, as it was last sent.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._process = os.getpid()
        self.phase = "import"

    @property
    def is_here(self) -> bool:
        """Whether this process is the one that the worker started."""
        return os.getpid() == self._process

    def enter(self, phase: str) -> None:
        """Say that a phase begins."""
        self.phase = phase
        self.send("phase", name=phase)

    def send(self, kind: str, **body: Any) -> None:
        """Send one message. Without a worker there is nobody to run for, so the process ends.

        Where it is the socket that is gone, the last line on stderr says so.
        """
        if not self.is_here:
            return
        try:
            with self._lock:
                send(self._sock, Message(kind, body))
        except OSError as error:
            if error.errno in {errno.EBADF, errno.ENOTSOCK}:
                with suppress(OSError):
                    os.write(2, f"{LINE_CLOSED}\n".encode())
            os._exit(1)

    def progress(self, rows: int, size: int) -> None:
        """Say how much is written."""
        self.send("progress", rows=rows, bytes=size)


class ReporterHandler(logging.Handler):
    """Sends log records as messages; in a forked process, prints them."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001  # as the handlers of logging: a bad format string must not end the asset
            self.handleError(record)
            return
        if len(text) > MAX_LOG_CHARACTERS:
            text = f"{text[:MAX_LOG_CHARACTERS]}… ({len(text) - MAX_LOG_CHARACTERS:,} more characters)"
        if self._reporter.is_here:
            self._reporter.send("log", level=_standard_level(record.levelno), name=record.name, text=text)
        else:
            sys.stderr.write(f"{text}\n")


def log_to(reporter: Reporter) -> None:
    """Send what is logged or warned of, from INFO on."""
    root = logging.getLogger()
    root.addHandler(ReporterHandler(reporter))
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)


def _standard_level(number: int) -> str:
    """Return the highest standard level that is not above `number`."""
    levels = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO)
    return logging.getLevelName(next((level for level in levels if number >= level), logging.DEBUG))
