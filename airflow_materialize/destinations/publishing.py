"""What a strategy works on and what it comes to: shared code and destinations write the statements alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from airflow_materialize.destinations.spelling import Table


@dataclass(frozen=True)
class Statement:
    """One statement of a strategy.

    Attributes:
        sql: With `?` for each parameter.
        parameters: Values to bind.
        counts: What the rows that it touches are to the report. A statement that counts as `merged` is a query of one
            row instead: how many rows it updated, and how many it inserted.
    """

    sql: str
    parameters: tuple[Any, ...] = ()
    counts: Literal["", "deleted", "updated", "inserted", "merged"] = ""


@dataclass(frozen=True)
class Publication:
    """A result in its staging table, on its way into the table.

    Attributes:
        target, staging: The two tables.
        columns: The columns that both have.
        filled: Columns of the table alone, with the expression that new rows get there.
        keys: The primary key, for a merge.
        null_keys: Those of its columns in which NULL matches NULL.
        predicate: A further condition on `target` and `source` for a match; empty where there is none.
        updates: The columns that a merge changes in matched rows.
        expressions: What it sets some of them to, of `target` and `source`; the others take the result's value.
        replaces_rows: Whether a merge may replace matched rows whole, as it changes all that is not key.
        incremental_key: The column by which rows belong together in time; empty where there is none.
        bounds: The half-open interval as values of that column, where it says which rows are replaced.
        load_key_column: The column that names the load of each row; empty where there is none.
        load_key: This load's key.
        compared: The columns in which a new version of a row differs from the current one.
        moment: Since when a row that the result lacks is no longer current.
    """

    target: Table
    staging: Table
    columns: tuple[str, ...]
    filled: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    null_keys: frozenset[str] = frozenset()
    predicate: str = ""
    updates: tuple[str, ...] = ()
    expressions: Mapping[str, str] = field(default_factory=dict)
    replaces_rows: bool = False
    incremental_key: str = ""
    bounds: tuple[Any, Any] | None = None
    load_key_column: str = ""
    load_key: str = ""
    compared: tuple[str, ...] = ()
    moment: Any = None
