"""The kinds of databases that tables are loaded into: one module each, listed here by `conn_type`."""

from __future__ import annotations

MODULES = {
    "duckdb": "airflow_materialize.destinations.duckdb",
    "mysql": "airflow_materialize.destinations.mysql",
    "postgres": "airflow_materialize.destinations.postgres",
    "sqlite": "airflow_materialize.destinations.sqlite",
}
"""The module that registers the destination of each `conn_type`."""
