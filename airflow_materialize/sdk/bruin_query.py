"""`query` and `get_connection` as bruin-sdk has them, answered by the worker where no secret is declared."""

from __future__ import annotations

from typing import Any, Callable

from airflow_materialize.sdk.channel import channel
from airflow_materialize.sdk.connection import get_connection, is_declared
from airflow_materialize.sdk.frames import best_form, to_bruin_pandas, to_pandas
from airflow_materialize.sdk.queries import Form, Query
from airflow_materialize.sdk.worker_connection import WorkerConnection


class BruinQuery(Query):
    """The same statements; in pandas frames decimals are floats and days datetimes, as in DuckDB's own frames."""

    def _best(self) -> Form:
        form = best_form()
        return to_bruin_pandas if form is to_pandas else form

    def pandas(self, *arguments: Any, **options: Any) -> Any:
        """Run a statement and return its rows as a pandas frame."""
        return self._run(to_bruin_pandas, *arguments, **options)


def adopt(
    query: Callable[[str, str], Any], get: Callable[[str], Any] = get_connection
) -> tuple[BruinQuery, Callable[[str], Any]]:
    """Return both functions of bruin-sdk, with what they were for declared secrets.

    Args:
        query: Runs a statement on a declared secret.
        get: Returns a declared secret.
    """

    def connection(name: str) -> Any:
        served = channel()
        if served and name in served.connections and not is_declared(name):
            return WorkerConnection(name)
        return get(name)

    return BruinQuery(query), connection


def ours(name: str) -> Any:
    """Answer for the package `bruin` with a name that bruin-sdk does not have: `from bruin import skip`."""
    from airflow_materialize import sdk

    if name in sdk.__all__:
        return getattr(sdk, name)
    raise AttributeError(f"module 'bruin' has no attribute {name!r}")
