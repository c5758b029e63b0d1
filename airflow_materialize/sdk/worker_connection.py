"""A connection whose credential stays with the worker."""

from __future__ import annotations

from typing import Any

from airflow_materialize.sdk.channel import line
from airflow_materialize.sdk.connection import Connection
from airflow_materialize.sdk.exceptions import ConnectionTypeError
from airflow_materialize.sdk.queries import query


class WorkerConnection(Connection):
    """The asset's own connection, or one of the header's `connections`, that is no secret of the asset."""

    def __init__(self, name: str) -> None:
        # No `raw`: asking for it says why.
        self.name = name
        self._client = None

    @property
    def client(self) -> Any:
        """Not here.

        Raises:
            ConnectionTypeError: With what to declare.
        """
        raise self._refused("client")

    def query(self, sql: str) -> Any:
        """Have the worker run a statement that reads, and return its rows as `query(sql)` does."""
        return query(sql, connection=self.name)

    def __getattr__(self, name: str) -> Any:
        if name == "raw":
            raise self._refused(name)
        if name == "type":
            # Looking up a connection takes its time, and few ask.
            self.type = str(line().look_up("connection_type", name=self.name)["type"])
            return self.type
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"Connection(name={self.name!r}, of the worker)"

    def _refused(self, what: str) -> ConnectionTypeError:
        return ConnectionTypeError(
            f"get_connection({self.name!r}).{what} is not here: the connection is the worker's, which runs what "
            f"query() asks for. To have it here declare it: `secrets: [{{key: {self.name}}}]`"
        )
