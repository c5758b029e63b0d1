"""How DuckDB deletes rows that lie scattered in a large table, within little memory."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_materialize.destinations.duckdb.parting import DuckDBParts
from airflow_materialize.destinations.publishing import Statement, insert
from airflow_materialize.destinations.spelling import Table
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.publishing import Publication

VECTOR, MARK = 2048, 8
"""Rows of a vector, and bytes that each of them takes until COMMIT once some of them are deleted and others are not."""

_GROUP = 60
"""Vectors that go together, as many as a row group has: a vector begins where its group does, so that one may be cut
at each end of what goes."""

_MARKED = 768
"""Vectors in which rows are rather marked, which takes a third of the time: 12 MiB of marks."""

_LIST = Table("_materialize_deleted", "main", "temp")


@dataclass(frozen=True)
class Deletion(Statement):
    """A statement that deletes rows by their number.

    Attributes:
        table: Where they are; it has no column called `rowid`.
        rows: Queries of their numbers, as `id`: each number once in all.
    """

    table: Table = _LIST
    rows: tuple[str, ...] = ()


class _Touched(NamedTuple):
    """What is deleted of a group of vectors.

    Attributes:
        group: Its number.
        parts: How many vectors lose some of their rows.
        wholes: How many lose all.
        rows: How many rows go.
    """

    group: int
    parts: int
    wholes: int
    rows: int


class DuckDBDeleting(DuckDBParts):
    """The part of a DuckDB session that deletes rows.

    Where a vector loses some of its rows, DuckDB marks each of them in memory until COMMIT; where it loses all at once,
    it needs next to nothing. So where many would lose some, the rows that stay are inserted again, and the vectors go.
    """

    def deletion(self, table: Table, *rows: str, parameters: tuple[Any, ...] = (), **counts: Any) -> Deletion:
        """Return the statement that deletes the rows of which queries have the numbers, as `id`."""
        sql = f"DELETE FROM {self.name_of(table)} WHERE rowid IN ({' UNION ALL '.join(rows)})"
        return Deletion(sql, parameters, **counts, table=table, rows=rows)

    def delete_insert(self, publication: Publication) -> list[Statement] | None:
        """Return the statements of a delete+insert; None where a column's name hides the numbers of rows."""
        if not self.numbers_rows(publication.target):
            self.expect(MARK * self.count(publication.target))
            return None
        tables = publication.staging, publication.target
        staging, target = map(self.name_of, tables)
        key, found = self.quote(publication.incremental_key), f"SELECT rowid AS id FROM {target} WHERE"
        if publication.bounds:
            queries = [f"{found} {key} >= ? AND {key} < ?"]
        else:
            [(values,)] = self.rows(f"SELECT approx_count_distinct({key}) FROM {staging}")
            parts = self.key_parts([publication.incremental_key], *tables, count=values)
            # All staged rows would be in memory to be joined, and not each value once.
            distinct = f"SELECT DISTINCT {key} FROM {staging} WHERE {key} IS NOT NULL"
            null = f"{key} IS NULL AND EXISTS (SELECT 1 FROM {staging} AS s WHERE s.{key} IS NULL)"
            queries = [*(f"{found} {part} AND {key} IN ({distinct} AND {part})" for part in parts), f"{found} {null}"]
        deletion = self.deletion(publication.target, *queries, parameters=publication.bounds or (), counts="deleted")
        return [deletion, insert(self, publication)]

    def keep_last(self, staging: Table, keys: Sequence[str], position: str) -> int:  # noqa: D102
        name, place = self.name_of(staging), self.quote(position)
        listed = ", ".join(map(self.quote, keys))
        rows = [
            f"SELECT source.rowid AS id FROM (SELECT rowid, * FROM {name} WHERE {part}) AS source"
            f" ANTI JOIN (SELECT max({place}) AS last FROM {name} WHERE {part} GROUP BY {listed})"
            f" ON source.{place} = last"
            for part in self.key_parts(keys, staging)
        ]
        return self.apply(self.deletion(staging, *rows))

    def apply(self, statement: Statement) -> int:  # noqa: D102
        if not isinstance(statement, Deletion):
            return super().apply(statement)
        listed = self.name_of(_LIST)
        self.execute(f"CREATE OR REPLACE TEMPORARY TABLE {listed} (id BIGINT)")
        for rows in statement.rows:
            self.execute(f"INSERT INTO {listed} {rows}", statement.parameters)
        vectors = f"SELECT id // {VECTOR} AS vector, count(*) AS gone FROM {listed} GROUP BY ALL"
        counts = ", ".join(f"count(*) FILTER (gone {sign} {VECTOR})" for sign in "<=")
        found = self.rows(f"SELECT vector // {_GROUP}, {counts}, sum(gone) FROM ({vectors}) GROUP BY ALL")
        deleted = self._delete(statement.table, listed, [_Touched(*map(int, row)) for row in found]) if found else 0
        self.drop_table(_LIST)
        return deleted

    def _delete(self, table: Table, listed: str, found: Sequence[_Touched]) -> int:
        name, moved = self.name_of(table), self._moved(table, found)
        groups = f"// {_GROUP * VECTOR} IN ({', '.join(map(str, sorted(moved)))})"
        wholes = f"// {VECTOR} IN (SELECT id // {VECTOR} FROM {listed} GROUP BY ALL HAVING count(*) = {VECTOR})"
        # What is inserted again has higher numbers than these.
        between = f"rowid BETWEEN (SELECT min(id) FROM {listed}) AND (SELECT max(id) FROM {listed})"
        parts, kept, gone = f"SELECT id FROM {listed} WHERE TRUE", 0, 0
        if moved:
            names = ", ".join(map(self.quote, self.columns(table) or ()))
            stays = f"NOT EXISTS (SELECT 1 FROM {listed} AS gone WHERE gone.id = target.rowid)"
            rows = f"SELECT {names} FROM {name} AS target WHERE {between} AND rowid {groups} AND {stays}"
            kept = self.execute(f"INSERT INTO {name} ({names}) {rows}")
            gone = self.execute(f"DELETE FROM {name} WHERE {between} AND rowid {groups}")
            parts += f" AND NOT id {groups}"
        others = [touched for touched in found if touched.group not in moved]
        if any(touched.wholes for touched in others):
            # By a join with few rows, as one with many gives up the order, and with it whole vectors.
            gone += self.execute(f"DELETE FROM {name} WHERE {between} AND rowid {wholes}")
            parts += f" AND NOT id {wholes}"
        if marked := sum(touched.parts for touched in others):
            self.expect(MARK * VECTOR * marked)
            gone += self.execute(f"DELETE FROM {name} WHERE rowid IN ({parts})")
        wanted = sum(touched.rows for touched in found)
        if gone != wanted + kept:
            told = f"{gone} rows went, {kept} were inserted again, and {wanted} were to be deleted"
            raise MaterializeError(f"The row counts of {table} do not add up: {told}")
        return wanted

    def _moved(self, table: Table, found: Iterable[_Touched]) -> set[int]:
        """Return the groups whose other rows are inserted again: those of the most parts, until few are left."""
        by_parts, moved = sorted(found, key=lambda touched: -touched.parts), set[int]()
        marked = sum(touched.parts for touched in by_parts)
        # With an index no row is inserted before it is deleted, and what is computed is not inserted at all.
        if marked <= _MARKED or self.is_indexed(table) or " GENERATED " in self.made_by(table).upper():
            return moved
        for touched in by_parts:
            if marked <= _MARKED:
                break
            moved.add(touched.group)
            marked -= touched.parts
        return moved
