"""What the catalog of a PostgreSQL database says of a table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow_materialize.destinations.base import Table
from airflow_materialize.destinations.postgres.spelling import PostgresSpelling
from airflow_materialize.destinations.postgres.types import arrow_type
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    import pyarrow as pa

_KINDS: dict[str, Literal["table", "view"]] = {"r": "table", "p": "table", "v": "view"}
_OTHERS = {"m": "a materialized view", "f": "a foreign table", "S": "a sequence", "i": "an index", "c": "a type"}

# What the database fills by itself is not seen: a load neither writes nor drops it.
_COLUMNS = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull AND NOT a.atthasdef
  AND a.attidentity = '' AND t.typdefault IS NULL
FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass(?) AND a.attnum > 0 AND NOT a.attisdropped
  AND a.attgenerated = '' AND a.attidentity <> 'a'
ORDER BY a.attnum
"""
_COMPUTED = """
SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped
  AND (attgenerated <> '' OR attidentity = 'a')
"""
_UNIQUE = """
SELECT array_agg(a.attname::text ORDER BY a.attname)
FROM pg_catalog.pg_index AS i CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) AS k(attnum)
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = to_regclass(?) AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid
"""
_COMMENTS = """
SELECT coalesce(a.attname::text, ''), d.description FROM pg_catalog.pg_description AS d
  LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0
WHERE d.objoid = to_regclass(?) AND d.classoid = 'pg_catalog.pg_class'::regclass
"""
_IS_OWNED = "SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = to_regclass(?)"


class Catalog(PostgresSpelling):
    """The part of a session that looks at what is there."""

    has_comments = True

    @abstractmethod
    def name_of(self, table: Table) -> str: ...  # noqa: D102

    def relkind(self, table: Table) -> str:
        """Return PostgreSQL's letter for what stands under a name; empty where nothing does."""
        found = self.rows("SELECT relkind FROM pg_catalog.pg_class WHERE oid = to_regclass(?)", [self.name_of(table)])
        return str(found[0][0]) if found else ""

    def kind(self, table: Table) -> Literal["table", "view", ""]:  # noqa: D102
        letter = self.relkind(table)
        if not letter:
            return ""
        if letter not in _KINDS:
            raise MaterializeError(
                f"{table} is {_OTHERS.get(letter, 'no table')}, into which nothing is loaded",
                hint="drop it, or give the asset another name",
            )
        return _KINDS[letter]

    def columns(self, table: Table) -> dict[str, str] | None:  # noqa: D102
        return {name: sql_type for name, sql_type, _ in self._columns(table)} or None

    def computed(self, table: Table) -> set[str]:  # noqa: D102
        return {name for (name,) in self.rows(_COMPUTED, [self.name_of(table)])}

    def required(self, table: Table) -> set[str]:  # noqa: D102
        return {name for name, _, required in self._columns(table) if required}

    def arrow_types(self, table: Table) -> dict[str, pa.DataType]:  # noqa: D102
        return {name: arrow_type(sql_type) for name, sql_type, _ in self._columns(table)}

    def has_unique_index(self, table: Table, columns: Sequence[str]) -> bool:  # noqa: D102
        found = self.rows(_UNIQUE, [self.name_of(table)])
        return sorted(columns) in [sorted(names) for (names,) in found]

    def comments(self, table: Table) -> dict[str, str]:  # noqa: D102
        return dict(self.rows(_COMMENTS, [self.name_of(table)]))

    def comment(self, table: Table, column: str, text: str) -> None:  # noqa: D102
        # Who may insert into a table need not own it; a comment is no reason to fail.
        if self.rows(_IS_OWNED, [self.name_of(table)]) == [(True,)]:
            super().comment(table, column, text)

    def _columns(self, table: Table) -> list[tuple[Any, ...]]:
        return self.rows(_COLUMNS, [self.name_of(table)])
