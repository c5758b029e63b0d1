"""Tells the log how far a result has come."""

from __future__ import annotations

import logging
import time

# The asset's process says it every ten seconds. It is user code's, so it may say it all the time.
_SECONDS = 9.0


class Progress:
    """Logs rows, bytes and rate, every ten seconds at most.

    Args:
        asset: The asset's name.
        log: Takes the lines.
    """

    def __init__(self, asset: str, log: logging.Logger) -> None:
        self._asset = asset
        self._log = log
        self._since = time.monotonic()
        self._rows = 0

    def __call__(self, rows: int, size: int) -> None:
        """Take what is staged so far."""
        now = time.monotonic()
        if now - self._since < _SECONDS:
            return
        rate = (rows - self._rows) / (now - self._since)
        self._since, self._rows = now, rows
        self._log.info("%s: %s rows, %.1f MB so far, %s rows/s", self._asset, f"{rows:,}", size / 1e6, f"{rate:,.0f}")
