"""Exact types of databases that this package knows by their SQL alone, and values for their drivers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_materialize.destinations.arrow import canonical, is_binary, is_json, is_text, is_uuid, to_json_text
from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.destinations.sqlite.values import column_values
from airflow_materialize.errors import MaterializeError

_ANSI: dict[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "SMALLINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint8(): "SMALLINT",
    pa.uint16(): "INTEGER",
    pa.uint32(): "BIGINT",
    pa.uint64(): "DECIMAL(20, 0)",
    pa.float32(): "REAL",
    pa.float64(): "DOUBLE PRECISION",
    pa.date32(): "DATE",
    pa.time64("us"): "TIME(6)",
    pa.timestamp("us"): "TIMESTAMP(6)",
    pa.timestamp("us", "UTC"): "TIMESTAMP(6) WITH TIME ZONE",
    pa.duration("us"): "BIGINT",
}


@dataclass(frozen=True)
class Style:
    """How one family of databases holds values exactly.

    Attributes:
        dialect: sqlglot's name of its SQL; empty for the standard's.
        scalars: The type of each plain Arrow type.
        text, key, binary: The types of texts, of texts in a primary key, and of bytes; empty where none is known.
        decimal: The type of decimals.
        parameters: The most parameters of a statement.
        any_float, any_text: Whether NaN and infinity, and NUL characters, are stored as they are.
        few_classes: Whether it has SQLite's few classes of values.
        updates_from: Whether a table is updated by a second one as PostgreSQL has it.
    """

    dialect: str = ""
    scalars: Mapping[pa.DataType, str] = field(default_factory=lambda: _ANSI)
    text: str = "TEXT"
    key: str = "VARCHAR(255)"
    binary: str = ""
    decimal: str = "DECIMAL({}, {})"
    parameters: int = 900
    any_float: bool = False
    any_text: bool = False
    few_classes: bool = False
    updates_from: bool = False

    def storable(self, arrow_type: pa.DataType) -> pa.DataType:
        """Return the Arrow type as which values are taken."""
        plain = canonical(arrow_type)
        if self.few_classes:
            return pa.int64() if plain == pa.uint64() else plain
        # No nanoseconds are sure to be kept; the cast says which value has some.
        return pa.timestamp("us") if plain == pa.timestamp("ns") else plain

    def column_type(self, arrow_type: pa.DataType) -> str:
        """Return the type that holds all values of an Arrow type.

        Raises:
            MaterializeError: None is known.
        """
        if arrow_type in self.scalars:
            return self.scalars[arrow_type]
        if pa.types.is_decimal(arrow_type):
            return self.decimal.format(arrow_type.precision, arrow_type.scale)
        if is_binary(arrow_type) and self.binary:
            return self.binary
        if self.few_classes and pa.types.is_timestamp(arrow_type):
            return self.text
        if is_text(arrow_type) or is_uuid(arrow_type) or is_json(arrow_type) or pa.types.is_nested(arrow_type):
            return self.text
        where = f"in the SQL of {self.dialect}" if self.dialect else "in standard SQL"
        raise MaterializeError(
            f"no exact type for {arrow_type} is known {where}",
            hint="return another type" if self.dialect else "the connection's extra may name its SQL, as `dialect`",
        )


def style_of(conn_type: str, extra: Mapping[str, Any]) -> Style:
    """Return the style of a connection: by its type, or by `dialect` in its extra.

    Raises:
        MaterializeError: There is no such dialect.
    """
    from sqlglot import Dialect

    asked = str(extra.get("dialect") or "")
    name = _DIALECTS.get(asked, asked) or _DIALECTS.get(conn_type, conn_type)
    known = Dialect.get(name) is not None
    if asked and not known:
        raise MaterializeError(
            f"The extra of the connection names the dialect {asked!r}, which is not known",
            hint="a dialect of sqlglot, as postgres, tsql or snowflake",
        )
    return _STYLES.get(name, Style(name if known else ""))


_DIALECTS = {"mssql": "tsql", "gcpbigquery": "bigquery", "databricks_sql": "databricks", "hiveserver2": "hive"}
_STYLES = {
    "mysql": Style(
        "mysql",
        {kind: name for kind, name in _ANSI.items() if kind != pa.timestamp("us", "UTC")}
        # A TIMESTAMP ends in 2038, and fills itself.
        | {pa.bool_(): "TINYINT(1)", pa.timestamp("us"): "DATETIME(6)"}
        | dict.fromkeys((pa.float32(), pa.float64()), "DOUBLE"),
        text="LONGTEXT",
        binary="LONGBLOB",
    ),
    "postgres": Style("postgres", binary="BYTEA", parameters=30_000, any_float=True, updates_from=True),
    "redshift": Style(
        "redshift",
        _ANSI | {pa.time64("us"): "TIME", pa.timestamp("us"): "TIMESTAMP", pa.timestamp("us", "UTC"): "TIMESTAMPTZ"},
        text="VARCHAR(65535)",
    ),
    "snowflake": Style(
        "snowflake",
        _ANSI
        | {kind: "DECIMAL(38, 0)" for kind in _ANSI if pa.types.is_integer(kind) or pa.types.is_duration(kind)}
        | {pa.float32(): "FLOAT", pa.float64(): "FLOAT", pa.timestamp("us"): "TIMESTAMP_NTZ(6)"}
        | {pa.timestamp("us", "UTC"): "TIMESTAMP_TZ(6)"},
        text="VARCHAR",
        binary="BINARY",
    ),
    "sqlite": Style(
        "sqlite",
        {
            **{kind: "INTEGER" for kind in _ANSI if not (pa.types.is_floating(kind) or pa.types.is_temporal(kind))},
            **dict.fromkeys((pa.float32(), pa.float64()), "REAL"),
            **{kind: "TEXT" for kind in _ANSI if pa.types.is_temporal(kind)},
            pa.duration("us"): "INTEGER",
        },
        binary="BLOB",
        decimal="TEXT",
        any_text=True,
        few_classes=True,
        updates_from=True,
    ),
    "tsql": Style(
        "tsql",
        _ANSI
        | {pa.bool_(): "BIT", pa.float64(): "FLOAT(53)", pa.timestamp("us"): "DATETIME2(6)"}
        | {pa.timestamp("us", "UTC"): "DATETIMEOFFSET(6)"},
        text="NVARCHAR(MAX)",
        key="NVARCHAR(255)",
        binary="VARBINARY(MAX)",
        parameters=2000,
    ),
}


def arrow_type(name: str, precision: int | None, scale: int | None, fraction: int | None, style: Style) -> pa.DataType:
    """Return the Arrow type of a column as `information_schema` describes it; `null` where none is known to fit.

    Args:
        name: Its `data_type`.
        precision: The digits of a number.
        scale: Those of them behind the point.
        fraction: Digits of a second.
        style: What the database is like.
    """
    word = name.upper()
    if word in _DECIMALS:
        fits = precision is not None and scale is not None and 0 <= scale <= precision <= _MOST_DIGITS
        return pa.decimal128(int(precision or 1), int(scale or 0)) if fits else pa.null()
    if word == "FLOAT":
        return pa.float64() if style.scalars[pa.float64()].startswith("FLOAT") else pa.null()
    if word in {"BIT", "TINYINT"}:
        return pa.bool_() if style.scalars[pa.bool_()].startswith(word) else pa.null()
    if word == "TIMESTAMP" and style.scalars[pa.timestamp("us")].startswith("DATETIME"):
        return pa.null()
    found = _ARROW.get(word, pa.null())
    if (pa.types.is_time(found) or pa.types.is_timestamp(found)) and fraction is not None and fraction < _MICROSECONDS:
        return pa.null()
    return found


_MOST_DIGITS, _MICROSECONDS = 38, 6
_DECIMALS = {"DECIMAL", "NUMERIC", "NUMBER"}
_ARROW: dict[str, pa.DataType] = {
    **dict.fromkeys(("BOOLEAN", "BOOL"), pa.bool_()),
    **dict.fromkeys(("SMALLINT", "INT2"), pa.int16()),
    **dict.fromkeys(("INTEGER", "INT", "INT4"), pa.int32()),
    **dict.fromkeys(("BIGINT", "INT8"), pa.int64()),
    **dict.fromkeys(("REAL", "FLOAT4"), pa.float32()),
    **dict.fromkeys(("DOUBLE PRECISION", "DOUBLE", "FLOAT8"), pa.float64()),
    **dict.fromkeys(("CHARACTER VARYING", "VARCHAR", "NVARCHAR", "TEXT", "STRING", "LONGTEXT"), pa.string()),
    **dict.fromkeys(("BYTEA", "BINARY VARYING", "VARBINARY", "BLOB", "LONGBLOB"), pa.binary()),
    "DATE": pa.date32(),
    **dict.fromkeys(("TIME", "TIME WITHOUT TIME ZONE"), pa.time64("us")),
    **dict.fromkeys(
        ("TIMESTAMP WITHOUT TIME ZONE", "TIMESTAMP", "TIMESTAMP_NTZ", "DATETIME2", "DATETIME"), pa.timestamp("us")
    ),
    **dict.fromkeys(
        ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ", "TIMESTAMP_TZ", "DATETIMEOFFSET"), pa.timestamp("us", "UTC")
    ),
}


def values_of(name: str, array: pa.Array, first_row: int, style: Style) -> list[Any]:
    """Return one column of a batch as parameters.

    Raises:
        MaterializeError: The database has no exact value for one of them, or is not known to have it.
    """
    if style.few_classes:
        return column_values(name, array, first_row)
    kind = array.type
    if pa.types.is_floating(kind) and not style.any_float:
        _refuse(name, pc.invert(pc.is_finite(array)), first_row, "NaN or infinity", "return None in place of it")
    if is_json(kind):
        array = array.storage
    if is_text(array.type) and not style.any_text:
        _refuse(name, pc.match_substring(array, "\0"), first_row, "a NUL character", "remove it")
    try:
        if pa.types.is_duration(kind):
            array = array.cast(pa.int64())
        elif is_uuid(kind):
            return [None if value is None else str(value) for value in array.to_pylist()]
        elif pa.types.is_nested(kind):
            array = to_json_text(array)
        values: list[Any] = array.to_pylist()
    except (pa.ArrowInvalid, ValueError, OverflowError) as error:
        place = f"Column {name!r}, rows from {first_row + 1}"
        raise StatementError(f"{place}: {error}", brief=f"{place}: a value does not fit") from error
    return values


def _refuse(name: str, found: pa.Array, first_row: int, what: str, hint: str) -> None:
    if pc.any(found).as_py():
        row = first_row + pc.index(found, True).as_py() + 1
        raise MaterializeError(
            f"Column {name!r}, row {row}: {what}, which the database is not known to store exactly", hint=hint
        )
