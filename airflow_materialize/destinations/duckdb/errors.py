"""What DuckDB says, as this package's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from airflow_materialize.destinations.discretion import PassingError, StatementError

_PASSING = (duckdb.IOException, duckdb.TransactionException, duckdb.InterruptException)
_ABORTED = "transaction is aborted"
_WITHOUT_VALUES = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.DependencyException,
    duckdb.IOException,
    duckdb.NotImplementedException,
    duckdb.ParserException,
    duckdb.SyntaxException,
)
"""What DuckDB says in these is about statements and files, not about the values of rows."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn what DuckDB raises into a StatementError, or a PassingError where it may pass by itself."""
    try:
        yield
    except duckdb.Error as error:
        brief = "" if isinstance(error, _WITHOUT_VALUES) else f"DuckDB: {str(error).partition(':')[0]}"
        passes = isinstance(error, _PASSING) and _ABORTED not in str(error)
        raise (PassingError if passes else StatementError)(f"DuckDB: {error}", brief=brief) from error
