"""How DuckDB publishes a result: what hangs on a table, and which values are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_materialize.destinations.arrow import is_text
from airflow_materialize.destinations.duckdb.history import DuckDBHistory
from airflow_materialize.destinations.duckdb.merging import DuckDBMerging
from airflow_materialize.destinations.keeping import Part

if TYPE_CHECKING:
    from airflow_materialize.destinations.spelling import Table

_PARTS = """
SELECT 'index', index_name, sql FROM duckdb_indexes()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)
UNION ALL SELECT 'view', view_name, sql FROM duckdb_views() WHERE NOT internal
ORDER BY 1, 2
"""
_COMMENTS = """
SELECT '', comment FROM duckdb_tables()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)
  AND comment IS NOT NULL
UNION ALL SELECT column_name, comment FROM duckdb_columns()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)
  AND comment IS NOT NULL
"""


class DuckDBPublishing(DuckDBMerging, DuckDBHistory):
    """The part of a DuckDB session that publishes."""

    has_comments = True

    def made_by(self, table: Table) -> str:  # noqa: D102
        [(statement,)] = self.rows(
            "SELECT sql FROM duckdb_tables() WHERE lower(database_name) = lower(?)"
            " AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)",
            self.parts(table),
        )
        return str(statement)

    def hanging_on(self, table: Table) -> list[Part]:  # noqa: D102
        return [Part(*row) for row in self.rows(_PARTS, self.parts(table))]

    def comments(self, table: Table) -> dict[str, str]:  # noqa: D102
        return dict(self.rows(_COMMENTS, [*self.parts(table), *self.parts(table)]))

    def unchanged(self, left: str, right: str, arrow_type: pa.DataType, *, collated: bool) -> str:  # noqa: D102
        if collated and is_text(arrow_type):
            left, right = f"encode({left})", f"encode({right})"
        elif pa.types.is_duration(arrow_type) or pa.types.is_interval(arrow_type):
            # A month equals thirty days, and is not the same.
            left, right = f"CAST({left} AS VARCHAR)", f"CAST({right} AS VARCHAR)"
        return self.same(left, right)
