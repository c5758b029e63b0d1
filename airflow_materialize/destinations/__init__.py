"""The kinds of databases that tables are loaded into: one package each, listed here by `conn_type`."""

from __future__ import annotations

MODULES = {
    "duckdb": "airflow_materialize.destinations.duckdb.destination",
    "mysql": "airflow_materialize.destinations.mysql.destination",
    "postgres": "airflow_materialize.destinations.postgres.destination",
    "sqlite": "airflow_materialize.destinations.sqlite.destination",
}
"""The module that registers the destination of each `conn_type`."""
