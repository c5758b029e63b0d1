"""What SQLite says, as this package's errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_materialize.destinations.discretion import PassingError, StatementError

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PASSING = {*_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT}
_BASE_CODE = 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else has the file."""
    return _code(error) in _BUSY


@contextmanager
def translated() -> Iterator[None]:
    """Turn what SQLite raises into a StatementError, or a PassingError where it may pass by itself."""
    try:
        yield
    except sqlite3.Error as error:
        kind = PassingError if _code(error) in _PASSING else StatementError
        # The texts of SQLite name tables and columns, and show no values.
        raise kind(f"SQLite: {error}") from error


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & _BASE_CODE
