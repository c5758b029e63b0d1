"""Checks by a query of the author's own: one SELECT that gives one number, or rows to count."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from airflow_materialize.destinations.statement import one_statement
from airflow_materialize.errors import MaterializeError
from airflow_materialize.report import Verdict

if TYPE_CHECKING:
    from airflow_materialize.definition.model.asset import CustomCheck
    from airflow_materialize.destinations.base import Session

Render = Callable[[str], str]
"""Fills in the names of Bruin's templates."""

_WRITES = (exp.DML, exp.DDL, exp.Command, exp.Into)


def run_custom_check(session: Session, check: CustomCheck, render: Render | None = None) -> Verdict:
    """Run the query, and compare what it gives.

    Without `count`, the query's only value is compared with `value`, exactly: 0.4 is not 0. With it, the number of the
    query's rows is compared with `count`.

    Raises:
        MaterializeError: The query is not one SELECT, or does not give one number.
    """
    query = one_select(render(check.query) if render else check.query, session.dialect)
    wanted = check.value
    unit = ""
    if check.count is not None:
        wanted = check.count
        unit = " row" if wanted == 1 else " rows"
        # The line break ends a comment on the query's last line.
        query = f"SELECT count(*) FROM ({query}\n) AS t"  # noqa: S608  # the author's own query, read as one SELECT
    number = one_number(session.rows(query))
    return Verdict(
        check=check.name,
        column="",
        blocking=check.blocking,
        passed=number == wanted,
        expected=f"{wanted:,}{unit}",
        found=f"{number:,}{unit and (' row' if number == 1 else ' rows')}",
        count=int(number),
    )


def one_select(text: str, dialect: str) -> str:
    """Return the only statement of `text`, without what follows it.

    Raises:
        MaterializeError: There is no statement, more than one, or one that does more than read.
    """
    statement = one_statement(text, dialect, "the query", hint="one SELECT").text
    try:
        tree = sqlglot.parse_one(statement, dialect=dialect)
    except sqlglot.ParseError as error:
        detail = error.errors[0] if error.errors else {}
        what = detail.get("description") or str(error)
        where = f", line {detail['line']}, column {detail['col']}" if detail.get("line") else ""
        raise MaterializeError(f"the query is no SQL of {dialect}: {what}{where}") from None
    if not isinstance(tree, exp.Query) or tree.find(*_WRITES):
        raise MaterializeError("the query is no SELECT", hint="one SELECT that only reads")
    return statement


def one_number(rows: list[tuple[Any, ...]]) -> int | float | Decimal:
    """Return the number in the only column of the only row.

    Raises:
        MaterializeError: There are more or fewer of them, or there is no number.
    """
    if len(rows) != 1:
        hint = "aggregate, as `SELECT count(*) …`, or declare `count` to have the rows counted"
        raise MaterializeError(f"the query gave {len(rows):,} rows, not one", hint=hint)
    (row,) = rows
    if len(row) != 1:
        raise MaterializeError(f"the query gave {len(row)} columns, not one")
    (value,) = row
    if value is None:
        raise MaterializeError("the query gave NULL, not a number", hint="coalesce(…, 0) where NULL stands for none")
    number = _as_number(value)
    if number is None:
        raise MaterializeError(f"the query gave a value of type {type(value).__name__}, not a number")
    return number


def _as_number(value: Any) -> int | float | Decimal | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        try:
            value = Decimal(value.strip())
        except InvalidOperation:
            return None
    if not isinstance(value, int | float | Decimal) or not math.isfinite(value):
        return None
    if isinstance(value, Decimal) and value == value.to_integral_value():
        # An average of 2.0000000000000000 is 2.
        return int(value)
    return value
