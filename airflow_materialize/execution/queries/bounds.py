"""How much a statement may load whole: what a header says under `parameters`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_materialize.errors import MaterializeError
from airflow_materialize.sizes import parse_size, shown_size

_HINT = "read less with select() and where(), or read in parts with batches=…"


@dataclass(frozen=True)
class Bounds:
    """Limits for rows that are loaded whole; 0 is none.

    Attributes:
        max_rows, max_bytes: More is refused.
        warn_rows, warn_bytes: More is warned of.
    """

    max_rows: int = 0
    max_bytes: int = 0
    warn_rows: int = 0
    warn_bytes: int = 0

    def check(self, rows: int, size: int) -> None:
        """Refuse what is more than the header allows.

        Raises:
            MaterializeError: It is.
        """
        if self.max_rows and rows > self.max_rows:
            raise MaterializeError(f"the statement gives more than parameters.max_rows: {self.max_rows:,}", hint=_HINT)
        if self.max_bytes and size > self.max_bytes:
            limit = shown_size(self.max_bytes)
            raise MaterializeError(f"the statement gives more than parameters.max_bytes: {limit}", hint=_HINT)

    def warning(self, rows: int, size: int) -> str:
        """Return what to warn of; empty where there is nothing."""
        if self.warn_rows and rows > self.warn_rows:
            return f"{rows:,} rows are loaded whole, more than parameters.warn_rows: {self.warn_rows:,}; {_HINT}"
        if self.warn_bytes and size > self.warn_bytes:
            limit = shown_size(self.warn_bytes)
            return f"{shown_size(size)} are loaded whole, more than parameters.warn_bytes: {limit}; {_HINT}"
        return ""


def bounds_of(parameters: Mapping[str, Any]) -> Bounds:
    """Read the limits of a header.

    Raises:
        MaterializeError: One of them is no number.
    """
    return Bounds(
        max_rows=_number(parameters, "max_rows"),
        max_bytes=_number(parameters, "max_bytes"),
        warn_rows=_number(parameters, "warn_rows"),
        warn_bytes=_number(parameters, "warn_bytes"),
    )


def _number(parameters: Mapping[str, Any], name: str) -> int:
    text = str(parameters.get(name, "")).strip()
    if not text:
        return 0
    try:
        number = parse_size(text) if name.endswith("bytes") else int(text)
    except ValueError:
        number = 0
    if number < 1:
        right = "a size, as 500MB" if name.endswith("bytes") else "a number of rows"
        raise MaterializeError(f"parameters.{name} is {text[:60]!r}", hint=right)
    return number
