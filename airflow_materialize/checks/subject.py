"""The column that a check looks at, and how its values compare: numbers with numbers, days with days."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import types

from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session, Table

_DECIMALS = pa.decimal128(38, 9)
_NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*$"
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}.*)?")
_TIME_OF_DAY = re.compile(r"\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?")
_LARGEST = 2**63


@dataclass(frozen=True)
class Condition:
    """A condition on one row, with the values of its placeholders."""

    sql: str
    parameters: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Subject:
    """What one check looks at.

    Attributes:
        session: The open connection.
        column: The column's quoted name.
        sql_type: Its type, as the database calls it.
        arrow_type: The Arrow type that holds what it holds; `null` where the database cannot tell.
        value: The check's value.
        parent: For `relationships`: the table and the column that the values come from, as they are called there.
    """

    session: Session
    column: str
    sql_type: str
    arrow_type: pa.DataType
    value: Any = None
    parent: tuple[Table, str] | None = None

    @property
    def text(self) -> str:
        """The column as text."""
        return self.session.as_text(self.column)

    @property
    def truth(self) -> str:
        """The column as `true` or `false`, however the database stores booleans."""
        return f"CASE WHEN {self.column} THEN 'true' WHEN NOT {self.column} THEN 'false' END"

    def stores(self, arrow_type: pa.DataType) -> bool:
        """Whether this is a column in which the database keeps values of `arrow_type`."""
        return self.sql_type == self.session.column_type(arrow_type)

    def compared(self, operator: str, value: float | str) -> Condition:
        """Return the condition that a row's value is below (`<`), above (`>`) or equal to (`=`) a value, or both.

        Text is read as the column's type: as a number, or in ISO 8601 as a day, a time of day or a moment, which is in
        UTC unless it names a zone.

        Raises:
            MaterializeError: The column cannot be compared with such a value.
        """
        holds_numbers = _is_number(self.arrow_type)
        if isinstance(value, str) and not holds_numbers:
            return self._with_text(operator, value)
        number = _read(value)
        if holds_numbers:
            # 0.1 in four bytes is a little above 0.1 in eight: the value takes the column's width.
            fits = types.is_float32(self.arrow_type)
            return Condition(f"{self.column} {operator} ?", (_narrowed(number) if fits else number,))
        if types.is_null(self.arrow_type) or self.stores(_DECIMALS):
            from sqlglot import exp

            # Decimals as text: what is no number breaks the rule.
            wide = f"CAST({self.column} AS {exp.DataType.build('double').sql(self.session.dialect)})"
            strange = self.session.unmatched_pattern(self.column)
            return Condition(f"({strange} OR {wide} {operator} ?)", (_NUMBER, number))
        raise MaterializeError(f"the column's type is {self.sql_type}, which holds no numbers")

    def _with_text(self, operator: str, value: str) -> Condition:
        kind = self.arrow_type
        try:
            if types.is_time(kind):
                return self._bound(operator, pa.scalar(time.fromisoformat(value), pa.time64("us")))
            if types.is_date(kind) or types.is_timestamp(kind):
                return self._bound(operator, _moment(value, kind))
        except ValueError:
            message = f"{value!r} is no date or time in ISO 8601, and the column's type is {self.sql_type}"
            raise MaterializeError(message) from None
        if types.is_null(kind) or self.stores(pa.timestamp("us")):
            least, most = _spellings(value)
            return Condition(f"{self.column} {operator} ?", (least if operator.startswith("<") else most,))
        return self._bound(operator, pa.scalar(value))

    def _bound(self, operator: str, scalar: pa.Scalar[Any]) -> Condition:
        return Condition(f"{self.column} {operator} ?", (self.session.bind(scalar),))


def _is_number(kind: pa.DataType) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _read(value: float | str) -> float:
    try:
        number = int(value) if isinstance(value, str) and value.strip("+-").isdigit() else value
        number = float(number) if isinstance(number, str) else number
    except ValueError:
        raise MaterializeError(f"{value!r} is no number, and the column holds numbers") from None
    return number if abs(number) < _LARGEST else float(number)


def _narrowed(number: float) -> float:
    return pa.scalar(float(number), pa.float32()).as_py()  # type: ignore[no-any-return]


def _moment(text: str, kind: pa.DataType) -> pa.Scalar[Any]:
    moment = datetime.fromisoformat(text)
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    if types.is_date(kind) and moment.timetz() == time(tzinfo=UTC):
        return pa.scalar(moment.date())
    zone = "UTC" if types.is_timestamp(kind) and kind.tz else None
    return pa.scalar(moment if zone else moment.replace(tzinfo=None), pa.timestamp("us", zone))


def _spellings(value: str) -> tuple[str, str]:
    """Return the first and the last text, in order, of all that stand for the same day, time or moment.

    A day is stored as `2026-04-01`, a moment as `2026-04-01 10:00:00.000000`, with a `Z` where it has a zone. Each is
    above the first and not above the last.
    """
    try:
        if _MOMENT.fullmatch(value):
            moment = datetime.fromisoformat(value)
            moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
            first = moment.date().isoformat() if moment.time() == time() else moment.isoformat(" ")
            return first, moment.isoformat(" ", "microseconds") + "Z"
        if _TIME_OF_DAY.fullmatch(value):
            clock = time.fromisoformat(value)
            return clock.isoformat(), clock.isoformat("microseconds")
    except ValueError:
        pass
    return value, value
