"""How DuckDB publishes a result: statements of its own where they are quicker than the portable ones."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_materialize.destinations.arrow import is_text
from airflow_materialize.destinations.base import Session
from airflow_materialize.destinations.keeping import Keeping, Part
from airflow_materialize.destinations.publishing import Statement, changes, matching, newer, unchanged

if TYPE_CHECKING:
    from airflow_materialize.destinations.publishing import Publication
    from airflow_materialize.destinations.spelling import Table

_MOST_PARTS = 64
_KEYS = """
SELECT constraint_column_names, '' FROM duckdb_constraints()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)
  AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')
UNION ALL SELECT [], sql FROM duckdb_indexes()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?) AND is_unique
"""


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


class DuckDBPublishing(Keeping, Session):
    """The part of a DuckDB session that publishes."""

    has_comments = True
    part_rows = 100_000
    """Staged rows that one statement of a merge joins. What is staged makes it fit."""

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

    def has_unique_index(self, table: Table, columns: Sequence[str]) -> bool:  # noqa: D102
        return {self.fold(name) for name in columns} in self._unique(table)

    def _unique(self, table: Table) -> list[set[str]]:
        """Return the columns, folded, of each unique index and constraint; none of an index over expressions."""
        found = self.rows(_KEYS, [*self.parts(table), *self.parts(table)])
        return [{self.fold(name) for name in (self.indexed(index) if index else names) or ()} for names, index in found]

    @abstractmethod
    def parts(self, table: Table) -> tuple[str, str, str]:
        """Return catalog, schema and name of a table, with the connection's where it says none."""

    def unchanged(self, left: str, right: str, arrow_type: pa.DataType, *, collated: bool) -> str:  # noqa: D102
        if collated and is_text(arrow_type):
            left, right = f"encode({left})", f"encode({right})"
        elif pa.types.is_duration(arrow_type) or pa.types.is_interval(arrow_type):
            # A month equals thirty days, and is not the same.
            left, right = f"CAST({left} AS VARCHAR)", f"CAST({right} AS VARCHAR)"
        return self.same(left, right)

    def merge(self, publication: Publication) -> list[Statement] | None:
        """Return the statements of a merge into a table whose key is unique, where these are the quickest."""
        unique = [] if publication.null_keys else self._unique(publication.target)
        if {self.fold(name) for name in publication.keys} not in unique:
            return None
        # A query would see what the parts before have done; a value may go from one row to one of another part.
        at_once = bool(publication.expressions or publication.predicate or len(unique) > 1)
        target, staging = self.name_of(publication.target), self.name_of(publication.staging)
        condition, same = newer(self, publication), unchanged(self, publication)
        condition += f" AND NOT ({same})" if same else ""
        update = ""
        if publication.updates:
            listed = ", ".join(f"{name} = {value}" for name, value in changes(self, publication).items())
            update = f" WHEN MATCHED{condition} THEN UPDATE SET {listed}"
        names = [self.quote(name) for name in publication.columns]
        columns = ", ".join([*names, *map(self.quote, publication.filled)])
        values = ", ".join([*(f"source.{name}" for name in names), *publication.filled.values()])
        return [
            Statement(
                f"MERGE INTO {target} AS target USING {part} AS source ON {matching(self, publication)}{update}"
                f" WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})",
                counts="upserted",
            )
            for part in ([staging] if at_once else self._parts(staging))
        ]

    def _parts(self, staging: str) -> list[str]:
        """Return the staged rows in parts, each as what a statement takes: all that a MERGE joins is in memory."""
        # What a transaction has inserted itself is numbered from a high number on.
        [(first, last)] = self.rows(f"SELECT coalesce(min(rowid), 0), coalesce(max(rowid), 0) FROM {staging}")
        # Each looks through the keys of the table.
        size = max(self.part_rows, (last - first) // _MOST_PARTS + 1)
        return [
            f"(SELECT * FROM {staging} WHERE rowid >= {start} AND rowid < {start + size})"
            for start in range(first, last + 1, size)
        ]
