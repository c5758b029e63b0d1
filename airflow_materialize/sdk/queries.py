"""`query(sql)`: the worker runs a statement and hands its rows over. No credential comes here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from airflow_materialize.sdk.channel import Channel, ReadsOnlyError, line
from airflow_materialize.sdk.connection import get_connection, is_declared
from airflow_materialize.sdk.exceptions import ConnectionNotFoundError, QueryError
from airflow_materialize.sdk.frames import Rows, best_form, to_arrow, to_pandas, to_polars
from airflow_materialize.sdk.run_context import context
from airflow_materialize.sdk.values import encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Params = Sequence[Any] | Mapping[str, Any] | None

Form = Callable[[Any], Any]


class Query:
    """Runs a statement that reads, on the asset's connection or on one that the header lists under `connections`.

    Called itself it gives a pandas frame where pandas is installed, else a polars one, else an Arrow table; `arrow`,
    `pandas` and `polars` give what they say. With `batches` each gives an iterator of parts of so many rows (of
    record batches for Arrow), in the memory of one part.
    """

    def __init__(self, elsewhere: Callable[[str, str], Any]) -> None:
        self._elsewhere = elsewhere

    def __call__(
        self, sql: str, connection: str | None = None, params: Params = None, *, batches: int | None = None
    ) -> Any:
        """Run a statement and return its rows.

        Args:
            sql: One statement.
            connection: The connection id; the asset's own unless said.
            params: Values for the statement's placeholders, bound by the database's driver.
            batches: How many rows to give at a time.

        Raises:
            QueryError: The statement was refused.
            ConnectionNotFoundError: The header lists no such connection.
        """
        name = connection or own_connection()
        declared = is_declared(name)
        if not declared or name in line().connections:
            try:
                return self._run(self._best(), sql, name, params, batches=batches)
            except ReadsOnlyError:
                if not declared:
                    raise
        # As Bruin has it: a declared secret is a connection that the asset itself may do anything with.
        if params is not None or batches is not None:
            hint = f"add it to the header's `connections: [{name}]` to have the worker run the statement"
            raise QueryError(f"params and batches work on the worker, and {name!r} is a secret of the asset: {hint}")
        return self._elsewhere(sql, name)

    def arrow(
        self, sql: str, connection: str | None = None, params: Params = None, *, batches: int | None = None
    ) -> Any:
        """Run a statement and return its rows as a pyarrow Table."""
        return self._run(to_arrow, sql, connection, params, batches=batches)

    def pandas(
        self, sql: str, connection: str | None = None, params: Params = None, *, batches: int | None = None
    ) -> Any:
        """Run a statement and return its rows as a pandas frame."""
        return self._run(to_pandas, sql, connection, params, batches=batches)

    def polars(
        self, sql: str, connection: str | None = None, params: Params = None, *, batches: int | None = None
    ) -> Any:
        """Run a statement and return its rows as a polars frame."""
        return self._run(to_polars, sql, connection, params, batches=batches)

    def __repr__(self) -> str:
        return "query(sql, connection=None, params=None, *, batches=None)"

    def _best(self) -> Form:
        return best_form()

    def _run(
        self, form: Form, sql: str, connection: str | None = None, params: Params = None, *, batches: int | None = None
    ) -> Any:
        if not isinstance(sql, str):
            raise QueryError(f"the statement is a text, not of type {type(sql).__name__}")
        try:
            sql.encode()
        except UnicodeEncodeError as error:
            half = f"half a character, {sql[error.start]!a}, at place {error.start + 1}"
            raise QueryError(f"the statement has {half}: no database takes it") from None
        body = {"sql": sql, "connection": connection or own_connection(), "params": _encoded(params)}
        return deliver(line(), form, "query", body, batches)


query = Query(lambda sql, name: get_connection(name).query(sql))
"""Runs a statement that reads."""


def own_connection() -> str:
    """Return the asset's connection id.

    Raises:
        ConnectionNotFoundError: Its header names none.
    """
    name = context.connection
    if not name:
        raise ConnectionNotFoundError("the header names no connection. Add one: `connection: CONN_ID`")
    return name


def deliver(asked: Channel, form: Form, kind: str, body: dict[str, Any], batches: int | None) -> Any:
    """Ask for rows, and return them in a form, whole or in parts."""
    if batches is None:
        return form(asked.ask(kind, whole=True, **body).table())
    if isinstance(batches, bool) or not isinstance(batches, int) or batches < 1:
        raise QueryError(f"batches is a number of rows, at least 1, and not {batches!r}")
    return _parts(asked.ask(kind, whole=False, **body), form, batches)


def _parts(rows: Rows, form: Form, count: int) -> Iterator[Any]:
    for batch in rows.batches(count):
        yield form(batch)


def _encoded(params: Params) -> Any:
    if params is None:
        return None
    if isinstance(params, (str, bytes)):
        raise QueryError("params is a list, or a dict for placeholders with names, and not a single value")
    try:
        if hasattr(params, "items"):
            return {"named": {str(name): encode(value) for name, value in params.items()}}
        return {"placed": [encode(value) for value in params]}
    except TypeError as error:
        raise QueryError(f"params: {error}") from error
