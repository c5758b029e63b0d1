"""A task's log in groups, as Airflow's own: one for each phase in which something was said."""

from __future__ import annotations

import logging
import threading
from typing import Any


class GroupedLog:
    """Logs as the log it is made of does, with the lines of each phase between `::group::` and `::endgroup::`.

    Args:
        log: The task's log.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        # User code's statements are logged by another thread.
        self._lock = threading.Lock()
        self._next = ""
        self._open = False

    def enter(self, phase: str) -> None:
        """Begin a phase, or end the last one where the name is empty."""
        with self._lock:
            if self._open:
                self._log.info("::endgroup::")
            self._next, self._open = phase, False

    def log(self, level: int, message: str, *arguments: Any) -> None:
        """Log a line, in its phase's group."""
        with self._lock:
            if self._next and not self._open:
                self._log.info("::group::%s", self._next)
                self._open = True
            self._log.log(level, message, *arguments)

    def debug(self, message: str, *arguments: Any) -> None:
        """Log a line for who looks for errors in this package."""
        self.log(logging.DEBUG, message, *arguments)

    def info(self, message: str, *arguments: Any) -> None:
        """Log a line."""
        self.log(logging.INFO, message, *arguments)

    def warning(self, message: str, *arguments: Any) -> None:
        """Log what may be wrong."""
        self.log(logging.WARNING, message, *arguments)

    def error(self, message: str, *arguments: Any) -> None:
        """Log what is wrong."""
        self.log(logging.ERROR, message, *arguments)
