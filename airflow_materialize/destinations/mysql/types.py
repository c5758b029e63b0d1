"""Arrow's types as MySQL and MariaDB have them, and back."""

from __future__ import annotations

import re

import pyarrow as pa

from airflow_materialize.destinations.arrow import canonical, is_binary, is_json, is_text, is_uuid
from airflow_materialize.errors import MaterializeError

KEY_LENGTH = 255
"""The most characters of a text in a key: three such columns fill an index of InnoDB."""

_MOST_DIGITS, _MOST_DECIMALS, _WIDE = 65, 30, 38
_MILLISECONDS, _MICROSECONDS = 3, 6

_TYPES: dict[pa.DataType, str] = {
    pa.bool_(): "TINYINT(1)",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.uint8(): "TINYINT UNSIGNED",
    pa.uint16(): "SMALLINT UNSIGNED",
    pa.uint32(): "INT UNSIGNED",
    pa.uint64(): "BIGINT UNSIGNED",
    # A FLOAT is shown with six digits to whoever reads it; all values of four bytes are values of eight.
    pa.float32(): "DOUBLE",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.time64("us"): "TIME(6)",
    pa.timestamp("us"): "DATETIME(6)",
    pa.timestamp("us", "UTC"): "DATETIME(6)",
    pa.duration("us"): "BIGINT",
}
_ARROW = {
    **{sql: arrow for arrow, sql in _TYPES.items() if sql.endswith(("INT", "UNSIGNED", "(1)", "DATE"))},
    "MEDIUMINT": pa.int32(),
    "MEDIUMINT UNSIGNED": pa.uint32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "YEAR": pa.uint16(),
    "JSON": pa.json_(),
    "UUID": pa.uuid(),
}
_INTEGER = re.compile(r"(?P<kind>(?:tiny|small|medium|big)?int)(?:\(\d+\))?(?P<unsigned> unsigned)?(?: zerofill)?")
_SIZED = re.compile(r"(?P<kind>[A-Z]+)(?:\((?P<size>[\d,]+)\))?(?: UNSIGNED)?")
_ROOMS = (16, 64, 255, 1024)
_TEXT = re.compile(r"(?:CHAR|VARCHAR)(?:\(\d+\))?|(?:TINY|MEDIUM|LONG)?TEXT")


def storable(arrow_type: pa.DataType) -> pa.DataType:
    """Return the Arrow type as which values go into the database.

    A DATETIME has microseconds, and a decimal may have 65 digits.
    """
    if pa.types.is_decimal(arrow_type) and arrow_type.scale >= 0:
        scale = min(arrow_type.scale, _MOST_DECIMALS)
        return _decimal(min(arrow_type.precision, _MOST_DIGITS), scale)
    plain = canonical(arrow_type)
    if pa.types.is_decimal(plain):
        return _decimal(plain.precision, min(plain.scale, _MOST_DECIMALS))
    return pa.timestamp("us", plain.tz) if pa.types.is_timestamp(plain) else plain


def column_type(arrow_type: pa.DataType) -> str:
    """Return the SQL type that holds every value of a storable type.

    Raises:
        MaterializeError: There is none.
    """
    if arrow_type in _TYPES:
        return _TYPES[arrow_type]
    if pa.types.is_decimal(arrow_type):
        return f"DECIMAL({arrow_type.precision},{arrow_type.scale})"
    if is_uuid(arrow_type):
        return "CHAR(36)"
    if is_json(arrow_type) or pa.types.is_nested(arrow_type):
        return "JSON"
    if is_text(arrow_type):
        return "LONGTEXT"
    if is_binary(arrow_type):
        return "LONGBLOB"
    raise MaterializeError(
        f"{arrow_type} has no exact type in MySQL",
        hint="a duration" if pa.types.is_interval(arrow_type) else "",
    )


def key_type(arrow_type: pa.DataType) -> str:
    """Return the SQL type for a column of a key: texts and bytes have a length there."""
    if is_text(arrow_type):
        return f"VARCHAR({KEY_LENGTH})"
    return f"VARBINARY({KEY_LENGTH})" if is_binary(arrow_type) else column_type(arrow_type)


def spelled(kind: str) -> str:
    """Return a column's type as `column_type` spells it, whatever the server adds for display.

    Args:
        kind: As the catalog has it, as `bigint(20) unsigned`.
    """
    if kind.startswith("tinyint(1)") and "unsigned" not in kind:
        return "TINYINT(1)"
    if found := _INTEGER.fullmatch(kind):
        return (found["kind"] + (found["unsigned"] or "")).upper()
    name, bracket, rest = kind.partition("(")
    # The words of an ENUM keep their case.
    return name.upper() + bracket + (rest if name in {"enum", "set"} else rest.upper())


def arrow_type(sql_type: str) -> pa.DataType:  # noqa: PLR0911  # one for each kind
    """Return the Arrow type that holds what a column holds; `null` where nothing here knows.

    A column that keeps fewer digits of seconds than Arrow's microseconds gets a coarser type, so that what would be
    rounded is found.
    """
    if sql_type in _ARROW:
        return _ARROW[sql_type]
    if is_text_type(sql_type) or sql_type.startswith(("ENUM(", "SET(")):
        return pa.string()
    found = _SIZED.fullmatch(sql_type)
    if found is None:
        return pa.null()
    kind, sizes = found["kind"], [int(size) for size in (found["size"] or "").split(",") if size]
    if kind == "DECIMAL":
        precision, scale = [*sizes, 0][:2] if sizes else (10, 0)
        return _decimal(precision, scale)
    if kind in {"DATETIME", "TIMESTAMP", "TIME"}:
        return _temporal(kind, sizes[0] if sizes else 0)
    if kind == "BINARY":
        return pa.binary(sizes[0] if sizes else 1)
    if kind == "VARBINARY" or kind.endswith("BLOB"):
        return pa.binary()
    return {"FLOAT": pa.float32(), "DOUBLE": pa.float64(), "YEAR": pa.uint16()}.get(kind, pa.null())


def is_text_type(sql_type: str) -> bool:
    """Whether a column has a character set."""
    return _TEXT.fullmatch(sql_type) is not None


def length_of(sql_type: str) -> int | None:
    """Return the most characters, or bytes, of a text of limited length; None for any other type."""
    found = re.fullmatch(r"(?:VARCHAR|CHAR|VARBINARY)\((\d+)\)", sql_type)
    return int(found[1]) if found else None


def room_for(sql_type: str, length: int) -> str:
    """Return the type that a column of texts needs for one of so many characters: its own where it fits.

    A text of limited length stays one where it can, as an index may be over it.
    """
    limit = length_of(sql_type) if is_text_type(sql_type) else None
    if limit is None or length <= limit:
        return sql_type
    return next((f"VARCHAR({room})" for room in _ROOMS if room >= length), "LONGTEXT")


def _decimal(precision: int, scale: int) -> pa.DataType:
    precision = max(precision, scale)
    return pa.decimal128(precision, scale) if precision <= _WIDE else pa.decimal256(precision, scale)


def _temporal(kind: str, digits: int) -> pa.DataType:
    unit = "s" if digits < _MILLISECONDS else "ms" if digits < _MICROSECONDS else "us"
    if kind == "TIME":
        return pa.time64("us") if unit == "us" else pa.time32(unit)
    return pa.timestamp(unit, "UTC" if kind == "TIMESTAMP" else None)
