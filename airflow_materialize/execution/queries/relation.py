"""A relation that user code describes → one statement of the database's dialect, quoted and with bound values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.queries.conditions import comparison, read_condition
from airflow_materialize.sdk.values import decode

if TYPE_CHECKING:
    from sqlglot import exp

    from airflow_materialize.destinations.base import Destination, Session

_JOINS = ("inner", "left", "right", "full")
_STEPS = ("select", "where", "condition", "order_by", "limit", "join")
_DESCENDING, _ASCENDING = " desc", " asc"


@dataclass(frozen=True)
class Composed:
    """A statement.

    Attributes:
        sql: Its text, with a name for each bound value.
        parameters: The values.
        tables: The tables that it reads: each with `ref` or `source`.
    """

    sql: str
    parameters: dict[str, Any]
    tables: list[tuple[str, str]]


def compose(
    description: Any, destination: Destination, session: Session, *, summary: Any = None, known: Iterable[str] = ()
) -> Composed:
    """Write the statement of a relation.

    Args:
        description: What `sdk.relation` sent. Nothing in it is believed to be well formed.
        destination: Knows what a table's name means.
        session: Knows the tables' columns, and how names are written.
        summary: What is asked for instead of the rows: their `count`, or the `min` or `max` of their only column.
        known: Names of tables that a misspelled one may mean.

    Raises:
        MaterializeError: There is no such table or column, or the description is none.
    """
    from sqlglot import exp

    composer = _Composer(destination, session, known)
    try:
        select = composer.relation(description).select()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise MaterializeError(f"this is no relation: {error}") from error
    if summary is not None:
        rows = exp.Subquery(this=select, alias=exp.TableAlias(this=_name("summed")))
        column = exp.column(select.named_selects[0], quoted=True)
        found = {"count": exp.Count(this=exp.Star()), "min": exp.Min(this=column), "max": exp.Max(this=column)}
        if summary not in found:
            raise MaterializeError(f"{summary!r:.40} is no summary of a relation", hint=", ".join(found))
        select = exp.Select(expressions=[exp.alias_(found[summary], summary, quoted=True)]).from_(rows)
    return Composed(_text(select, session.dialect), composer.parameters, composer.tables)


def _text(select: exp.Select, dialect: str) -> str:
    """Return a statement with its placeholders as readers take them from user code, too: `$name` or `:name`."""
    from sqlglot import exp

    if not exp.Placeholder(this="p").sql(dialect=dialect).startswith(("$", ":")):
        for placeholder in list(select.find_all(exp.Placeholder)):
            placeholder.replace(exp.var(f":{placeholder.name}"))
    return select.sql(dialect=dialect)


@dataclass(frozen=True)
class _Shape:
    """A SELECT in its parts.

    Attributes:
        title: What errors call it.
        source: What stands behind FROM.
        columns: The columns that it gives, and what each is made of.
    """

    title: str
    source: exp.Expr
    columns: dict[str, exp.Expr]
    joins: tuple[exp.Join, ...] = ()
    conditions: tuple[exp.Expr, ...] = ()
    order: tuple[exp.Expr, ...] = ()
    limit: int | None = None
    plain: bool = field(default=False)

    def select(self) -> exp.Select:
        from sqlglot import exp

        columns = [exp.alias_(made.copy(), name, quoted=True) for name, made in self.columns.items()]
        select = exp.Select(expressions=columns).from_(self.source.copy())
        for join in self.joins:
            select.append("joins", join.copy())
        if self.conditions:
            select = select.where(*(condition.copy() for condition in self.conditions))
        if self.order:
            select = select.order_by(*(part.copy() for part in self.order))
        return select if self.limit is None else select.limit(self.limit)


class _Composer:
    """Takes the steps of relations one after another.

    Attributes:
        parameters: The bound values so far.
        tables: The tables so far.
    """

    def __init__(self, destination: Destination, session: Session, known: Iterable[str]) -> None:
        self._known = tuple(known)
        self.parameters: dict[str, Any] = {}
        self.tables: list[tuple[str, str]] = []
        self._destination = destination
        self._session = session
        self._aliases = 0

    def relation(self, description: Mapping[str, Any]) -> _Shape:
        shape = self._table(description["how"], description["table"])
        for name, *arguments in description["steps"]:
            if name not in _STEPS:
                raise ValueError(f"{name!r} is no step")
            shape = getattr(self, name)(shape, *arguments)
        return shape

    def _table(self, how: str, name: str) -> _Shape:
        import sqlglot
        from sqlglot import exp

        table = self._destination.table(name)
        columns = self._session.columns(table)
        if columns is None:
            hint = "materialize the asset first" if how == "ref" else "[catalog.][schema.]table, as the database has it"
            if meant := suggest(name, self._known):
                hint = f"{meant}; {hint}"
            raise MaterializeError(f"there is no table {name} on {self._destination.connection.conn_id!r}", hint=hint)
        self.tables.append((str(how), name))
        source = sqlglot.parse_one(self._session.name_of(table), into=exp.Table, dialect=self._session.dialect)
        alias = self._alias()
        source.set("alias", exp.TableAlias(this=_name(alias)))
        return _Shape(name, source, {column: _column(alias, column) for column in columns}, plain=True)

    def select(self, shape: _Shape, chosen: list[list[str]]) -> _Shape:
        columns: dict[str, exp.Expr] = {}
        for new, old in chosen:
            if new in columns:
                raise MaterializeError(f"{shape.title}: select() gives two columns the name {new!r}")
            columns[str(new)] = self._resolve(shape, old)
        if not columns:
            raise MaterializeError(f"{shape.title}: select() names no column")
        return replace(shape, columns=columns, plain=False)

    def where(self, shape: _Shape, column: str, operator: str, value: Any) -> _Shape:
        shape = self._unlimited(shape)
        condition = comparison(self._resolve(shape, column).copy(), operator, decode(value), self._bound)
        return replace(shape, conditions=(*shape.conditions, condition), plain=False)

    def condition(self, shape: _Shape, text: str, values: list[Any]) -> _Shape:
        shape = self._unlimited(shape)
        condition = read_condition(
            text,
            [decode(value) for value in values],
            self._session.dialect,
            lambda name: self._resolve(shape, name).copy(),
            self._bound,
        )
        return replace(shape, conditions=(*shape.conditions, condition), plain=False)

    def order_by(self, shape: _Shape, columns: list[str]) -> _Shape:
        from sqlglot import exp

        shape = self._unlimited(shape)
        order = []
        for text in columns:
            name, descending = _direction(text, shape)
            order.append(exp.Ordered(this=self._resolve(shape, name).copy(), desc=descending, nulls_first=False))
        return replace(shape, order=tuple(order), plain=False)

    def limit(self, shape: _Shape, count: int) -> _Shape:
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise MaterializeError(f"{shape.title}: limit() takes a number of rows, not {count!r}")
        return replace(shape, limit=count if shape.limit is None else min(count, shape.limit), plain=False)

    def join(self, left: _Shape, other: Mapping[str, Any], pairs: list[list[str]], how: str) -> _Shape:
        from sqlglot import exp

        if how not in _JOINS:
            raise MaterializeError(f"join() has no way {how!r}", hint=suggest(str(how), _JOINS))
        if not pairs:
            raise MaterializeError(f"{left.title}: join() names no column to match by")
        left, right = self._whole(left), self._whole(self.relation(other))
        matched = [(self._name(left, one), self._name(right, two)) for one, two in pairs]
        on = exp.and_(*(left.columns[one].eq(right.columns[two]) for one, two in matched))
        columns = dict(left.columns)
        for one, two in matched:
            if one == two and how in ("right", "full"):
                columns[one] = exp.func("COALESCE", left.columns[one].copy(), right.columns[two].copy())
        columns |= self._added(left, right, {two for one, two in matched if one == two})
        join = exp.Join(this=right.source.copy(), on=on, **({} if how == "inner" else {"side": how.upper()}))
        shape = _Shape(f"{left.title} with {right.title}", left.source, columns, joins=(join,))
        # Where a database has none it becomes a UNION, which is not to be sorted or filtered in its parts.
        return self._nested(shape) if how == "full" else shape

    def _added(self, left: _Shape, right: _Shape, same: set[str]) -> dict[str, exp.Expr]:
        """Return the columns that a join adds to those of the left side."""
        added = {name: made for name, made in right.columns.items() if name not in same}
        taken = {self._session.fold(name) for name in left.columns}
        if twice := [name for name in added if self._session.fold(name) in taken]:
            raise MaterializeError(
                f"{left.title} and {right.title} both have {', '.join(twice)}",
                hint=f"choose and rename before the join, as .select(..., other_{twice[0]}={twice[0]!r})",
            )
        return added

    def _unlimited(self, shape: _Shape) -> _Shape:
        return shape if shape.limit is None else self._nested(shape)

    def _whole(self, shape: _Shape) -> _Shape:
        return shape if shape.plain else self._nested(shape)

    def _nested(self, shape: _Shape) -> _Shape:
        from sqlglot import exp

        alias = self._alias()
        source = exp.Subquery(this=shape.select(), alias=exp.TableAlias(this=_name(alias)))
        return _Shape(shape.title, source, {name: _column(alias, name) for name in shape.columns})

    def _resolve(self, shape: _Shape, name: str) -> exp.Expr:
        return shape.columns[self._name(shape, name)]

    def _name(self, shape: _Shape, name: str) -> str:
        """Return a column's name as the table spells it."""
        if name in shape.columns:
            return name
        folded = {self._session.fold(each): each for each in shape.columns}
        found = folded.get(self._session.fold(str(name)))
        if found is None:
            raise MaterializeError(f"{shape.title} has no column {name!r}", hint=suggest(str(name), shape.columns))
        return found

    def _bound(self, value: Any) -> exp.Expr:
        from sqlglot import exp

        name = f"p{len(self.parameters) + 1}"
        self.parameters[name] = value
        return exp.Placeholder(this=name)

    def _alias(self) -> str:
        self._aliases += 1
        return f"t{self._aliases}"


def _direction(text: str, shape: _Shape) -> tuple[str, bool]:
    """Return a column's name, and whether it is sorted downwards: `-day` or `day desc`."""
    text = str(text)
    if text not in shape.columns:
        if text.startswith("-"):
            return text[1:], True
        for ending in (_DESCENDING, _ASCENDING):
            if text.lower().endswith(ending):
                return text[: -len(ending)].strip(), ending == _DESCENDING
    return text, False


def _column(table: str, name: str) -> exp.Expr:
    from sqlglot import exp

    return exp.Column(this=_name(name), table=_name(table))


def _name(text: str) -> exp.Identifier:
    from sqlglot import exp

    return exp.to_identifier(text, quoted=True)
