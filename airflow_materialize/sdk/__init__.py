"""What an asset imports: `from airflow_materialize.sdk import context, query`.

All of it is imported when a name is first asked for: an asset that needs none does not wait for it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from airflow_materialize.sdk.connection import Connection, get_connection
    from airflow_materialize.sdk.last_load import LastLoad
    from airflow_materialize.sdk.outcome import Outcome, Result, result, result_of, skip
    from airflow_materialize.sdk.queries import query
    from airflow_materialize.sdk.relation import Relation, ref, source
    from airflow_materialize.sdk.run_context import Context, context, log

__all__ = [
    "Connection",
    "Context",
    "LastLoad",
    "Outcome",
    "Relation",
    "Result",
    "context",
    "get_connection",
    "log",
    "query",
    "ref",
    "result",
    "result_of",
    "skip",
    "source",
]


def __getattr__(name: str) -> Any:
    """Import everything, and return one name of it (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from airflow_materialize.sdk.whole import names

    globals().update(names())
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
