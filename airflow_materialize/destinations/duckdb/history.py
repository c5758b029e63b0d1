"""How DuckDB keeps former versions within little memory: part by part."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_materialize.definition.model.materialization import HISTORY_COLUMNS
from airflow_materialize.destinations.duckdb.pairing import DuckDBPairing, Paired
from airflow_materialize.destinations.history import after_former, ending, newer_version
from airflow_materialize.destinations.publishing import insert, unchanged

if TYPE_CHECKING:
    from airflow_materialize.destinations.duckdb.listing import Stretch
    from airflow_materialize.destinations.publishing import Publication, Statement


class DuckDBHistory(DuckDBPairing):
    """The part of a DuckDB session that ends and begins versions of rows."""

    def scd2_by_column(self, publication: Publication) -> list[Statement] | None:
        """Return the statements for a result whose rows take the place of those that differ."""
        same = unchanged(self, publication)
        return self._versions(publication, f"NOT ({same})" if same else "", moments=bool(publication.incremental_key))

    def scd2_by_time(self, publication: Publication) -> list[Statement] | None:
        """Return the statements for a result whose rows take the place of older ones."""
        return self._versions(publication, newer_version(self), moments=True)

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
        since, _, current = map(self.quote, HISTORY_COLUMNS)
        pairs = self.pair(publication, lives=current)
        sets = ending(self, f"source.{since}")
        former = self.key_parts(publication.keys, target, staging) if moments else []
        known = [
            f"SELECT pair.staged AS id FROM {self.both(publication, stretch)} WHERE target.{current}"
            for stretch in pairs
        ]
        return [
            *(self.updating(publication, some, sets, f" AND {changed}") for some in pairs if changed),
            *(self._lacking(publication, stretch) for stretch in self.stretches(target)),
            *(after_former(self, publication, part) for part in former),
            self.deletion(staging, *known),
            self.unpair(),
            insert(self, publication),
        ]

    def _lacking(self, publication: Publication, stretch: Stretch) -> Statement:
        """Return the statement that ends the current versions of a stretch whose key the result lacks."""
        _, _, current = map(self.quote, HISTORY_COLUMNS)
        sets = ", ".join(f"{name} = {value}" for name, value in ending(self, "?").items())
        sql = (
            f"UPDATE {self.name_of(publication.target)} AS target SET {sets} WHERE {stretch.holds('target.rowid')}"
            f" AND target.{current} AND NOT {self.has_pair('target.rowid', 'id', stretch)}"
        )
        return Paired(sql, (publication.moment,) * 2, "updated")
