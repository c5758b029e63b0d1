"""How DuckDB merges: by statements that are quicker than the portable ones, and within little memory."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_materialize.destinations.duckdb.deleting import MARK
from airflow_materialize.destinations.duckdb.pairing import DuckDBPairing, Paired
from airflow_materialize.destinations.duckdb.thrift import VECTOR
from airflow_materialize.destinations.publishing import (
    Statement,
    changes,
    changing,
    idle,
    insert,
    matching,
    same_key,
)
from airflow_materialize.destinations.spelling import Table

if TYPE_CHECKING:
    from airflow_materialize.destinations.publishing import Publication

_WIDE = 100
"""Bytes of texts in a row from which on it takes an index no more time to delete and insert rows (measured)."""

_CHANGED = 8 * 1024 * 1024
"""Bytes of texts that an UPDATE may change in a table without an index."""

_INDEXED = 24
"""Bytes that each row takes in an index that is open for writing."""

_REFERENCES = "SELECT 1 FROM duckdb_constraints() WHERE constraint_type = 'FOREIGN KEY' LIMIT 1"
"""A row that another table refers to cannot be deleted, not even to be inserted again."""

_KEYS = """
SELECT constraint_column_names, FALSE FROM duckdb_constraints()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)
  AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')
UNION ALL SELECT CAST(expressions AS VARCHAR[]), TRUE FROM duckdb_indexes()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?) AND is_unique
"""


_COMPARED = Table("_materialize_compared", "main", "temp")


class DuckDBMerging(DuckDBPairing):
    """The part of a DuckDB session that merges."""

    replaces_rows = True

    def has_unique_index(self, table: Table, columns: Sequence[str]) -> bool:  # noqa: D102
        return {self.fold(name) for name in columns} in self._unique(table)

    def _unique(self, table: Table) -> list[set[str]]:
        """Return the columns, folded, of each unique index and constraint; empty in place of an expression."""
        found = self.rows(_KEYS, [*self.parts(table), *self.parts(table)])
        return [{self.fold(_column(name) if index else name) for name in names} for names, index in found]

    def merge(self, publication: Publication) -> list[Statement] | None:
        """Return the statements of a merge; None where a column's name hides the numbers of rows."""
        unique, keys = self._unique(publication.target), {self.fold(name) for name in publication.keys}
        indexed = keys in unique and not publication.null_keys
        # A query would see what the parts before have done; a value may go from one row to one of another part.
        at_once = bool(publication.expressions or publication.predicate or any(each != keys for each in unique))
        replaces = (
            (publication.replaces_rows and not indexed)
            or self._texts_weigh_more(publication, indexed=indexed)
            # A MERGE has all that it joins in memory.
            or (at_once and self.count(publication.staging) > self.part_rows)
        )
        numbered = all(map(self.numbers_rows, (publication.target, publication.staging)))
        if replaces and not self.rows(_REFERENCES):
            if publication.replaces_rows and not numbered:
                self.expect(MARK * sum(map(self.count, (publication.target, publication.staging))))
                return None
            if publication.replaces_rows:
                return self._replacing(publication)
            if numbered and not self.computes(publication.target):
                return self._completing(publication)
        if at_once or not numbered:
            return [self._merging(publication)]
        pairs, sets, further = self.pair(publication), changes(self, publication), changing(self, publication)
        updates = [self.updating(publication, some, sets, further) for some in pairs if sets]
        return [*updates, *self.insert_unpaired(publication), self.unpair()]

    def _merging(self, publication: Publication) -> Statement:
        """Return the statement that changes and inserts rows at once, and has all that it joins in memory."""
        target, staging = self.name_of(publication.target), self.name_of(publication.staging)
        update = ""
        if publication.updates:
            listed = ", ".join(f"{name} = {value}" for name, value in changes(self, publication).items())
            update = f" WHEN MATCHED{changing(self, publication)} THEN UPDATE SET {listed}"
        names = [self.quote(name) for name in publication.columns]
        columns = ", ".join([*names, *map(self.quote, publication.filled)])
        values = ", ".join([*(f"source.{name}" for name in names), *publication.filled.values()])
        return Statement(
            f"MERGE INTO {target} AS target USING {staging} AS source ON {matching(self, publication)}{update}"
            f" WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})",
            counts="upserted",
        )

    def _replacing(self, publication: Publication) -> list[Statement]:
        """Return the statements that delete the rows that change, and insert them with the others.

        Without a unique index that takes half of the time of a MERGE (measured).
        """
        name, matches = self.name_of(_COMPARED), matching(self, publication)
        needless = idle(self, publication).removeprefix(" AND ") or "FALSE"
        return [
            Statement(f"CREATE OR REPLACE TEMPORARY TABLE {name} (id BIGINT, staged BIGINT, needless BOOLEAN)"),
            *(
                Paired(
                    f"INSERT INTO {name} SELECT pair.id, pair.staged, {needless}"
                    f" FROM {self.both(publication, some)} WHERE {matches}"
                )
                for some in self.pair(publication)
            ),
            self.unpair(),
            self.deletion(publication.target, f"SELECT id FROM {name} WHERE NOT needless", counts="replaced"),
            self.deletion(publication.staging, f"SELECT staged FROM {name} WHERE needless"),
            Statement(f"DROP TABLE {name}"),
            insert(self, publication),
        ]

    def _completing(self, publication: Publication) -> list[Statement]:
        """Return the statements that put together what rows become, replace those that change, and insert the others.

        The table is as it was until all are put together.
        """
        names = list(self.columns(publication.target) or ())
        table, create = self.aside("_materialize_whole", self.count(publication.staging) * len(names))
        target, whole, listed = self.name_of(publication.target), self.name_of(table), ", ".join(map(self.quote, names))
        sets = {self.fold(name): value for name, value in changes(self, publication).items()}
        values = ", ".join(sets.get(self.fold(self.quote(name)), f"target.{self.quote(name)}") for name in names)
        matches, key = matching(self, publication), same_key(self, publication)
        condition = f"{matches}{changing(self, publication)}"
        changed = [
            f"SELECT rowid AS id FROM (SELECT rowid, * FROM {target} WHERE {part}) AS target"
            f" WHERE EXISTS (SELECT 1 FROM {whole} AS source WHERE {part} AND {key})"
            for part in self.key_parts(publication.keys, publication.staging, publication.target)
        ]
        both = [self.both(publication, some) for some in self.pair(publication)]
        return [
            Statement(f"{create} AS SELECT * FROM {target} LIMIT 0"),
            *(Paired(f"INSERT INTO {whole} SELECT {values} FROM {each} WHERE {condition}") for each in both),
            self.deletion(
                publication.staging, *(f"SELECT source.rowid AS id FROM {each} WHERE {matches}" for each in both)
            ),
            self.unpair(),
            self.deletion(publication.target, *changed, counts="replaced"),
            Statement(f"INSERT INTO {target} ({listed}) SELECT {listed} FROM {whole}", counts="inserted"),
            Statement(f"DROP TABLE {whole}"),
            insert(self, publication),
        ]

    def _texts_weigh_more(self, publication: Publication, *, indexed: bool) -> bool:
        """Whether changing rows takes more memory than deleting and inserting them.

        The texts that an UPDATE changes are in memory until COMMIT, those before and those after.
        """
        width = sum(self.text_widths.get(name, 0) for name in publication.updates)
        texts = 2 * width * self.count(publication.staging)
        if not indexed:
            return texts > _CHANGED
        return width >= _WIDE and texts > (MARK + _INDEXED) * self._near(publication, publication.keys[0])

    def _near(self, publication: Publication, key: str) -> int:
        """Return how many rows the vectors have in which any lies between the least and the greatest staged key.

        From the others none is deleted.
        """
        target, staging, name = self.name_of(publication.target), self.name_of(publication.staging), self.quote(key)
        if not self.numbers_rows(publication.target):
            return self.count(publication.target)
        [(vectors,)] = self.rows(
            f"SELECT count(DISTINCT rowid // {VECTOR}) FROM {target}"
            f" WHERE {name} BETWEEN (SELECT min({name}) FROM {staging}) AND (SELECT max({name}) FROM {staging})"
        )
        return int(vectors) * VECTOR


def _column(listed: str) -> str:
    """Return the name of a column that an index has, in quotes where it is no plain word; empty for an expression."""
    if listed.startswith("("):
        return ""
    return listed[1:-1].replace('""', '"') if listed.startswith('"') else listed
