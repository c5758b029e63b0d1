"""Columns that the result lacks: what a declared default puts there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import pyarrow as pa

from airflow_materialize.definition.model.default import Default, read_default
from airflow_materialize.destinations.arrow import is_text
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.casts import checked_cast, declared_type

if TYPE_CHECKING:
    from airflow_materialize.definition.model.column import Column
    from airflow_materialize.destinations.base import Session


class Place(NamedTuple):
    """A column's name, and its type as Arrow and as the database call it."""

    name: str
    arrow: pa.DataType
    sql: str


@dataclass(frozen=True)
class FilledColumn:
    """A column of the table that the result lacks, and the expression of its default."""

    place: Place
    value: str

    @property
    def name(self) -> str:
        """Its name in the table."""
        return self.place.name


def fill(
    session: Session, lacking: Iterable[Column], table: Mapping[str, Place], *, creates: bool
) -> tuple[FilledColumn, ...]:
    """Return the columns that take their default.

    Args:
        session: An open session.
        lacking: The declared columns that the result lacks.
        table: The table's columns by their folded names.
        creates: Whether a column that the table lacks is created, where its type is declared.
    """
    filled = []
    for column in lacking:
        place = table.get(session.fold(column.name))
        own = _declared(session, column)
        if place is None and creates:
            place = own
        if place and default_of(column):
            # A database with few types keeps other texts of a date than of a text.
            arrow = own.arrow if own and own.sql == place.sql else place.arrow
            filled.append(FilledColumn(place, default_sql(session, column, arrow)))
    return tuple(filled)


def default_of(column: Column) -> Default | None:
    """Return a column's default; None where it has none, or NULL."""
    default = read_default(column.default)
    return default if default and default.kind != "null" else None


def default_sql(session: Session, column: Column, arrow: pa.DataType) -> str:
    """Return a column's default as an expression that gives a value of its type; empty where it has none.

    Raises:
        MaterializeError: It is no value of the column's type.
    """
    default = default_of(column)
    if default is None:
        return ""
    unfit = MaterializeError(f"Column {column.name!r}: its default {column.default} is not exactly {arrow}")
    if default.kind in {"today", "now"}:
        if not (pa.types.is_date(arrow) or pa.types.is_timestamp(arrow) or is_text(arrow)):
            raise unfit
        return session.moment(arrow, whole_day=default.kind == "today")
    try:
        value = default.value
        array = pa.array([_number(value) if isinstance(value, Decimal) else value])
        scalar = array[0] if pa.types.is_null(arrow) else checked_cast(array, arrow, column.name)[0]
        return _literal(session, scalar)
    except (MaterializeError, pa.ArrowException, ValueError, TypeError):
        raise unfit from None


def _declared(session: Session, column: Column) -> Place | None:
    kind = declared_type(column)
    if kind is None:
        return None
    arrow = session.storable(kind)
    return Place(column.name, arrow, session.column_type(arrow))


def _number(value: Decimal) -> Decimal | int | float:
    _, digits, exponent = value.as_tuple()
    if isinstance(exponent, int) and exponent == 0:
        return int(value)
    return value if len(digits) < _MOST_DIGITS and -_MOST_DIGITS < int(exponent) < 0 else float(value)


def _literal(session: Session, scalar: pa.Scalar) -> str:
    value = session.bind(scalar)
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | Decimal) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    if isinstance(value, str):
        return session.text(value)
    if isinstance(value, date | datetime | time | UUID):
        return f"CAST({session.text(str(value))} AS {session.column_type(scalar.type)})"
    raise ValueError(f"{scalar.type} has no literal")


_MOST_DIGITS = 38
