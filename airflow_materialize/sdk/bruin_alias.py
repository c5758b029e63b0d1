"""The text of the package `bruin` in an asset's environment, so that Bruin's own assets run as they are.

It is copied to `bruin/__init__.py` where the asset's requirements do not bring a package of that name.
"""

from __future__ import annotations

from airflow_materialize import __version__, sdk
from airflow_materialize.sdk import Connection, Context, context
from airflow_materialize.sdk.bruin_query import adopt
from airflow_materialize.sdk.bruin_query import ours as __getattr__  # noqa: F401  # PEP 562

__all__ = ["Connection", "Context", "__version__", "context", "get_connection", "query"]

query, get_connection = adopt(lambda sql, name: sdk.get_connection(name).query(sql))
