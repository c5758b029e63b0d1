"""What a DuckDB session executes, for tests of how a load goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from airflow_materialize.destinations.duckdb.destination import DuckDBSession


@contextmanager
def statements(record: Callable[[DuckDBSession, str], Any] = lambda _, sql: sql) -> Iterator[list[Any]]:
    """Yield the list of all statements that a session executes meanwhile, as `record` notes each of them before."""
    said: list[Any] = []
    execute = DuckDBSession.execute

    def recorded(self: DuckDBSession, sql: str, *more: Any) -> int:
        said.append(record(self, sql))
        return execute(self, sql, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DuckDBSession, "execute", recorded)
        yield said
