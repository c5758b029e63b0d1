"""What a load does to a table's columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_materialize.definition.model.column import Column
    from airflow_materialize.load.defaults import FilledColumn
    from airflow_materialize.load.staging import StagedColumn


@dataclass(frozen=True)
class SchemaDiff:
    """What changes in the table's columns; false where nothing does.

    Attributes:
        created: Whether the table is new.
        swapped: Whether the table object is replaced.
        added: New columns with their types.
        changed: Columns with their old and new types.
        dropped: Columns that go.
        ignored: Columns of the result that do not come along.
    """

    created: bool = False
    swapped: bool = False
    added: dict[str, str] = field(default_factory=dict)
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.created or self.swapped or self.added or self.changed or self.dropped)

    def sentences(self) -> list[str]:
        """Say it, a sentence for each change."""
        if self.created:
            return ["table created"]
        return [
            *(f"column {name} added as {kind}" for name, kind in self.added.items()),
            *(f"column {name} changed from {old} to {new}" for name, (old, new) in self.changed.items()),
            *(f"column {name} dropped" for name in self.dropped),
            *(f"column {name} of the result ignored" for name in self.ignored),
            *(["table replaced by one with these columns"] if self.swapped else []),
        ]


@dataclass(frozen=True)
class SchemaPlan:
    """The columns to stage, and what changes in the table before they arrive.

    Attributes:
        columns: Of the result, on their way to the table.
        diff: What changes.
        filled: Columns of the table that the result lacks and that take their default.
        declared: The header's columns by their folded names.
    """

    columns: tuple[StagedColumn, ...]
    diff: SchemaDiff
    filled: tuple[FilledColumn, ...] = ()
    declared: Mapping[str, Column] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in the table."""
        return tuple(column.name for column in self.columns)

    def all_types(self) -> dict[str, str]:
        """Return all columns, those with their default too, and their types in the database."""
        return {column.name: column.sql for column in self.columns} | {
            column.name: column.place.sql for column in self.filled
        }
