"""Rows of a DuckDB table by their numbers: where they lie, and in which parts they are gone over."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_materialize.destinations.duckdb.parting import DuckDBParts
from airflow_materialize.destinations.duckdb.thrift import VECTOR

if TYPE_CHECKING:
    from airflow_materialize.destinations.spelling import Table

GROUP = 60
"""Vectors that go together, as many as a row group has: a vector begins where its group does, so that one may be cut
at each end of what goes."""

LISTED = 250_000
"""Numbers of rows that are joined at once: of many more, the other side of the join goes to disk too."""


class Touched(NamedTuple):
    """What is listed of a group of vectors.

    Attributes:
        group: Its number.
        parts: Of how many vectors some rows are listed.
        wholes: Of how many all are.
        rows: How many rows are.
    """

    group: int
    parts: int
    wholes: int
    rows: int

    @property
    def first(self) -> int:
        """The lowest number that a row of the group can have."""
        return self.group * GROUP * VECTOR

    @property
    def last(self) -> int:
        """The highest number that a row of the group can have."""
        return self.first + GROUP * VECTOR - 1


class Stretch(NamedTuple):
    """Rows that lie behind each other.

    Attributes:
        first: The lowest number of a row.
        last: The highest.
    """

    first: int
    last: int

    def holds(self, number: str) -> str:
        """Return the condition that a number is one of theirs."""
        return f"{number} BETWEEN {self.first} AND {self.last}"


class DuckDBListing(DuckDBParts):
    """The part of a DuckDB session that lists rows by their numbers.

    A transaction numbers the rows that it has inserted itself from a high number on, so that numbers have gaps.
    """

    def touched(
        self, table: Table, rows: Iterable[str], parameters: Sequence[Any] = (), further: str = ""
    ) -> list[Touched]:
        """List the numbers that queries have as `id` in a temporary table, and return where they lie.

        Args:
            table: The table, which the caller drops.
            rows: The queries.
            parameters: The values that each of them takes.
            further: The columns that they have behind it, with their types and a comma before each.
        """
        listed = self.name_of(table)
        self.execute(f"CREATE OR REPLACE TEMPORARY TABLE {listed} (id BIGINT{further})")
        for each in rows:
            self.execute(f"INSERT INTO {listed} {each}", parameters)
        vectors = f"SELECT id // {VECTOR} AS vector, count(*) AS gone FROM {listed} GROUP BY ALL"
        counts = ", ".join(f"count(*) FILTER (gone {sign} {VECTOR})" for sign in "<=")
        found = self.rows(f"SELECT vector // {GROUP}, {counts}, sum(gone) FROM ({vectors}) GROUP BY ALL ORDER BY 1")
        return [Touched(*map(int, row)) for row in found]

    def stretches(self, table: Table) -> list[Stretch]:
        """Return the rows of a table in stretches of which the numbers can be joined at once."""
        groups = self.rows(
            f"SELECT rowid // {GROUP * VECTOR}, 0, 0, count(*) FROM {self.name_of(table)} GROUP BY ALL ORDER BY 1"
        )
        found = (Touched(*map(int, row)) for row in groups)
        return [Stretch(part[0].first, part[-1].last) for part in apart(found, LISTED)]


def apart(found: Iterable[Touched], most: int) -> Iterator[list[Touched]]:
    """Yield groups, in their order, in parts of which no more rows are listed, or one group alone."""
    part, rows = list[Touched](), 0
    for touched in found:
        if part and rows + touched.rows > most:
            yield part
            part, rows = [], 0
        part.append(touched)
        rows += touched.rows
    if part:
        yield part
