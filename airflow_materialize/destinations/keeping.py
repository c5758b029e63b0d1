"""What stands in the statements by which a table and its indexes were made, to make them again."""

from __future__ import annotations

import sqlglot
from sqlglot import exp


def indexed_columns(statement: str, dialect: str) -> list[str]:
    """Return the columns of an index; none where it is over expressions or a part of the rows, or cannot be read."""
    try:
        tree = sqlglot.parse_one(statement, dialect=dialect)
    except sqlglot.errors.SqlglotError:
        return []
    index = tree.find(exp.IndexParameters)
    if index is None or index.args.get("where"):
        return []
    columns = [ordered.this for ordered in index.args.get("columns") or ()]
    return [column.name for column in columns] if all(isinstance(column, exp.Column) for column in columns) else []
