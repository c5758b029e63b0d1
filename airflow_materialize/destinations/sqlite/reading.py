"""Statements of user code on SQLite: an authorizer lets them read and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.destinations.reading import Parameters, Reader, ReadOnlyError, in_batches
from airflow_materialize.destinations.sqlite.errors import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_PRAGMAS = {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list"}
# A pattern of Python's runs as long as it likes, and cannot be interrupted.
_REFUSED_FUNCTIONS = {"load_extension", "regexp"}


class SQLiteReader(Reader):
    """One SQLite connection for user code.

    Args:
        connection: Open.
        waited: Runs a statement as soon as nobody else has the file.
    """

    def __init__(self, connection: sqlite3.Connection, waited: Callable[[str, Parameters], sqlite3.Cursor]) -> None:
        self._connection = connection
        self._waited = waited
        connection.set_authorizer(_authorize)

    def batches(self, sql: str, parameters: Parameters = ()) -> Generator[pa.RecordBatch]:  # noqa: D102
        with closing(self._cursor(sql, parameters)) as cursor:
            names = [column[0] for column in cursor.description or ()]
            yield from in_batches(names, partial(self._fetch, cursor), _array)

    def _cursor(self, sql: str, parameters: Parameters) -> sqlite3.Cursor:
        try:
            with translated():
                return self._waited(sql, parameters)
        except sqlite3.Warning as error:
            # CPython 3.11's way to say so.
            raise ReadOnlyError("takes one statement") from error
        except StatementError as error:
            cause = error.__cause__
            if getattr(cause, "sqlite_errorcode", 0) == sqlite3.SQLITE_AUTH:
                raise ReadOnlyError(f"this statement does more ({error})") from error
            if isinstance(cause, sqlite3.ProgrammingError) and "one statement" in str(cause):
                raise ReadOnlyError("takes one statement") from error
            raise

    def _fetch(self, cursor: sqlite3.Cursor, rows: int) -> list[tuple[Any, ...]]:
        with translated():
            return cursor.fetchmany(rows)


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action in _READS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _REFUSED_FUNCTIONS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in _PRAGMAS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _array(name: str, values: Sequence[Any]) -> pa.Array:
    """Return the values in the type of their storage class; integers among floats become floats."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        classes = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise StatementError(f"SQLite: column {name!r} has {classes}: CAST it to one type") from error
