"""Statements of user code on any database: one SELECT, in a transaction that only reads and is rolled back."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any

import pyarrow as pa
import sqlglot
from sqlglot import exp

from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.destinations.generic.driver import Driver
from airflow_materialize.destinations.placeholders import positional
from airflow_materialize.destinations.reading import Parameters, Reader, ReadOnlyError, in_batches
from airflow_materialize.destinations.statement import one_statement, without_jinja
from airflow_materialize.errors import MaterializeError

_REFUSED = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Lock)
_GUARDS = {"sqlite": "PRAGMA query_only = ON"}


class GenericReader(Reader):
    """One connection for user code.

    Args:
        connection: The driver's.
        driver: What is known of it.
        dialect: sqlglot's name of the database's SQL; empty for the standard's.
    """

    def __init__(self, connection: Any, driver: Driver, dialect: str) -> None:
        self._connection = connection
        self._driver = driver
        self._dialect = dialect

    def batches(self, sql: str, parameters: Parameters = ()) -> Generator[pa.RecordBatch]:  # noqa: D102
        statement = _one_select(sql, self._dialect)
        values = list(parameters.values()) if isinstance(parameters, Mapping) else list(parameters)
        if isinstance(parameters, Mapping):
            statement, values = positional(statement, parameters)
        with closing(self._connection.cursor()) as cursor:
            try:
                self._guard(cursor)
                with self._driver.translated():
                    cursor.execute(*self._driver.statement(statement, values))
                names = [column[0] for column in cursor.description or ()]
                yield from in_batches(names, partial(self._fetch, cursor), _array)
            finally:
                with suppress(*self._driver.errors):
                    self._connection.rollback()

    def _guard(self, cursor: Any) -> None:
        """Let the database itself keep the statement from writing, whatever functions it calls."""
        try:
            with self._driver.translated():
                cursor.execute(_GUARDS.get(self._dialect, "SET TRANSACTION READ ONLY"))
        except StatementError as error:
            raise MaterializeError(
                f"query() is refused on {self._driver.title}: nothing would keep a statement from writing"
                f" ({error.message})",
                hint="read with a client of the database's own, by a connection that is declared under secrets",
            ) from error

    def _fetch(self, cursor: Any, rows: int) -> Sequence[Sequence[Any]]:
        with self._driver.translated():
            found: Sequence[Sequence[Any]] = cursor.fetchmany(rows)
            return found


def _one_select(sql: str, dialect: str) -> str:
    try:
        text = one_statement(sql, dialect, "the statement", hint="one SELECT").text
        tree = sqlglot.parse_one(without_jinja(text), dialect=dialect)
    except sqlglot.ParseError:
        raise ReadOnlyError("this statement cannot be read") from None
    except MaterializeError as error:
        raise ReadOnlyError(error.message) from None
    if not isinstance(tree, exp.Query) or tree.find(*_REFUSED):
        raise ReadOnlyError("this statement is no SELECT")
    return text


def _array(name: str, values: Sequence[Any]) -> pa.Array:
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    try:
        return pa.array([value.tobytes() if isinstance(value, memoryview) else value for value in values])
    except (pa.ArrowException, OverflowError, TypeError):
        if len(kinds) == 1 and not kinds & {int, float, str}:
            # Of a class of the driver's own, or of UUIDs.
            return pa.array([None if value is None else str(value) for value in values])
    classes = " and ".join(sorted(kind.__name__ for kind in kinds))
    raise StatementError(f"column {name!r} has {classes}: CAST it to one type", brief=f"column {name!r}: CAST it")
