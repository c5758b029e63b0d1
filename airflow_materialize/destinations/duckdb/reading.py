"""Statements of user code on DuckDB: nothing but the database can be reached."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from airflow_materialize.destinations.discretion import StatementError
from airflow_materialize.destinations.duckdb.errors import translated
from airflow_materialize.destinations.reading import Parameters, Reader, ReadOnlyError

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY = "512MiB"
"""What DuckDB may hold for a statement, unless the connection says otherwise. What needs more goes to its disk."""

# PIVOT is two statements in one. The file is open for reading alone, so none of these writes.
_READS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI}
_BATCH_ROWS = 61_440  # thirty of DuckDB's vectors
_CREDENTIAL = re.compile(r"secret|token|password|key", re.IGNORECASE)


class DuckDBReader(Reader):
    """One DuckDB connection for user code.

    Args:
        connection: Open for reading alone.
        quote: Quotes a name.
        settings: What the connection id sets in DuckDB.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, quote: Callable[[str], str], settings: Mapping[str, Any]
    ) -> None:
        self._connection = connection
        with translated():
            if "memory_limit" not in settings:
                connection.execute(f"SET memory_limit = '{MEMORY}'")
            # Functions of SQL show each setting, and without files none of these is needed.
            known = {name for (name,) in connection.execute("SELECT name FROM duckdb_settings()").fetchall()}
            for name in known & {*settings}:
                if _CREDENTIAL.search(name):
                    connection.execute(f"RESET {quote(name)}")
            # Else `read_text` would read the worker's files, and COPY would write some.
            connection.execute("SET enable_external_access = false")

    def batches(self, sql: str, parameters: Parameters = ()) -> Generator[pa.RecordBatch]:  # noqa: D102
        reader = self._reader(sql, parameters)
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)
        yield from _each(reader)

    def _reader(self, sql: str, parameters: Parameters) -> pa.RecordBatchReader:
        with translated():
            kinds = [statement.type for statement in self._connection.extract_statements(sql)]
            if len(kinds) != 1:
                raise ReadOnlyError(f"takes one statement; here are {len(kinds)}")
            if kinds[0] not in _READS:
                raise ReadOnlyError(f"this is a statement of the kind {kinds[0].name}")
            # Another list would be taken for the values of several executions.
            values = dict(parameters) if isinstance(parameters, Mapping) else list(parameters)
            relation = self._connection.sql(sql, params=values)
            if relation is None:
                raise ReadOnlyError("this statement gives no rows")
            return relation.to_arrow_reader(_BATCH_ROWS)


def _each(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            with translated():
                batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            # What fails amid the rows passes through Arrow.
            raise StatementError(f"DuckDB: {error}", brief="DuckDB: the statement failed amid its rows") from error
        yield batch
