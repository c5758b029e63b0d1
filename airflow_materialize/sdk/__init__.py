"""What an asset imports: `from airflow_materialize.sdk import context, query`."""

from __future__ import annotations

import logging
from typing import Any

from airflow_materialize.sdk.connection import Connection, get_connection
from airflow_materialize.sdk.context import Context, context
from airflow_materialize.sdk.query import query
from airflow_materialize.sdk.relation import Relation, ref, source

__all__ = ["Connection", "Context", "Relation", "context", "get_connection", "log", "query", "ref", "source"]

log = logging.getLogger("asset")
"""The asset's logger. What it says stands in the log of the task `run`."""

_INSTEAD = {
    "result": "return the frame itself",
    "result_of": "read the table with its own client library",
    "skip": "return None to leave the table as it is",
}


def __getattr__(name: str) -> Any:
    """Say what to do instead of a name that this version does not have."""
    if name in _INSTEAD:
        raise ImportError(f"{name}() is not available in this version of airflow-materialize: {_INSTEAD[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
