"""Arrow values as SQLite's five storage classes hold them, and a table made anew with another type."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from sqlglot import exp

from airflow_materialize.destinations.arrow import is_binary, is_json, is_text, is_uuid, to_json_text, to_text
from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Session, Table


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


def rebuild(session: Session, table: Table, name: str, sql_type: str, kept: str) -> None:
    """Make a table anew with another type of one column; SQLite has no statement for it.

    Indexes and triggers are made again, and columns keep NOT NULL, their default and their collation.

    Args:
        session: An open session, inside of a transaction.
        table: The table.
        name: The column.
        sql_type: Its new type.
        kept: The quoted name of a table for the rows meanwhile.

    Raises:
        MaterializeError: The table has other constraints, which would be lost.
    """
    made_again = session.rows(
        "SELECT sql FROM main.sqlite_master WHERE tbl_name = ? COLLATE NOCASE"
        " AND type IN ('index', 'trigger') AND sql IS NOT NULL",
        [table.name],
    )
    definitions = _definitions(session, table, name, sql_type)
    target = session.name_of(table)
    session.execute(f"CREATE TABLE {kept} AS SELECT * FROM {target}")
    session.drop_table(table)
    session.create_table(table, definitions)
    session.execute(f"INSERT INTO {target} SELECT * FROM {kept}")
    session.execute(f"DROP TABLE {kept}")
    for (statement,) in made_again:
        session.execute(statement)


def _definitions(session: Session, table: Table, changed: str, sql_type: str) -> dict[str, str]:
    collations = _collations(session, table)
    columns = session.rows("SELECT name, type, dflt_value, \"notnull\" FROM pragma_table_info(?, 'main')", [table.name])
    return {
        name: session.definition(
            sql_type if name == changed else kind.upper(),
            collation=collations.get(name, ""),
            default=f"({default})" if default else "",
            required=bool(required),
        )
        for name, kind, default, required in columns
    }


def _collations(session: Session, table: Table) -> dict[str, str]:
    """Return the collations of a table's columns, and refuse a table with constraints that nothing here writes."""
    [(statement,)] = session.rows(
        "SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE", [table.name]
    )
    other = session.rows("SELECT name FROM pragma_index_list(?, 'main') WHERE origin <> 'c'", [table.name])
    collations: dict[str, str] = {}
    for part in _parts(statement, session.dialect):
        constraints = part.args.get("constraints", []) if isinstance(part, exp.ColumnDef) else [part]
        for kind in (getattr(constraint, "kind", constraint) for constraint in constraints):
            if isinstance(kind, exp.CollateColumnConstraint):
                collations[part.name] = kind.this.name
            elif not isinstance(kind, exp.NotNullColumnConstraint | exp.DefaultColumnConstraint):
                other.append((kind.sql(session.dialect),))
    if other:
        raise MaterializeError(
            f"the type of a column of {table} cannot be changed: the table has constraints ({other[0][0]})",
            hint="rebuild the table by a full refresh",
        )
    return collations


def _parts(statement: str, dialect: str) -> list[exp.Expr]:
    """Return the columns, constraints and options of a CREATE TABLE; itself where it cannot be read."""
    try:
        tree = sqlglot.parse_one(statement, dialect=dialect)
    except sqlglot.errors.SqlglotError:
        return [exp.Command(this=statement)]
    if not isinstance(tree, exp.Create) or not isinstance(tree.this, exp.Schema):
        return [tree]
    options = tree.args.get("properties")
    return [*tree.this.expressions, *(options.expressions if options else ())]
