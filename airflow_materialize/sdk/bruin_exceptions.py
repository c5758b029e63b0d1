"""The text of `bruin.exceptions` in an asset's environment."""

from __future__ import annotations

from airflow_materialize.sdk.exceptions import (
    BruinError,
    ConnectionNotFoundError,
    ConnectionParseError,
    ConnectionTypeError,
    QueryError,
)

__all__ = ["BruinError", "ConnectionNotFoundError", "ConnectionParseError", "ConnectionTypeError", "QueryError"]
