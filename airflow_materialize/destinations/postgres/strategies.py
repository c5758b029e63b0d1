"""Merges on PostgreSQL: by the table's unique index, where it has one."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from airflow_materialize.destinations.arrow import is_json, is_text
from airflow_materialize.destinations.postgres.catalog import Catalog
from airflow_materialize.destinations.publishing import Publication, Statement, upsert

if TYPE_CHECKING:
    from airflow_materialize.destinations.spelling import Table

_TRIGGERS = """
SELECT relkind = 'r', relhastriggers FROM pg_catalog.pg_class WHERE oid = to_regclass(?)
"""


class Strategies(Catalog):
    """The part of a session that has statements of its own for some strategies."""

    def unchanged(self, left: str, right: str, arrow_type: pa.DataType, *, collated: bool) -> str:  # noqa: ARG002, D102
        if is_text(arrow_type) or is_json(arrow_type) or pa.types.is_nested(arrow_type) or pa.types.is_null(arrow_type):
            # `json` knows no equality; `citext`, and collations that ignore case, take different texts for one.
            left, right = (f'CAST({side} AS text) COLLATE "C"' for side in (left, right))
        return self.same(left, right)

    def merge(self, publication: Publication) -> list[Statement] | None:
        """Return the statement of a merge into a table whose key is unique; None where it is not.

        The rows come in the order of the keys: 1.3 times as fast as in another one (measured), and two merges never
        wait for each other in a circle.
        """
        # NULL conflicts with nothing, and expressions may name `source`. A predicate leaves out no row with a key of
        # the result: that was looked at before.
        if publication.null_keys or publication.expressions:
            return None
        if not self.has_unique_index(publication.target, publication.keys):
            return None
        keys = ", ".join(map(self.quote, publication.keys))
        return [self._counting(upsert(self, publication, f"ORDER BY {keys}"), publication.target)]

    def _counting(self, statement: Statement, table: Table) -> Statement:
        """Let it tell updated and inserted rows apart: to look for the former before takes a third of a merge.

        A row that was there already has been locked by this transaction, whose number it then bears. A partitioned
        table does not tell.
        """
        [(is_ordinary, has_triggers)] = self.rows(_TRIGGERS, [self.name_of(table)])
        if not is_ordinary:
            return statement
        counted = "count(*) FILTER (WHERE NOT fresh), count(*) FILTER (WHERE fresh)"
        sql = f"WITH done AS ({statement.sql} RETURNING target.xmax = 0 AS fresh) SELECT {counted} FROM done"
        return Statement(sql, statement.parameters, counts="merged past triggers" if has_triggers else "merged")
