"""Arrow values as SQLite's five storage classes hold them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_materialize.destinations.arrow import is_binary, is_json, is_text, is_uuid, to_json_text, to_text
from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.errors import MaterializeError


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
