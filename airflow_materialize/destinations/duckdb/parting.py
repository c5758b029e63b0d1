"""How DuckDB joins and counts many rows within little memory: part by part."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING

from airflow_materialize.destinations.base import Session
from airflow_materialize.destinations.keeping import Keeping
from airflow_materialize.destinations.publishing import same_key

if TYPE_CHECKING:
    from airflow_materialize.destinations.publishing import Publication
    from airflow_materialize.destinations.spelling import Table

_KEYS = 750_000
"""Keys that are in memory at once. Of more, DuckDB's own way to disk needs more than it has (measured)."""

_KEY = 32
"""Bytes that such a key takes where no text of it is long: with what a join or a group has beside it (measured)."""

_INDEXES = """
SELECT index_count FROM duckdb_tables()
WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)
"""


class DuckDBParts(Keeping, Session):
    """The part of a DuckDB session that knows how rows can be taken apart."""

    part_rows = 100_000
    """Staged rows that one statement joins with all their columns. What is staged makes it fit."""

    text_widths: Mapping[str, float] = MappingProxyType({})
    """Bytes of a staged row that are outside of it in memory, as long texts are, by column."""

    @abstractmethod
    def parts(self, table: Table) -> tuple[str, str, str]:
        """Return catalog, schema and name of a table, with the connection's where it says none."""

    @abstractmethod
    def expect(self, size: int) -> None:
        """Have room for so many bytes that stay in memory until COMMIT, or leave it to what DuckDB does not count."""

    @abstractmethod
    def as_written(self) -> AbstractContextManager[None]:
        """Have tables joined as a statement says: what stands on the right is in memory, the left in its order.

        DuckDB guesses which side is smaller. Where it is wrong, it has too much in memory, and rows to change come in
        any order: 9 s in place of 0.1 s for a hundred thousand (measured).
        """

    @abstractmethod
    def aside(self, name: str, values: int) -> tuple[Table, str]:
        """Return a table of this transaction alone, and how the statement begins that creates it.

        Args:
            name: Its name.
            values: How many it will hold: rows by columns.
        """

    def numbers_rows(self, table: Table) -> bool:
        """Whether `rowid` is the number of a row, and no column of the table."""
        return "rowid" not in {self.fold(column) for column in self.columns(table) or ()}

    def computes(self, table: Table) -> bool:
        """Whether a table has a column that it computes, into which nothing is inserted."""
        return " GENERATED " in self.made_by(table).upper()

    def is_indexed(self, table: Table) -> bool:
        """Whether a table has an index, be it a constraint's."""
        return self.rows(_INDEXES, self.parts(table)) not in ([], [(0,)])

    def count_doubled(self, table: Table, keys: Sequence[str]) -> list[str]:  # noqa: D102
        name, listed = self.name_of(table), ", ".join(map(self.quote, keys))
        return [
            f"SELECT count(*) FROM (SELECT 1 FROM {name} WHERE {part} GROUP BY {listed} HAVING count(*) > 1)"
            for part in self.key_parts(keys, table)
        ]

    def count_matched(self, publication: Publication) -> list[str]:  # noqa: D102
        # To tell keys apart takes memory that it cannot put away, and so do two joins at once.
        condition, queries = same_key(self, publication), []
        for part in self.key_parts(publication.keys, publication.staging, publication.target):
            staged, there = (
                f"(SELECT * FROM {self.name_of(table)} WHERE {part}) AS {alias}"
                for table, alias in ((publication.staging, "source"), (publication.target, "target"))
            )
            queries.append(f"SELECT count(*), 0 FROM {staged} SEMI JOIN {there} ON {condition}")
            queries.append(f"SELECT 0, count(*) FROM {there} SEMI JOIN {staged} ON {condition}")
        return queries

    def key_parts(self, keys: Sequence[str], *tables: Table, count: int | None = None) -> list[str]:
        """Return conditions, each of which holds for the rows of some keys, and together for all.

        Args:
            keys: The columns of the key.
            tables: What these are columns of. The keys of the first are in memory.
            count: How many these are; as many as its rows unless given.
        """
        folded = [self.fold(key) for key in keys]
        texts = sum(width for name, width in self.text_widths.items() if self.fold(name) in folded)
        at_once = max(1, int(_KEYS * _KEY / (_KEY + texts)))
        parts = -(-(self.count(tables[0]) if count is None else count) // at_once)
        if parts <= 1:
            return ["TRUE"]
        columns = ({self.fold(name): kind for name, kind in (self.columns(table) or {}).items()} for table in tables)
        kinds = {tuple(map(each.get, folded)) for each in columns}
        collations = self.rows("SELECT current_setting('default_collation')") != [("",)]
        # By a collation another text may be the same key; as another type, a value has another hash.
        if len(kinds) > 1 or collations or any(" COLLATE " in self.made_by(table).upper() for table in tables):
            return ["TRUE"]
        listed = ", ".join(map(self.quote, keys))
        return [f"hash({listed}) % {parts} = {part}" for part in range(parts)]
