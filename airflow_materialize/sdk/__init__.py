"""What an asset imports: `from airflow_materialize.sdk import context, query`."""

from __future__ import annotations

from airflow_materialize.sdk.connection import Connection, get_connection
from airflow_materialize.sdk.context import Context, context, log
from airflow_materialize.sdk.last_load import LastLoad
from airflow_materialize.sdk.outcome import Outcome, Result, result, result_of, skip
from airflow_materialize.sdk.query import query
from airflow_materialize.sdk.relation import Relation, ref, source

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
