"""PostgreSQL: one transaction for a load, its DDL included; a lock for each table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow_materialize.destinations.base import Destination, Progress, Session, Table
from airflow_materialize.destinations.postgres.errors import driver_errors, not_opened
from airflow_materialize.destinations.postgres.session import PostgresSession
from airflow_materialize.destinations.postgres.spelling import LONGEST_NAME
from airflow_materialize.errors import MaterializeError

_UPPER = re.compile("[A-Z]+")

_CONNECTION: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 60_000,
}
"""What the hook's connection is opened with, unless the connection's extra says otherwise."""


class Postgres(Destination):
    """A PostgreSQL database."""

    conn_type = "postgres"
    title = "PostgreSQL"

    _was_open = False

    def table(self, name: str) -> Table:  # noqa: D102
        # As PostgreSQL itself reads a name that nobody quotes.
        table = Table.named(
            name,
            "[database.][schema.]table",
            " in PostgreSQL",
            lambda part: _UPPER.sub(lambda match: match[0].lower(), part),
        )
        for part in (table.catalog, table.schema, table.name):
            if len(part.encode()) > LONGEST_NAME:
                raise MaterializeError(
                    f"{part!r} has {len(part.encode())} bytes, and a name in PostgreSQL has {LONGEST_NAME} at most",
                    hint="a shorter name; PostgreSQL itself would cut it off",
                )
        return table

    @contextmanager
    def open(  # noqa: D102
        self, *, read_only: bool = False, purpose: str = "", progress: Progress | None = None
    ) -> Iterator[Session]:
        session = PostgresSession(
            self._connect(), purpose, read_only=read_only, connect=self._connect, progress=progress
        )
        try:
            yield session
        finally:
            session.close()

    def _connect(self) -> Any:
        """Open a connection by Airflow's hook.

        Raises:
            MaterializeError: The connection is not right.
            PassingError: The server is not there.
            RepeatableError: It was there before.
        """
        if self.connection.hook is None:
            raise MaterializeError(f"Connection {self.connection.conn_id!r} has no hook")
        hook = self.connection.hook()
        found = hook.connection
        # A cursor of another class would give other rows than the ones that are read here.
        extra = {name: value for name, value in found.extra_dejson.items() if name != "cursor"}
        found.extra = json.dumps(_CONNECTION | extra)
        try:
            opened = hook.get_conn()
        except driver_errors() as error:
            raise not_opened(self.connection.conn_id, error, known=self._was_open) from error
        self._was_open = True
        return opened
