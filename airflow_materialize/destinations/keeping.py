"""A table made anew with other columns keeps its constraints, indexes and comments, or says which it could not keep."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from airflow_materialize.destinations.spelling import Table
from airflow_materialize.destinations.tables import Tables

if TYPE_CHECKING:
    from airflow_materialize.destinations.making import Constraint, Made


class Part(NamedTuple):
    """Something that hangs on a table: an index, a trigger, a view.

    Attributes:
        kind: What it is.
        name: Its name.
        statement: By which it was made.
    """

    kind: str
    name: str
    statement: str


class Keeping(Tables):
    """The part of a session that makes a table anew, for databases that cannot change all of one in its place."""

    @abstractmethod
    def columns(self, table: Table) -> dict[str, str] | None:
        """Return the table's columns with their types in its order, or None where there is no such table."""

    @abstractmethod
    def made_by(self, table: Table) -> str:
        """Return the statement by which a table was made."""

    @abstractmethod
    def hanging_on(self, table: Table) -> list[Part]:
        """Return the indexes and triggers of a table, and all views."""

    def swap(self, table: Table, columns: Mapping[str, str], changed: Mapping[str, str]) -> Table:  # noqa: D102
        there, parts, comments = self.columns(table) or {}, self.hanging_on(table), self.comments(table)
        made = self._made(table)
        stay = {self.fold(name) for name in columns}
        gone = frozenset(self.fold(name) for name in there) - stay
        definitions = dict(columns)
        for name, new in changed.items():
            definitions[name] += made.required(name) if columns[name] == new else ""
            for text in made.of_values(name):
                self._lose(f"{text} of {name}", f"{name} has another type")
        for name, kind in there.items():
            # Where the header says nothing of a column, it stays as it is.
            if columns.get(name) == kind:
                definitions[name] = kind + made.rest(name)
        for other in made.others:
            self._lose(other, "nothing here writes it")
        kept = self._kept(table, made.constraints, gone, {self.fold(name) for name in changed})
        self.drop_table(table)
        self.execute(f"CREATE TABLE {self.name_of(table)} ({', '.join([self.definitions(definitions), *kept])})")
        for part in parts:
            self._hang(table, part, gone)
        for column, text in comments.items():
            if not column or self.fold(column) in stay:
                self.comment(table, column, text)
        return table

    def rest_of(self, table: Table, column: str) -> str:
        """Return what stands behind a column's type where the table was made: its collation, its default, NOT NULL."""
        return self._made(table).rest(column)

    def _kept(
        self, table: Table, constraints: Iterable[Constraint] | None, gone: frozenset[str], changed: set[str]
    ) -> list[str]:
        if constraints is None:
            self.losses.append(f"the constraints of {table} could not be kept: how it was made cannot be read")
            return []
        kept = []
        for constraint in constraints:
            names = {self.fold(name) for name in constraint.columns}
            if lost := sorted(names & gone):
                self._lose(constraint.text, f"it needs {', '.join(lost)}, which the result lacks")
            elif constraint.by_value and (lost := sorted(names & changed)):
                self._lose(constraint.text, f"{', '.join(lost)} has another type")
            else:
                kept.append(constraint.text)
        return kept

    def _hang(self, table: Table, part: Part, gone: frozenset[str]) -> None:
        from airflow_materialize.destinations.making import named

        found = named(part.statement, self.dialect)
        columns, tables = ({self.fold(name) for name in names} for names in found or ((), ()))
        lost = ", ".join(sorted(columns & gone))
        if part.kind == "view":
            if lost and self.fold(table.name) in tables:
                self.losses.append(f"the view {part.name} cannot be read: it needs {lost}, which the result lacks")
        elif lost or (found is None and part.kind == "index" and gone):
            self._lose(f"{part.kind} {part.name}", f"it needs {lost or 'what cannot be read'}, which the result lacks")
        else:
            self.execute(part.statement)

    def _lose(self, what: str, why: str) -> None:
        self.losses.append(f"{what} could not be kept: {why}")

    def _made(self, table: Table) -> Made:
        # A parser of SQL is large, and most loads change no column.
        from airflow_materialize.destinations.making import Made

        return Made(self.made_by(table), self.dialect)
