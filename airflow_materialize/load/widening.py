"""When the types of a column in the result and in the table differ: which of the two has to move."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from airflow_materialize.destinations.arrow import is_text
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.casts import checked_cast, same_kind

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session, Table
    from airflow_materialize.load.staging import Source, StagedColumn

_EXACT_IN_DOUBLE = 2**53
_MOST_DIGITS = 38
_LONGEST_TEXT = 2**31 - 1


def fit(
    session: Session,
    table: Table,
    source: Source,
    own: StagedColumn,
    fitted: StagedColumn,
    *,
    changes: bool,
    declared: pa.DataType | None = None,
) -> StagedColumn:
    """Decide the type of a column whose type in the result is not the one in the table.

    The table stays as it is wherever the values at hand allow it: ids that became floats because of one NULL go back
    into their integer column. Else the column takes the type that holds both, where there is one and the header lets
    it change, and one of texts gets room for the longest. A column that holds nothing but NULL may become anything,
    and one of exact numbers text, where the header declares it so.

    Args:
        session: An open session.
        table: The table.
        source: The result.
        own: The column with the result's type.
        fitted: The column with the table's type.
        changes: Whether the table's type may change.
        declared: The type that the header gives the column.

    Raises:
        MaterializeError: Nothing of this works. The error has both types, and the first value in the way.
    """
    problem = _obstacle(source, own, fitted)
    if problem is None:
        roomy, problem = _with_room(session, source, own, fitted)
        if changes or roomy == fitted:
            return roomy
    if changes:
        wider = common_type(fitted.arrow, own.arrow)
        if wider is not None and wider != fitted.arrow and _exact(session, table, fitted, wider):
            return replace(own, arrow=wider, sql=session.column_type(wider))
        if _becomes_text(own, fitted, declared) or not _has_values(session, table, own.name):
            return own
    declare = "declare it as varchar, so that the table's numbers become texts; "
    raise MaterializeError(
        f"Column {own.name!r} is {fitted.sql} in {table} and {own.sql} in the result"
        + (f": {problem}" if problem else ""),
        hint=(declare if changes and _becomes_text(own, fitted, pa.string()) else "")
        + "return the table's type, or rebuild the table by a full refresh",
    )


def _becomes_text(own: StagedColumn, fitted: StagedColumn, declared: pa.DataType | None) -> bool:
    """Whether texts are to come where there are exact numbers, which have one text each."""
    is_exact = pa.types.is_integer(fitted.arrow) or pa.types.is_decimal(fitted.arrow)
    return is_exact and is_text(own.arrow) and declared is not None and is_text(declared)


def common_type(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    """Return the type that holds every value of both, or None where there is none.

    64-bit integers count as held by a double: whether they are is a matter of the values (`fit` asks).
    """
    if not same_kind(left, right):
        return None
    if pa.types.is_timestamp(left) and pa.types.is_timestamp(right):
        # Nanoseconds reach from 1677 to 2262 only, so neither holds the other.
        return left if left == right else None
    if pa.types.is_date(left) or pa.types.is_date(right):
        return left if pa.types.is_timestamp(left) else right
    both = (left, right)
    if any(map(pa.types.is_decimal, both)) and any(map(pa.types.is_floating, both)):
        return None
    if any(map(pa.types.is_decimal, both)) or (pa.uint64() in both and any(map(pa.types.is_signed_integer, both))):
        both = (_as_decimal(left), _as_decimal(right))
    return _unified(*both)


def _as_decimal(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_decimal(kind):
        return kind
    largest = 2 ** (kind.bit_width - pa.types.is_signed_integer(kind))
    return pa.decimal128(len(str(largest)), 0)


def _unified(left: pa.DataType, right: pa.DataType) -> pa.DataType | None:
    schemas = [pa.schema([("value", kind)]) for kind in (left, right)]
    try:
        common = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowTypeError:
        return None
    return None if pa.types.is_decimal(common) and common.precision > _MOST_DIGITS else common


def _obstacle(source: Source, own: StagedColumn, fitted: StagedColumn) -> str | None:
    """Say what keeps the result's values out of the table's type; None where nothing does."""
    if not same_kind(own.arrow, fitted.arrow):
        columns = (batch.column(own.source) for batch in source.batches())
        return None if all(column.null_count == len(column) for column in columns) else ""
    row = 0
    for batch in source.batches():
        array = batch.column(own.source)
        name = batch.schema.names[own.source]
        try:
            if own.declared is not None:
                array = checked_cast(array, own.declared, name, first_row=row, secret=own.secret)
            checked_cast(array, fitted.arrow, name, first_row=row, secret=own.secret)
        except MaterializeError as error:
            return error.message
        row += batch.num_rows
    return None


def _with_room(
    session: Session, source: Source, own: StagedColumn, fitted: StagedColumn
) -> tuple[StagedColumn, str | None]:
    """Return the column with room for the longest text, and that text's row and length where it needs more room."""
    if not is_text(fitted.arrow) or session.room_for(fitted.sql, _LONGEST_TEXT) == fitted.sql:
        return fitted, None
    longest, at, row = 0, 0, 0
    for batch in source.batches():
        lengths = pc.utf8_length(batch.column(own.source).cast(pa.large_string()))
        most = pc.max(lengths).as_py() or 0
        if most > longest:
            longest, at = most, row + pc.index(lengths, most).as_py() + 1
        row += batch.num_rows
    roomy = replace(fitted, sql=session.room_for(fitted.sql, longest))
    return roomy, None if roomy == fitted else f"row {at} has a text of {longest} characters"


def _exact(session: Session, table: Table, fitted: StagedColumn, wider: pa.DataType) -> bool:
    """Whether the values in the table are the same in the wider type."""
    if not (pa.types.is_floating(wider) and pa.types.is_integer(fitted.arrow)):
        return True
    name = session.quote(fitted.name)
    too_large = f"SELECT 1 FROM {session.name_of(table)} WHERE {name} > ? OR {name} < ? LIMIT 1"
    return not session.rows(too_large, [_EXACT_IN_DOUBLE, -_EXACT_IN_DOUBLE])


def _has_values(session: Session, table: Table, column: str) -> bool:
    query = f"SELECT 1 FROM {session.name_of(table)} WHERE {session.quote(column)} IS NOT NULL LIMIT 1"
    return bool(session.rows(query))
