"""How SQLite publishes a result: statements of its own where they are quicker than the portable ones."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_materialize.destinations.arrow import is_text
from airflow_materialize.destinations.base import STAGING, Session
from airflow_materialize.destinations.keeping import Keeping, Part
from airflow_materialize.destinations.publishing import Statement, upsert
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_materialize.destinations.publishing import Publication
    from airflow_materialize.destinations.spelling import Table

_KEYS = """
SELECT i.name, x.name FROM pragma_index_list(?, 'main') AS i JOIN pragma_index_xinfo(i.name, 'main') AS x
WHERE i."unique" AND NOT i.partial AND x.key AND (x.coll = 'BINARY' OR x.name IS NULL)
UNION ALL SELECT '', name FROM pragma_table_info(?, 'main') WHERE pk
"""


_PARTS = """
SELECT type, name, sql FROM main.sqlite_master
WHERE sql IS NOT NULL AND (type = 'view' OR (type IN ('index', 'trigger') AND tbl_name = ? COLLATE NOCASE))
ORDER BY type, name
"""


class SQLitePublishing(Keeping, Session):
    """The part of an SQLite session that publishes."""

    def made_by(self, table: Table) -> str:  # noqa: D102
        [(statement,)] = self.rows(
            "SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE", [table.name]
        )
        return str(statement)

    def create_view(self, view: Table, table: Table, columns: Sequence[str]) -> None:  # noqa: D102
        listed = ", ".join(map(self.quote, columns))
        self.execute(f"DROP VIEW IF EXISTS {self.name_of(view)}")
        self.execute(f"CREATE VIEW {self.name_of(view)} AS SELECT {listed} FROM {self.name_of(table)}")

    def change_type(self, table: Table, name: str, sql_type: str) -> None:
        """Make the table anew with another type of one column; SQLite has no statement for it.

        Raises:
            MaterializeError: Something that hangs on the table would be lost by it.
        """
        columns = self.columns(table) or {}
        listed, target = ", ".join(map(self.quote, columns)), self.name_of(table)
        kept = f"temp.{self.quote(STAGING + '_kept')}"
        self.execute(f"CREATE TABLE {kept} AS SELECT {listed} FROM {target}")
        before = len(self.losses)
        self.swap(table, columns | {name: sql_type + self.rest_of(table, name)}, {})
        if lost := self.losses[before:]:
            raise MaterializeError(
                f"the type of a column of {table} cannot be changed: {lost[0]}",
                hint="rebuild the table by a full refresh",
            )
        self.execute(f"INSERT INTO {target} ({listed}) SELECT {listed} FROM {kept}")
        self.execute(f"DROP TABLE {kept}")

    def hanging_on(self, table: Table) -> list[Part]:  # noqa: D102
        return [Part(*row) for row in self.rows(_PARTS, [table.name])]

    def has_unique_index(self, table: Table, columns: Sequence[str]) -> bool:  # noqa: D102
        indexes: dict[str, set[str]] = {}
        for index, name in self.rows(_KEYS, [table.name, table.name]):
            indexes.setdefault(index, set()).add(self.fold(name or ""))
        return {self.fold(name) for name in columns} in indexes.values()

    def enforce_key(self, table: Table, columns: Sequence[str]) -> None:  # noqa: D102
        name, listed = self.quote(f"{table.name}_enforced_key"), ", ".join(map(self.quote, columns))
        self.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS main.{name} ON {self.quote(table.name)} ({listed})")

    def unchanged(self, left: str, right: str, arrow_type: pa.DataType, *, collated: bool) -> str:  # noqa: ARG002, D102
        # A column that was there may have a collation that no header declares.
        return self.same(f"{left} COLLATE BINARY" if is_text(arrow_type) else left, right)

    def merge(self, publication: Publication) -> list[Statement] | None:
        """Return the statement of a merge into a table whose key is unique."""
        # Expressions may name `source`, which an upsert does not know.
        if publication.null_keys or publication.expressions or publication.predicate:
            return None
        if not self.has_unique_index(publication.target, publication.keys):
            return None
        # Without a condition the parser takes ON CONFLICT for that of a join.
        return [upsert(self, publication, "WHERE TRUE")]
