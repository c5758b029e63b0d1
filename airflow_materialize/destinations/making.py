"""What the statements say by which a table and what hangs on it were made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp


@dataclass(frozen=True)
class Constraint:
    """A constraint as CREATE TABLE has it behind the columns, and the columns that it is about."""

    text: str
    columns: frozenset[str]
    by_value: bool = False


def named(statement: str, dialect: str) -> tuple[set[str], set[str]] | None:
    """Return the columns and the tables that a statement names; None where it cannot be read."""
    tree = _parsed(statement, dialect)
    if tree is None:
        return None
    return {column.name for column in tree.find_all(exp.Column)}, {table.name for table in tree.find_all(exp.Table)}


class Made:
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

    def _constraints(self, part: exp.Expr) -> Iterable[Constraint]:
        if not isinstance(part, exp.ColumnDef):
            by_value = part.find(exp.CheckColumnConstraint, exp.ForeignKey) is not None
            yield Constraint(part.sql(self._dialect), frozenset(_own_names(part)), by_value)
            return
        column = part.this.sql(self._dialect)
        for constraint in part.args.get("constraints", ()):
            kind = getattr(constraint, "kind", constraint)
            text = kind.sql(self._dialect)
            if isinstance(kind, _OF_COLUMNS):
                self._rest.setdefault(part.name, []).append(kind)
            elif isinstance(kind, exp.PrimaryKeyColumnConstraint | exp.UniqueColumnConstraint):
                yield Constraint(f"{text} ({column})", frozenset({part.name}))
            elif isinstance(kind, exp.Reference):
                yield Constraint(f"FOREIGN KEY ({column}) {text}", frozenset({part.name}), by_value=True)
            elif isinstance(kind, exp.CheckColumnConstraint):
                yield Constraint(text, frozenset({part.name, *_own_names(kind)}), by_value=True)
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
