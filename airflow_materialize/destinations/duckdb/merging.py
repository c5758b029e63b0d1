"""How DuckDB merges: by statements that are quicker than the portable ones, and within little memory."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_materialize.destinations.base import Session
from airflow_materialize.destinations.keeping import Keeping
from airflow_materialize.destinations.publishing import Statement, changes, matching, newer, unchanged

if TYPE_CHECKING:
    from airflow_materialize.destinations.publishing import Publication
    from airflow_materialize.destinations.spelling import Table

_MOST_PARTS = 64
_WIDE = 100
"""Bytes of texts in a row from which on it takes an index no more time to delete and insert rows (measured)."""

_VECTOR, _MARK, _INDEXED = 2048, 8, 24
"""Rows of a vector; bytes that each of its rows takes once one is deleted, and in an index that is open for writing."""

_REFERENCES = "SELECT 1 FROM duckdb_constraints() WHERE constraint_type = 'FOREIGN KEY' LIMIT 1"
"""A row that another table refers to cannot be deleted, not even to be inserted again."""

_KEYS = """
SELECT constraint_column_names, '' FROM duckdb_constraints()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)
  AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')
UNION ALL SELECT [], sql FROM duckdb_indexes()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?) AND is_unique
"""


class DuckDBMerging(Keeping, Session):
    """The part of a DuckDB session that merges."""

    replaces_rows = True
    part_rows = 100_000
    """Staged rows that one statement of a merge joins. What is staged makes it fit."""
    text_width = 0.0
    """Bytes of a staged row that are outside of it in memory, as long texts are."""

    @abstractmethod
    def expect(self, size: int) -> None:
        """Have room for so many bytes that stay in memory until COMMIT."""

    @abstractmethod
    def parts(self, table: Table) -> tuple[str, str, str]:
        """Return catalog, schema and name of a table, with the connection's where it says none."""

    def has_unique_index(self, table: Table, columns: Sequence[str]) -> bool:  # noqa: D102
        return {self.fold(name) for name in columns} in self._unique(table)

    def _unique(self, table: Table) -> list[set[str]]:
        """Return the columns, folded, of each unique index and constraint; none of an index over expressions."""
        found = self.rows(_KEYS, [*self.parts(table), *self.parts(table)])
        return [{self.fold(name) for name in (self.indexed(index) if index else names) or ()} for names, index in found]

    def merge(self, publication: Publication) -> list[Statement] | None:
        """Return the statements of a merge; None where deleting rows and inserting them is better.

        Without a unique index that takes half of the time of a MERGE (measured).
        """
        unique, keys = self._unique(publication.target), {self.fold(name) for name in publication.keys}
        indexed = keys in unique and not publication.null_keys
        replaces = publication.replaces_rows and (not indexed or self._texts_weigh_more(publication))
        if replaces and not self.rows(_REFERENCES):
            return None
        # A query would see what the parts before have done; a value may go from one row to one of another part.
        at_once = bool(publication.expressions or publication.predicate or any(each != keys for each in unique))
        at_once = at_once or not self._numbers_rows(publication.staging)
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

    def delete_sources(self, staging: Table, target: str, condition: str) -> str:  # noqa: D102
        if not self._numbers_rows(staging):
            return super().delete_sources(staging, target, condition)
        # With EXISTS it takes twice the time, and more memory than it may have (measured).
        name = self.name_of(staging)
        joined = f"SELECT source.rowid FROM {target} AS target JOIN {name} AS source ON {condition}"
        return f"DELETE FROM {name} WHERE rowid IN ({joined})"

    def count_matched(self, target: str, staging: str, keys: Sequence[str], condition: str) -> list[str]:  # noqa: ARG002, D102
        # To tell keys apart takes memory that it cannot put away, and so do two joins at once.
        source, target = f"{staging} AS source", f"{target} AS target"
        return [
            f"SELECT count(*) FROM {left} SEMI JOIN {right} ON {condition}"
            for left, right in ((source, target), (target, source))
        ]

    def make_room(self, publication: Publication) -> None:  # noqa: D102
        if key := publication.keys[0] if publication.keys else publication.incremental_key:
            self.expect(_MARK * self._near(publication, key))

    def _texts_weigh_more(self, publication: Publication) -> bool:
        """Whether changing rows takes more memory than deleting and inserting them.

        The texts that an UPDATE changes are in memory until COMMIT, those before and those after.
        """
        if self.text_width < _WIDE:
            return False
        texts = 2 * self.text_width * self.count(publication.staging)
        return texts > (_MARK + _INDEXED) * self._near(publication, publication.keys[0])

    def _near(self, publication: Publication, key: str) -> int:
        """Return how many rows the vectors have in which any lies between the least and the greatest staged key.

        From the others none is deleted.
        """
        target, staging, name = self.name_of(publication.target), self.name_of(publication.staging), self.quote(key)
        if not self._numbers_rows(publication.target):
            return self.count(publication.target)
        [(vectors,)] = self.rows(
            f"SELECT count(DISTINCT rowid // {_VECTOR}) FROM {target}"
            f" WHERE {name} BETWEEN (SELECT min({name}) FROM {staging}) AND (SELECT max({name}) FROM {staging})"
        )
        return int(vectors) * _VECTOR

    def _numbers_rows(self, table: Table) -> bool:
        """Whether `rowid` is the number of a row, and no column of the table."""
        return "rowid" not in {self.fold(column) for column in self.columns(table) or ()}

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
