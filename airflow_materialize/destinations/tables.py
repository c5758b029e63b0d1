"""How a database's tables are made and changed, in SQL that most databases share."""

# ruff: noqa: S608  # Names are quoted by the session.

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from airflow_materialize.destinations.publishing import Publication, Statement, same_key
from airflow_materialize.destinations.spelling import Spelling, Table


class Tables(Spelling):
    """The part of a session that makes tables and changes their columns."""

    changes_roll_back: bool = True
    """Whether what is made and changed here is taken back with the transaction."""

    replaces_rows: bool = False
    """Whether a merge may delete the rows that it changes, and insert them as they are then.

    Not where something may hang on a row: foreign keys that take other rows along, triggers.
    """

    swaps_lock_readers: ClassVar[bool] = False
    """Whether nobody can read a table from the time that its columns are swapped until COMMIT."""

    @abstractmethod
    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one statement and return the number of rows it touched (0 where that has no meaning)."""

    has_comments: ClassVar[bool] = False
    """Whether tables and columns have comments."""

    @cached_property
    def losses(self) -> list[str]:
        """Sentences about what hung on a table and could not be kept, for log and report."""
        return []

    def comments(self, table: Table) -> dict[str, str]:  # noqa: ARG002
        """Return the comments on the columns of a table, and under an empty name the one on the table itself."""
        return {}

    def comment(self, table: Table, column: str, text: str) -> None:
        """Put a comment on a column, or on the table where the column's name is empty; nothing where there are none."""
        if self.has_comments:
            name = self.name_of(table)
            what = f"COLUMN {name}.{self.quote(column)}" if column else f"TABLE {name}"
            self.execute(f"COMMENT ON {what} IS {self.text(text)}")

    def create_schema(self, table: Table) -> None:
        """Create the schema that the table lives in, where it is missing."""
        if table.schema:
            parts = (self.quote(part) for part in (table.catalog, table.schema) if part)
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {'.'.join(parts)}")

    def create_table(self, table: Table, columns: Mapping[str, str]) -> None:
        """Create a table of these columns, each with its type and what else defines it."""
        self.execute(f"CREATE TABLE {self.name_of(table)} ({self.definitions(columns)})")

    def create_view(self, view: Table, table: Table, columns: Sequence[str]) -> None:
        """Create a view of these columns of a table, in place of the one that may be there."""
        listed = ", ".join(map(self.quote, columns))
        query = f"SELECT {listed} FROM {self.name_of(table)}"
        self.execute(f"CREATE OR REPLACE VIEW {self.name_of(view)} AS {query}")

    def drop_view(self, view: Table) -> None:
        """Drop a view."""
        self.execute(f"DROP VIEW {self.name_of(view)}")

    def drop_table(self, table: Table) -> None:
        """Drop a table."""
        self.execute(f"DROP TABLE {self.name_of(table)}")

    def swap(self, table: Table, columns: Mapping[str, str], changed: Mapping[str, str]) -> Table:  # noqa: ARG002
        """Make room for rows of other columns in place of all rows of a table, and return the table to fill.

        Args:
            table: The table.
            columns: The columns that it is to have, each with its type and what else defines it.
            changed: Those of its columns that stay and get another type, with that type.
        """
        self.drop_table(table)
        self.create_table(table, columns)
        return table

    def end_swap(self, table: Table, filled: Table) -> None:
        """Put the table that `swap` returned, and that has its rows now, in the place of `table`."""

    def announce(self, ledger: Table, row: Mapping[str, Any]) -> None:
        """Hear of the row that is written into the ledger next, behind all other changes.

        A database whose transactions hold no changes of tables puts what `swap` prepared in place here.
        """

    def apply(self, statement: Statement) -> int:
        """Run a statement of a strategy and return the number of rows it touched (0 where that has no meaning)."""
        return self.execute(statement.sql, statement.parameters)

    def count_doubled(self, table: Table, keys: Sequence[str]) -> list[str]:
        """Return queries of one number each: together, how many keys stand in several rows of a table."""
        listed = ", ".join(map(self.quote, keys))
        groups = f"SELECT 1 FROM {self.name_of(table)} GROUP BY {listed} HAVING count(*) > 1"
        return [f"SELECT count(*) FROM ({groups}) AS doubled"]

    def count_matched(self, publication: Publication) -> list[str]:
        """Return queries of two numbers each: together, how many staged rows have a key of the table.

        The other number is how many of the table's rows have a staged key. Each of these stands in one staged row.
        """
        target, staging = self.name_of(publication.target), self.name_of(publication.staging)
        keys = ", ".join(f"target.{self.quote(key)}" for key in publication.keys)
        joined = f"{target} AS target JOIN {staging} AS source ON {same_key(self, publication)}"
        groups = f"SELECT count(*) AS found FROM {joined} GROUP BY {keys}"
        return [f"SELECT count(*), coalesce(sum(found), 0) FROM ({groups}) AS matched"]

    def keep_last(self, staging: Table, keys: Sequence[str], position: str) -> int:
        """Remove the staged rows that have a later one of the same key, and return how many they were.

        Args:
            staging: The staging table.
            keys: The columns of the key.
            position: The column with each row's number in the file.
        """
        name, place = self.name_of(staging), self.quote(position)
        last = f"SELECT max({place}) FROM {name} GROUP BY {', '.join(map(self.quote, keys))}"
        return self.execute(f"DELETE FROM {name} WHERE {place} NOT IN ({last})")

    def add_column(self, table: Table, name: str, definition: str) -> None:
        """Add a column to a table. Rows that are there get its default."""
        self.execute(f"ALTER TABLE {self.name_of(table)} ADD COLUMN {self.quote(name)} {definition}")

    def enforce_key(self, table: Table, columns: Sequence[str]) -> None:
        """Give a table a unique index on some of its columns.

        Raises:
            MaterializeError: It has rows of the same values there, or cannot have such an index.
        """
        name, listed = self.quote(self.spelled(f"{table.name}_enforced_key")), ", ".join(map(self.quote, columns))
        self.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {self.name_of(table)} ({listed})")

    def drop_column(self, table: Table, name: str) -> None:
        """Drop a column of a table."""
        self.execute(f"ALTER TABLE {self.name_of(table)} DROP COLUMN {self.quote(name)}")

    def change_type(self, table: Table, name: str, sql_type: str) -> None:
        """Change a column to a type that holds all of its values."""
        self.execute(f"ALTER TABLE {self.name_of(table)} ALTER COLUMN {self.quote(name)} TYPE {sql_type}")
