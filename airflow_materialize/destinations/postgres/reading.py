"""Statements of user code on PostgreSQL: in a transaction that only reads, by a cursor on the server."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.destinations.placeholders import formatted
from airflow_materialize.destinations.reading import Parameters, Reader, ReadOnlyError, next_rows

if TYPE_CHECKING:
    from airflow_materialize.destinations.postgres.errors import Translator

_CURSOR = "_materialize_rows"
_READS = {"select", "with", "values", "table"}
_SHOWS = {"show", "explain"}

# By the numbers of their types in the catalog, which never change.
_ARROW: dict[int, pa.DataType] = {
    16: pa.bool_(),
    17: pa.binary(),
    20: pa.int64(),
    21: pa.int16(),
    23: pa.int32(),
    25: pa.string(),
    700: pa.float32(),
    701: pa.float64(),
    1042: pa.string(),
    1043: pa.string(),
    1082: pa.date32(),
    1083: pa.time64("us"),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", "UTC"),
    1186: pa.duration("us"),
}
_RANGES = tuple(
    f"{of}{kind}" for of in ("int4", "int8", "num", "date", "ts", "tstz") for kind in ("range", "multirange")
)
_JSON, _NUMERIC, _UUID = {114, 3802}, 1700, 2950
_ARRAYS = {1000: 16, 1001: 17, 1005: 21, 1007: 23, 1009: 25, 1015: 25, 1016: 20, 1021: 700, 1022: 701, 1115: 1114}
_ARRAYS |= {1182: 1082, 1183: 1083, 1185: 1184}


class PostgresReader(Reader):
    """One PostgreSQL connection for user code.

    Args:
        connection: Of psycopg or psycopg2.
        beginning: What begins a transaction that only reads.
        translated: Turns the driver's errors into this package's.
    """

    def __init__(self, connection: Any, beginning: str, translated: Translator) -> None:
        self._connection = connection
        self._beginning = beginning
        self._translated = translated
        self._is_psycopg = hasattr(connection, "adapters")
        if self._is_psycopg:
            from psycopg.types.string import TextBinaryLoader, TextLoader

            # As texts: numbers of any size stay what they are, and what Arrow has no type for is as the server has it.
            for name in ("json", "jsonb", "record", *_RANGES):
                connection.adapters.register_loader(name, TextLoader)
            # What EXPLAIN gives.
            connection.adapters.register_loader("json", TextBinaryLoader)

    def batches(self, sql: str, parameters: Parameters = ()) -> Generator[pa.RecordBatch]:  # noqa: D102
        first = _first_word(sql)
        if not self._is_psycopg and ";" in sql.rstrip().rstrip(";"):
            # psycopg2 sends the text as it is, and the server alone knows for sure where a statement ends.
            raise ReadOnlyError("a semicolon within it is not sent by psycopg2: bind texts by params")
        if first not in _READS | _SHOWS:
            raise ReadOnlyError(f"this statement begins with {first.upper()}" if first else "there is no statement")
        with self._translated(self._connection), closing(self._connection.cursor()) as cursor:
            cursor.execute(self._beginning)
            try:
                yield from self._rows(cursor, sql, parameters, declares=first in _READS)
            finally:
                with suppress(Exception):
                    cursor.execute("ROLLBACK")

    def _rows(self, cursor: Any, sql: str, parameters: Parameters, *, declares: bool) -> Generator[pa.RecordBatch]:
        self._execute(cursor, f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {sql}" if declares else sql, parameters)
        step = 1
        if declares:
            cursor.execute(f"FETCH FORWARD {step} FROM {_CURSOR}")
        if not cursor.description:
            raise ReadOnlyError("this statement gives no rows")
        names = [column[0] for column in cursor.description]
        kinds = [_arrow(column) for column in cursor.description]
        yield _batch(names, kinds, [()] * len(names))
        while rows := cursor.fetchall():
            batch = _batch(names, kinds, list(zip(*rows, strict=True)))
            yield batch
            if not declares or len(rows) < step:
                return
            step = next_rows(len(rows), batch.nbytes)
            cursor.execute(f"FETCH FORWARD {step} FROM {_CURSOR}")

    def _execute(self, cursor: Any, sql: str, parameters: Parameters) -> None:
        if not parameters and self._is_psycopg:
            # Asked for binary results the driver sends one statement in a way in which the server takes no second one,
            # whatever the text is. What a cursor gives is fetched as text all the same.
            cursor.execute(sql, binary=True)
        elif not parameters:
            cursor.execute(sql)
        elif isinstance(parameters, Mapping):
            cursor.execute(formatted(sql, named=True), dict(parameters))
        else:
            cursor.execute(formatted(sql), tuple(parameters))


def _first_word(sql: str) -> str:
    """Return the first word of the only statement.

    Raises:
        ReadOnlyError: There are several.
    """
    import sqlglot

    try:
        tokens = sqlglot.tokenize(sql, read="postgres")
    except sqlglot.errors.TokenError as error:
        raise StatementError(f"PostgreSQL: {error}", brief="PostgreSQL: the statement cannot be read") from None
    words = [token for token in tokens if token.text != "("]
    ends = [at for at, token in enumerate(words) if token.token_type is sqlglot.TokenType.SEMICOLON]
    if any(words[at + 1].token_type is not sqlglot.TokenType.SEMICOLON for at in ends if at + 1 < len(words)):
        raise ReadOnlyError("takes one statement")
    return words[0].text.lower() if words else ""


def _arrow(column: Any) -> pa.DataType | None:
    """Return the type of a column of rows; None where its values say it."""
    number = column.type_code
    if number == _NUMERIC:
        precision, scale = column.precision, column.scale
        known = precision is not None and scale is not None and 0 <= scale <= precision <= _MOST_DIGITS
        return pa.decimal128(precision, scale) if known else None
    if number in _ARRAYS:
        return pa.list_(_ARROW[_ARRAYS[number]])
    return _ARROW.get(number)


_MOST_DIGITS = 38
_NANS = re.compile("s?NaN")


def _batch(names: list[str], kinds: list[pa.DataType | None], columns: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    arrays = [_array(*column) for column in zip(names, kinds, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names)


def _array(name: str, kind: pa.DataType | None, values: Sequence[Any]) -> pa.Array:
    try:
        if kind is not None:
            return pa.array(values, kind)
        return pa.array([value if _is_plain(value) else str(value) for value in values])
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise StatementError(
            f"PostgreSQL: column {name!r} has values that Arrow has no type for: CAST it to another one",
            brief=f"PostgreSQL: column {name!r} has values that Arrow has no type for",
        ) from error


def _is_plain(value: Any) -> bool:
    from decimal import Decimal

    return value is None or (isinstance(value, Decimal) and value.is_finite()) or isinstance(value, list | str)
