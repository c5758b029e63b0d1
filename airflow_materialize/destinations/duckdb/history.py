"""How DuckDB keeps former versions within little memory: part by part."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_materialize.definition.model.materialization import HISTORY_COLUMNS
from airflow_materialize.destinations.duckdb.deleting import LIST, DuckDBDeleting, apart
from airflow_materialize.destinations.history import after_former, current_versions, ending, newer_version
from airflow_materialize.destinations.publishing import Statement, insert, same_key, unchanged

if TYPE_CHECKING:
    from airflow_materialize.destinations.publishing import Publication


@dataclass(frozen=True)
class Ending(Statement):
    """A statement that ends listed versions, of which it takes the least and the greatest number.

    Attributes:
        rows: Queries of their numbers, as `id`, and of the moments at which they end, NULL for that of the load.
        moment: What these moments are called, with their type.
    """

    rows: tuple[str, ...] = ()
    moment: str = ""


class DuckDBHistory(DuckDBDeleting):
    """The part of a DuckDB session that ends and begins versions of rows."""

    def scd2_by_column(self, publication: Publication) -> list[Statement] | None:
        """Return the statements for a result whose rows take the place of those that differ."""
        same = unchanged(self, publication)
        return self._versions(publication, f"NOT ({same})" if same else "", moments=bool(publication.incremental_key))

    def scd2_by_time(self, publication: Publication) -> list[Statement] | None:
        """Return the statements for a result whose rows take the place of older ones."""
        return self._versions(publication, newer_version(self), moments=True)

    def apply(self, statement: Statement) -> int:  # noqa: D102
        if not isinstance(statement, Ending):
            return super().apply(statement)
        # A vector whose rows come one by one takes its former changes along each time: by their numbers they come at
        # once, and a join that went to disk would give up their order.
        count = 0
        for part in apart(self.touched(statement.rows, further=statement.moment)):
            count += self.execute(statement.sql, [*statement.parameters, *(part[0].first, part[-1].last) * 2])
        self.drop_table(LIST)
        return count

    def _versions(self, publication: Publication, changed: str, *, moments: bool) -> list[Statement] | None:
        """Return the statements that end and begin versions; None where a column's name hides the numbers of rows.

        Args:
            publication: What goes where.
            changed: When a row of the result takes the place of the version of its key; never where it is empty.
            moments: Whether each row has its own moment.
        """
        staging, target = publication.staging, publication.target
        if not all(map(self.numbers_rows, (staging, target))):
            return None
        former = self.key_parts(publication.keys, target, staging) if moments else []
        source, versions = self.name_of(staging), f"{current_versions(self, publication)} AS target"
        known = self.found(publication, source, "source", versions, same_key(self, publication))
        return [
            self._ending(publication, changed),
            *(after_former(self, publication, part) for part in former),
            self.deletion(staging, *known),
            insert(self, publication),
        ]

    def _ending(self, publication: Publication, changed: str) -> Ending:
        """Return the statement that ends the versions that a row takes the place of, and those of a missing key."""
        target, staging = map(self.name_of, (publication.target, publication.staging))
        since, _, current = map(self.quote, HISTORY_COLUMNS)
        key = same_key(self, publication)
        superseded = (
            f"SELECT target.rowid AS id, source.{since} FROM {target} AS target JOIN {part} AS source"
            f" ON {key} AND target.{current} AND {changed}"
            for part in (self.row_parts(publication.staging, self.part_rows) if changed else ())
        )
        lacking = self.found(publication, target, "target", f"{staging} AS source", key, lacking=current)
        moment = f"since {(self.columns(publication.staging) or {})[HISTORY_COLUMNS[0]]}"
        sql = self.update_from(
            target,
            f"(SELECT * FROM {self.name_of(LIST)} WHERE id BETWEEN ? AND ?)",
            ending(self, "coalesce(source.since, ?)"),
            "target.rowid = source.id AND target.rowid BETWEEN ? AND ?",
        )
        nulls = (f"SELECT id, NULL FROM ({query})" for query in lacking)
        return Ending(sql, (publication.moment,) * 2, "updated", rows=(*superseded, *nulls), moment=moment)
