"""How DuckDB deletes rows that lie scattered in a large table, within little memory."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_materialize.destinations.duckdb.listing import GROUP, LISTED, DuckDBListing, Touched, apart
from airflow_materialize.destinations.duckdb.thrift import VECTOR
from airflow_materialize.destinations.publishing import Statement, insert
from airflow_materialize.destinations.spelling import Table
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.publishing import Publication

MARK = 8
"""Bytes that each row of a vector takes until COMMIT once some of them are deleted and others are not."""

_MARKED = 256
"""Vectors in which rows are rather marked, which takes half of the time: 4 MiB of marks."""

LIST = Table("_materialize_deleted", "main", "temp")


@dataclass(frozen=True)
class Deletion(Statement):
    """A statement that deletes rows by their number.

    Attributes:
        table: Where they are; it has no column called `rowid`.
        rows: Queries of their numbers, as `id`: each number once in all.
    """

    table: Table = LIST
    rows: tuple[str, ...] = ()


class DuckDBDeleting(DuckDBListing):
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
        with self.as_written():
            found = self.touched(LIST, statement.rows, statement.parameters)
            deleted = self._delete(statement.table, self.name_of(LIST), found) if found else 0
        self.drop_table(LIST)
        return deleted

    def _delete(self, table: Table, listed: str, found: Sequence[Touched]) -> int:
        name, moved = self.name_of(table), self._moved(table, found)
        wanted = sum(touched.rows for touched in found)
        kept, gone = self._move(table, listed, moved) if moved else (0, 0)
        groups = ", ".join(str(touched.group) for touched in moved)
        parts = f"SELECT id FROM {listed} WHERE " + (f"id // {GROUP * VECTOR} NOT IN ({groups})" if moved else "TRUE")
        others = set(found) - set(moved)
        if any(touched.wholes for touched in others):
            # By a join with few rows, as one with many gives up the order, and with it whole vectors.
            wholes = f"// {VECTOR} IN (SELECT id // {VECTOR} FROM {listed} GROUP BY ALL HAVING count(*) = {VECTOR})"
            between = f"rowid BETWEEN (SELECT min(id) FROM {listed}) AND (SELECT max(id) FROM {listed})"
            gone += self.execute(f"DELETE FROM {name} WHERE {between} AND rowid {wholes}")
            parts += f" AND NOT id {wholes}"
        if marked := sum(touched.parts for touched in others):
            self.expect(MARK * VECTOR * marked)
            gone += self.execute(f"DELETE FROM {name} WHERE rowid IN ({parts})")
        if gone != wanted + kept:
            told = f"{gone} rows went, {kept} were inserted again, and {wanted} were to be deleted"
            raise MaterializeError(f"The row counts of {table} do not add up: {told}")
        return wanted

    def _move(self, table: Table, listed: str, moved: Sequence[Touched]) -> tuple[int, int]:
        """Insert the rows of some groups that stay again, delete all that were there, and return how many these are."""
        name, names = self.name_of(table), ", ".join(map(self.quote, self.columns(table) or ()))
        # What is inserted again has higher numbers than any that is listed.
        [(most,)] = self.rows(f"SELECT max(id) FROM {listed}")
        kept = gone = 0
        for part in apart(moved, LISTED):
            groups = ", ".join(str(touched.group) for touched in part)
            first, last = part[0].first, min(most, part[-1].last)
            rows = f"rowid BETWEEN {first} AND {last} AND rowid // {GROUP * VECTOR} IN ({groups})"
            stays = (
                f"NOT EXISTS (SELECT 1 FROM {listed} AS gone WHERE id BETWEEN {first} AND {last} AND id = target.rowid)"
            )
            kept += self.execute(
                f"INSERT INTO {name} ({names}) SELECT {names} FROM {name} AS target WHERE {rows} AND {stays}"
            )
            gone += self.execute(f"DELETE FROM {name} WHERE {rows}")
        return kept, gone

    def _moved(self, table: Table, found: Iterable[Touched]) -> list[Touched]:
        """Return the groups whose other rows are inserted again: those of the most parts, until few are left."""
        by_parts, moved = sorted(found, key=lambda touched: -touched.parts), list[Touched]()
        marked = sum(touched.parts for touched in by_parts)
        # With an index no row is inserted before it is deleted, and what is computed is not inserted at all.
        if marked <= _MARKED or self.is_indexed(table) or self.computes(table):
            return moved
        for touched in by_parts:
            if marked <= _MARKED:
                break
            moved.append(touched)
            marked -= touched.parts
        return sorted(moved)
