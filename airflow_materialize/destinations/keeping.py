"""A table made anew with other columns keeps its constraints, indexes and comments, or says which it could not keep."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlglot
from sqlglot import exp

from airflow_materialize.destinations.spelling import Table
from airflow_materialize.destinations.tables import Tables


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


@dataclass(frozen=True)
class _Constraint:
    """A constraint as CREATE TABLE has it behind the columns, and the columns that it is about."""

    text: str
    columns: frozenset[str]
    by_value: bool = False


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
        made = _Made(self.made_by(table), self.dialect)
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
        return _Made(self.made_by(table), self.dialect).rest(column)

    def _kept(
        self, table: Table, constraints: Iterable[_Constraint] | None, gone: frozenset[str], changed: set[str]
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
        tree = _parsed(part.statement, self.dialect)
        named = {self.fold(column.name) for column in tree.find_all(exp.Column)} if tree else set()
        lost = ", ".join(sorted(named & gone))
        if part.kind == "view":
            tables = {self.fold(found.name) for found in tree.find_all(exp.Table)} if tree else set()
            if lost and self.fold(table.name) in tables:
                self.losses.append(f"the view {part.name} cannot be read: it needs {lost}, which the result lacks")
        elif lost or (tree is None and part.kind == "index" and gone):
            self._lose(f"{part.kind} {part.name}", f"it needs {lost or 'what cannot be read'}, which the result lacks")
        else:
            self.execute(part.statement)

    def _lose(self, what: str, why: str) -> None:
        self.losses.append(f"{what} could not be kept: {why}")


def indexed_columns(statement: str, dialect: str) -> list[str]:
    """Return the columns of an index; none where it is over expressions or a part of the rows, or cannot be read."""
    tree = _parsed(statement, dialect)
    index = tree.find(exp.IndexParameters) if tree else None
    if index is None or index.args.get("where"):
        return []
    columns = [ordered.this for ordered in index.args.get("columns") or ()]
    return [column.name for column in columns] if all(isinstance(column, exp.Column) for column in columns) else []


class _Made:
    """What a CREATE TABLE says beside names and types."""

    def __init__(self, statement: str, dialect: str) -> None:
        self._dialect = dialect
        self._rest: dict[str, list[exp.Expr]] = {}
        self.others: list[str] = []
        tree = _parsed(statement, dialect)
        options = tree.args.get("properties") if tree else None
        self.others += [option.sql(dialect) for option in options.expressions] if options else []
        parts = tree.this.expressions if isinstance(tree, exp.Create) and isinstance(tree.this, exp.Schema) else None
        self.constraints = None if parts is None else [made for part in parts for made in self._constraints(part)]

    def rest(self, column: str) -> str:
        """Return what stands behind a column's type: its collation, its default, NOT NULL."""
        return "".join(f" {kind.sql(self._dialect)}" for kind in self._rest.get(column, ()))

    def required(self, column: str) -> str:
        """Return NOT NULL where a column is it."""
        kinds = self._rest.get(column, ())
        return " NOT NULL" if any(isinstance(kind, exp.NotNullColumnConstraint) for kind in kinds) else ""

    def of_values(self, column: str) -> list[str]:
        """Return what is about a column's values: its collation and its default."""
        kinds = self._rest.get(column, ())
        return [kind.sql(self._dialect) for kind in kinds if not isinstance(kind, exp.NotNullColumnConstraint)]

    def _constraints(self, part: exp.Expr) -> Iterable[_Constraint]:
        if not isinstance(part, exp.ColumnDef):
            by_value = part.find(exp.CheckColumnConstraint, exp.ForeignKey) is not None
            yield _Constraint(part.sql(self._dialect), frozenset(_own_names(part)), by_value)
            return
        column = part.this.sql(self._dialect)
        for constraint in part.args.get("constraints", ()):
            kind = getattr(constraint, "kind", constraint)
            text = kind.sql(self._dialect)
            if isinstance(kind, _OF_COLUMNS):
                self._rest.setdefault(part.name, []).append(kind)
            elif isinstance(kind, exp.PrimaryKeyColumnConstraint | exp.UniqueColumnConstraint):
                yield _Constraint(f"{text} ({column})", frozenset({part.name}))
            elif isinstance(kind, exp.Reference):
                yield _Constraint(f"FOREIGN KEY ({column}) {text}", frozenset({part.name}), by_value=True)
            elif isinstance(kind, exp.CheckColumnConstraint):
                yield _Constraint(text, frozenset({part.name, *_own_names(kind)}), by_value=True)
            else:
                self.others.append(f"{text or kind.key} of {part.name}")


_OF_COLUMNS = (exp.CollateColumnConstraint, exp.DefaultColumnConstraint, exp.NotNullColumnConstraint)


def _own_names(constraint: exp.Expr) -> Iterable[str]:
    """Yield the columns of the table itself that a constraint names."""
    for name in constraint.find_all(exp.Identifier):
        named = isinstance(name.parent, exp.Constraint) and name.arg_key == "this"
        if not named and not name.find_ancestor(exp.Reference):
            yield name.name


def _parsed(statement: str, dialect: str) -> Any:
    try:
        tree = sqlglot.parse_one(statement, dialect=dialect)
    except sqlglot.errors.SqlglotError:
        return None
    return None if isinstance(tree, exp.Command) else tree
