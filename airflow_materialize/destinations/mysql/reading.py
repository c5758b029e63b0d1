"""Statements of user code on MySQL and MariaDB: one SELECT, in a transaction that only reads, row by row."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Any

import pyarrow as pa
from MySQLdb.constants import FIELD_TYPE, FLAG
from MySQLdb.cursors import Cursor, SSCursor

from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.destinations.mysql.errors import translated
from airflow_materialize.destinations.mysql.spelling import bound, placed, time_of_day
from airflow_materialize.destinations.reading import Parameters, Reader, ReadOnlyError, next_rows
from airflow_materialize.destinations.statement import one_statement
from airflow_materialize.errors import MaterializeError

SECONDS = 3600
"""How long the server may work on a statement."""

_READS = {"select", "with", "show", "describe", "desc", "explain", "table", "values", "("}
# A transaction that only reads lets these through.
_REFUSED = {
    *("into", "for update", "for share", "lock in"),
    *(f"{name} (" for name in ("load_file", "get_lock", "release_lock", "release_all_locks", "sleep", "benchmark")),
}
_EXECUTED_COMMENT = re.compile(r"/\*M?!")
# sqlglot takes any space for one that makes this a comment, the server takes those of ASCII alone.
_DISPUTED_COMMENT = re.compile(r"--[^\x00-\x7f]")
_WIDEST = 38

_INTEGERS = {
    FIELD_TYPE.TINY: (pa.int8(), pa.uint8()),
    FIELD_TYPE.SHORT: (pa.int16(), pa.uint16()),
    FIELD_TYPE.YEAR: (pa.int16(), pa.uint16()),
    FIELD_TYPE.INT24: (pa.int32(), pa.uint32()),
    FIELD_TYPE.LONG: (pa.int32(), pa.uint32()),
    FIELD_TYPE.LONGLONG: (pa.int64(), pa.uint64()),
}
_OTHERS = {
    FIELD_TYPE.FLOAT: pa.float64(),
    FIELD_TYPE.DOUBLE: pa.float64(),
    FIELD_TYPE.DATE: pa.date32(),
    FIELD_TYPE.TIME: pa.time64("us"),
    FIELD_TYPE.DATETIME: pa.timestamp("us"),
    # Its session counts in UTC.
    FIELD_TYPE.TIMESTAMP: pa.timestamp("us", "UTC"),
    FIELD_TYPE.JSON: pa.string(),
    FIELD_TYPE.NULL: pa.null(),
}


class MySQLReader(Reader):
    """One connection for user code.

    Args:
        connection: The driver's, set to read alone.
        product: What the server calls itself.
    """

    def __init__(self, connection: Any, product: str) -> None:
        self._connection, self._product = connection, product
        limit = f"max_statement_time = {SECONDS}" if product == "MariaDB" else f"max_execution_time = {SECONDS * 1000}"
        self._run(f"SET SESSION {limit}")

    def batches(self, sql: str, parameters: Parameters = ()) -> Generator[pa.RecordBatch]:  # noqa: D102
        text, values = _read(sql, parameters)
        self._run("ROLLBACK")
        self._run("START TRANSACTION READ ONLY")
        with translated(self._product), closing(self._connection.cursor(SSCursor)) as cursor:
            cursor.execute(text, values)
            if cursor.description is None:
                raise ReadOnlyError("this statement gives no rows")
            schema = pa.schema(_fields(cursor))
            yield _batch(schema, [])
            step = 1
            while rows := cursor.fetchmany(step):
                batch = _batch(schema, rows)
                yield batch
                step = next_rows(len(rows), batch.nbytes)

    def _run(self, statement: str) -> None:
        with translated(self._product), closing(self._connection.cursor(Cursor)) as cursor:
            cursor.execute(statement)


def _read(sql: str, parameters: Parameters) -> tuple[str, Any]:
    """Return a statement that reads, and its values, as the driver takes them.

    Raises:
        ReadOnlyError: It does more, or is not one.
    """
    try:
        statement = one_statement(sql, "mysql", "the statement", hint="one SELECT")
    except MaterializeError as error:
        raise ReadOnlyError(f"takes one statement ({error.message})") from error
    words = [word.casefold() for word in statement.words]
    if words[0] not in _READS:
        raise ReadOnlyError(f"this is a statement of the kind {words[0].upper()}")
    pairs = {*words, *(f"{first} {second}" for first, second in pairwise(words))}
    if found := sorted(pairs & _REFUSED):
        raise ReadOnlyError(f"this statement has {found[0].removesuffix(' (').upper()}")
    if _EXECUTED_COMMENT.search(sql):
        raise ReadOnlyError("this statement has a comment that the server executes")
    if _DISPUTED_COMMENT.search(sql):
        raise ReadOnlyError("this statement has a -- without a space behind it")
    if isinstance(parameters, Mapping):
        return placed(statement.text, {name: bound(value) for name, value in parameters.items()})
    return placed(statement.text, [bound(value) for value in parameters])


def _fields(cursor: Any) -> list[tuple[str, pa.DataType]]:
    # Only what turns values into Python's tells texts from bytes.
    kinds = zip(cursor.description, cursor.description_flags, cursor._result.converter, strict=True)  # noqa: SLF001
    return [
        (column[0], _type(column[1], column[4], column[5], flag) or (pa.binary() if kind is bytes else pa.string()))
        for column, flag, kind in kinds
    ]


def _type(code: int, length: int, decimals: int, flag: int) -> pa.DataType | None:
    """Return the type of a column of numbers or moments; None for texts and bytes."""
    if code in _INTEGERS:
        signed, unsigned = _INTEGERS[code]
        return unsigned if flag & FLAG.UNSIGNED else signed
    if code in {FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL}:
        # The length counts the point, and the sign where there may be one.
        digits = max(length - (decimals > 0) - (0 if flag & FLAG.UNSIGNED else 1), decimals, 1)
        return pa.decimal128(digits, decimals) if digits <= _WIDEST else pa.decimal256(digits, decimals)
    return _OTHERS.get(code)


def _batch(schema: pa.Schema, rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [_array(field.name, values, field.type) for field, values in zip(schema, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema.names)


def _array(name: str, values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(map(time_of_day, values) if pa.types.is_time(kind) else values, kind)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        refused = StatementError(f"MySQL: column {name!r} has values that are no {kind}", brief="MySQL: a value")
        refused.hint = "CAST it to another type: a TIME beyond a day to CHAR, a geometry by ST_AsText()"
        raise refused from error
