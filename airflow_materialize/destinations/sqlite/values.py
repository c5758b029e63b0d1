"""Arrow values as SQLite's five storage classes hold them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_materialize.destinations.arrow import is_binary, is_json, is_text, is_uuid, to_json_text, to_text
from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.errors import MaterializeError

_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \t\n\v\f\r]*")
_LARGEST = 2**63


def column_values(name: str, array: pa.Array, first_row: int) -> list[Any]:
    """Return the values of one column of a batch as parameters.

    Raises:
        MaterializeError: SQLite has no exact value for one of them.
    """
    if pa.types.is_floating(array.type) and pc.any(pc.is_nan(array)).as_py():
        row = first_row + pc.index(pc.is_nan(array), True).as_py() + 1
        raise MaterializeError(
            f"Column {name!r}, row {row}: SQLite has no NaN and would store NULL", hint="return None in place of NaN"
        )
    try:
        return stored(array)
    except (pa.ArrowInvalid, ValueError) as error:
        place = f"Column {name!r}, rows from {first_row + 1}"
        raise StatementError(f"{place}: {error}", brief=f"{place}: a value does not fit") from error


def stored(array: pa.Array) -> list[Any]:
    """Return an array as what SQLite stores.

    Raises:
        ValueError: There is nothing that stands for its values exactly.
    """
    kind = array.type
    if pa.types.is_boolean(kind) or pa.types.is_duration(kind):
        array = array.cast(pa.int8() if pa.types.is_boolean(kind) else pa.int64())
    elif pa.types.is_decimal(kind) or pa.types.is_temporal(kind):
        array = to_text(array)
    elif is_uuid(kind):
        return [None if value is None else str(value) for value in array.to_pylist()]
    elif is_json(kind):
        array = array.storage
    elif pa.types.is_nested(kind):
        array = to_json_text(array)
    elif not (is_text(kind) or is_binary(kind) or pa.types.is_primitive(kind)):
        raise ValueError(f"{kind} has no exact type in SQLite")
    values: list[Any] = array.to_pylist()
    return values


def check_numbers(name: str, declared: str, array: pa.Array, values: list[Any], first_row: int) -> None:
    """See that a column takes its texts as they are: where its type names no class, SQLite makes numbers of them.

    Raises:
        MaterializeError: One would lose digits, or become another text.
    """
    same = _same_number if pa.types.is_decimal(array.type) else _same_text
    for row, value in enumerate(values, first_row + 1):
        if isinstance(value, str) and _NUMBER.fullmatch(value) and not same(value):
            raise MaterializeError(
                f"Column {name!r}, row {row}: SQLite would make another number of the value, as the column's type,"
                f" {declared}, stands for integers and doubles",
                hint="give the column the type TEXT",
            )


def _same_number(text: str) -> bool:
    number = Decimal(text)
    return number == Decimal(repr(float(text))) or (number % 1 == 0 and abs(number) < _LARGEST)


def _same_text(text: str) -> bool:
    return text == repr(float(text)) or (text.removeprefix("-").isdecimal() and text == str(int(text)) and _fits(text))


def _fits(text: str) -> bool:
    return abs(int(text)) < _LARGEST


def affinity(declared: str) -> pa.DataType:
    """Return the Arrow type of a column by its declared type.

    These are the rules of https://sqlite.org/datatype3.html#determination_of_column_affinity, in their order.
    """
    if "INT" in declared:
        return pa.int64()
    if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
        return pa.string()
    if "BLOB" in declared:
        return pa.binary()
    if any(word in declared for word in ("REAL", "FLOA", "DOUB")):
        return pa.float64()
    return pa.null()
