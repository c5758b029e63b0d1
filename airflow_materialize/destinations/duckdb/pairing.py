"""How DuckDB brings staged rows and those of the table together within little memory, in whatever order they come."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from airflow_materialize.destinations.duckdb.deleting import DuckDBDeleting
from airflow_materialize.destinations.duckdb.listing import Stretch, apart
from airflow_materialize.destinations.publishing import Statement, insert, same_key
from airflow_materialize.destinations.spelling import Table

if TYPE_CHECKING:
    from airflow_materialize.destinations.publishing import Publication

_PAIRS, _UNSORTED = (Table(f"_materialize_{name}", "main", "temp") for name in ("pairs", "unsorted_pairs"))

_SORTED = 750_000
"""Pairs that are sorted at once: more would go to disk, for which there is too little memory (measured)."""

_MOST_PLACES = 256


@dataclass(frozen=True)
class Paired(Statement):
    """A statement that joins as it is written."""


class Pairs(NamedTuple):
    """Where some pairs lie.

    Attributes:
        rows: The rows of the table.
        staged: Those of the result.
    """

    rows: Stretch
    staged: Stretch


class DuckDBPairing(DuckDBDeleting):
    """The part of a DuckDB session that knows which staged row has the key of which row of the table.

    The keys are joined once, and what follows goes over the table in its order. Rows of a part of the result may lie
    anywhere in the table, so that to look for them reads all of it for each part, and a vector whose rows change one by
    one takes its former changes along each time.
    """

    def apply(self, statement: Statement) -> int:  # noqa: D102
        if not isinstance(statement, Paired):
            return super().apply(statement)
        with self.as_written():
            return super().apply(statement)

    def pair(self, publication: Publication, lives: str = "") -> list[Pairs]:
        """List the pairs until `unpair`, and return where they lie, in the order of the table.

        Args:
            publication: Whose rows they are. Both tables number them.
            lives: The condition for rows of the table to have a pair; all do unless given.
        """
        staging, target, unsorted, pairs = map(
            self.name_of, (publication.staging, publication.target, _UNSORTED, _PAIRS)
        )
        further = f" AND {lives}" if lives else ""
        queries = [
            "SELECT target.rowid AS id, source.rowid AS staged"
            f" FROM (SELECT rowid, * FROM {target} WHERE {part}{further}) AS target"
            f" JOIN (SELECT rowid, * FROM {staging} WHERE {part}) AS source ON {same_key(self, publication)}"
            for part in self.key_parts(publication.keys, publication.staging, publication.target)
        ]
        with self.as_written():
            found = self.touched(_UNSORTED, queries, further=", staged BIGINT")
        self.execute(f"CREATE OR REPLACE TEMPORARY TABLE {pairs} (id BIGINT, staged BIGINT)")
        # Where the result is in another order, each place is looked for in all of it.
        most = max(2 * self.part_rows // 3, sum(touched.rows for touched in found) // _MOST_PLACES + 1)
        placed = []
        for part in apart(found, _SORTED):
            some = Stretch(part[0].first, part[-1].last).holds("id")
            self.execute(f"INSERT INTO {pairs} SELECT * FROM {unsorted} WHERE {some} ORDER BY id")
            numbered = f"SELECT *, row_number() OVER (ORDER BY id) - 1 AS number FROM {pairs} WHERE {some}"
            placed += self.rows(
                "SELECT min(id), max(id), min(staged), max(staged)"
                f" FROM ({numbered}) GROUP BY number // {most} ORDER BY 1"
            )
        self.drop_table(_UNSORTED)
        return [Pairs(Stretch(*place[:2]), Stretch(*place[2:])) for place in placed]

    def unpair(self) -> Statement:
        """Return the statement behind which no pairs are listed."""
        return Statement(f"DROP TABLE {self.name_of(_PAIRS)}")

    def _source(self, publication: Publication, some: Pairs) -> str:
        """Return what is to be read of some pairs: `pair.id`, a row's number, and `source`, the staged row."""
        staged = f"SELECT rowid, * FROM {self.name_of(publication.staging)} WHERE {some.staged.holds('rowid')}"
        pairs = f"SELECT * FROM {self.name_of(_PAIRS)} WHERE {some.rows.holds('id')}"
        return f"(({staged}) AS source JOIN ({pairs}) AS pair ON source.rowid = pair.staged)"

    def both(self, publication: Publication, some: Pairs) -> str:
        """Return the same, with the row of the table as `target`, for a statement that is `Paired` or a deletion's."""
        rows = f"SELECT rowid, * FROM {self.name_of(publication.target)} WHERE {some.rows.holds('rowid')}"
        return f"({rows}) AS target JOIN {self._source(publication, some)} ON target.rowid = pair.id"

    def updating(self, publication: Publication, some: Pairs, sets: Mapping[str, str], further: str) -> Statement:
        """Return the statement that changes rows of some pairs.

        Args:
            publication: Whose rows they are.
            some: Where they lie.
            sets: Quoted columns with the expressions, of `target` and `source`, that they are set to.
            further: The condition for a row to change, with AND before it; each does where it is empty.
        """
        target, changes = self.name_of(publication.target), ", ".join(f"{name} = {sets[name]}" for name in sets)
        return Paired(
            f"UPDATE {target} AS target SET {changes} FROM {self._source(publication, some)}"
            f" WHERE target.rowid = pair.id AND {some.rows.holds('target.rowid')}{further}",
            counts="updated",
        )

    def has_pair(self, number: str, column: Literal["id", "staged"], stretch: Stretch) -> str:
        """Return the condition that a row has a pair, for a statement that is `Paired`.

        Args:
            number: The row's number.
            column: Which of a pair it is.
            stretch: Where it lies.
        """
        pairs = f"SELECT {column} FROM {self.name_of(_PAIRS)} WHERE {stretch.holds(column)}"
        return f"EXISTS (SELECT 1 FROM ({pairs}) AS pair WHERE pair.{column} = {number})"

    def insert_unpaired(self, publication: Publication) -> list[Statement]:
        """Return the statements that insert the staged rows that have no pair."""
        found = list[Statement]()
        for stretch in self.stretches(publication.staging):
            lacks = f"NOT {self.has_pair('source.rowid', 'staged', stretch)}"
            statement = insert(self, publication, f" AS source WHERE {stretch.holds('rowid')} AND {lacks}")
            found.append(Paired(statement.sql, counts=statement.counts))
        return found
