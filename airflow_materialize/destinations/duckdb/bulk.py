"""How rows go into a DuckDB table: in one statement, and within little memory."""

# ruff: noqa: S608  # Names are quoted by the session, and values are bound.

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from airflow_materialize.destinations.discretion import RepeatableError
from airflow_materialize.destinations.duckdb.errors import translated
from airflow_materialize.destinations.duckdb.publishing import DuckDBPublishing
from airflow_materialize.destinations.duckdb.thrift import part_rows, text_widths
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.duckdb.thrift import Sparing, Thrift
    from airflow_materialize.destinations.spelling import Table

_SOURCE = "_materialize_batches"
_DISABLED = "disabled_optimizers"
_CHOOSING = "join_order", "build_side_probe_side"
_TOO_LITTLE = re.compile(r"\([^()]*/[^()]* used\)")
"""What there is of memory stands in each message about it; that of COMMIT is no OutOfMemoryException."""


class DuckDBBulk(DuckDBPublishing):
    """The part of a DuckDB session that takes rows, and from then on keeps DuckDB's memory small."""

    _connection: duckdb.DuckDBPyConnection
    _sparing: Sparing
    _thrift: Thrift
    _target: Table | None = None

    def lock(self, table: Table) -> None:  # noqa: D102
        # That of the ledger comes later, if at all.
        self._target = self._target or table

    def bulk(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:  # noqa: D102
        failures: list[Exception] = []

        def watched() -> Iterator[pa.RecordBatch]:
            # DuckDB would turn an exception into the text of its own.
            try:
                yield from batches
            except Exception as error:
                failures.append(error)
                raise

        rows = watched()
        first = next(rows, None)
        reader = pa.RecordBatchReader.from_batches(schema, rows if first is None else chain([first], rows))
        names = ", ".join(self.quote(name) for name in schema.names)
        insert = f"INSERT INTO {self.name_of(table)} ({names}) SELECT {names} FROM {_SOURCE}"
        if first is not None and self._thrift.times and not self._sparing.active:
            self.part_rows, self.text_widths = part_rows(first), text_widths(first)
            self._sparing.begin(first, indexed=self.is_indexed(self._target or table), times=self._thrift.times)
        try:
            self._connection.register(_SOURCE, reader)
            return self.execute(insert)
        except MaterializeError:
            if failures:
                raise failures[0] from None
            raise
        finally:
            self._sparing.narrow()
            # Refused after a failure, until the transaction is rolled back.
            with suppress(duckdb.Error):
                self._connection.unregister(_SOURCE)

    def expect(self, size: int) -> None:  # noqa: D102
        self._sparing.widen(size)

    @contextmanager
    def as_written(self) -> Iterator[None]:  # noqa: D102
        # The transaction may be past any statement.
        with closing(self._connection.cursor()) as aside:
            [(before,)] = aside.execute(f"SELECT current_setting('{_DISABLED}')").fetchall()
            aside.execute(f"SET GLOBAL {_DISABLED} = '{','.join(filter(None, (before, *_CHOOSING)))}'")
            try:
                yield
            finally:
                aside.execute(f"SET GLOBAL {_DISABLED} = '{before}'")

    def published(self) -> None:  # noqa: D102
        self._sparing.end()

    def commit(self) -> None:  # noqa: D102
        with self._sparing.resumed():
            super().commit()
            if self._sparing.active and self._target:
                # Else closing does it in all the memory there is: rows of which some are deleted are written anew. The
                # load is done whatever comes of it.
                with suppress(MaterializeError):
                    self.execute(f"CHECKPOINT {self.quote(self.parts(self._target)[0])}")

    def _roll_back(self) -> None:
        self.published()
        super()._roll_back()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what DuckDB raises into errors of ours.

        Raises:
            RepeatableError: It needs more memory than it was left: the next try leaves it more.
        """
        try:
            with translated():
                yield
        except MaterializeError as error:
            if self._sparing.active and _TOO_LITTLE.search(error.message):
                self._thrift.relent()
                brief = "DuckDB needs more memory for these rows than most do"
                raise RepeatableError(brief, brief=brief) from error
            raise
