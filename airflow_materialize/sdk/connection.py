"""The connections that a header declares as secrets, as bruin-sdk gives them to an asset."""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Callable

from airflow_materialize.sdk.channel import channel
from airflow_materialize.sdk.clients import MAKERS, google_client, google_credentials, google_sheets
from airflow_materialize.sdk.exceptions import (
    ConnectionNotFoundError,
    ConnectionParseError,
    ConnectionTypeError,
    QueryError,
)
from airflow_materialize.sdk.run_context import context

if TYPE_CHECKING:
    from types import TracebackType

_GOOGLE = "google_cloud_platform"
_GENERIC = "generic"
# Their drivers commit each statement by themselves.
_WITHOUT_TRANSACTION = frozenset({"duckdb", "motherduck", "databricks", "athena", "trino", "clickhouse"})


class Connection:
    """One declared connection.

    Attributes:
        name: The name under which it is injected.
        type: Its type in Bruin's words, as `postgres`; Airflow's word where Bruin has none.
        raw: Its fields; the text itself of a generic one.
    """

    def __init__(self, name: str, kind: str, raw: Any) -> None:
        self.name = name
        self.type = kind
        self.raw = raw
        self._client: Any = None

    @property
    def client(self) -> Any:
        """A client of its database, made by a driver from the asset's own requirements when first asked for."""
        if self._client is None:
            self._client = self._make()
        return self._client

    def query(self, sql: str) -> Any:
        """Run and commit a statement, and return its rows as a pandas frame; None where it gives none.

        Raises:
            QueryError: The statement failed.
            ConnectionTypeError: There is no client for this type.
        """
        client = self.client
        run = _RUNNERS.get(self.type, _run)
        try:
            frame = run(client, _annotated(sql))
            if self.type not in _WITHOUT_TRANSACTION:
                client.commit()
        except ImportError:
            raise
        except Exception as error:
            if self.type not in _WITHOUT_TRANSACTION:
                client.rollback()
            raise QueryError(f"the statement failed on connection {self.name!r}: {error}") from error
        return frame

    def close(self) -> None:
        """Close the client, if there is one."""
        client, self._client = self._client, None
        if hasattr(client, "close"):
            client.close()

    def __enter__(self) -> Connection:  # noqa: PYI034  # CPython 3.9 has no `Self`
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Connection(name={self.name!r}, type={self.type!r})"

    def _make(self) -> Any:
        instead = f"take what it says from get_connection({self.name!r}).raw"
        if self.type == _GENERIC:
            raise ConnectionTypeError(f"the connection {self.name!r} is generic and has no client: {instead}")
        if self.type not in MAKERS:
            known = ", ".join(sorted([_GOOGLE, *MAKERS]))
            problem = f"the connection {self.name!r} is of type {self.type}, and there are clients for {known}"
            raise ConnectionTypeError(f"{problem}: {instead}")
        return MAKERS[self.type](self.raw)


class GCPConnection(Connection):
    """A connection to Google Cloud."""

    def __init__(self, name: str, raw: Any) -> None:
        super().__init__(name, _GOOGLE, raw)
        self._credentials: Any = None

    @property
    def credentials(self) -> Any:
        """The credentials of google-auth: those of the service account, else the default ones of the machine."""
        if self._credentials is None:
            self._credentials = google_credentials(self.raw)
        return self._credentials

    def bigquery(self) -> Any:
        """Return the client of BigQuery."""
        return self.client

    def sheets(self) -> Any:
        """Return a client of Google Sheets."""
        return google_sheets(self.credentials)

    def storage(self) -> Any:
        """Return a client of Cloud Storage."""
        return google_client("storage", self.raw, self.credentials)

    def query(self, sql: str) -> Any:
        """Run a statement on BigQuery and return its rows as a pandas frame; None where it gives none."""
        client = self.client
        try:
            rows = client.query(sql).result()
        except Exception as error:
            raise QueryError(f"the statement failed on connection {self.name!r}: {error}") from error
        return rows.to_dataframe() if rows.schema else None

    def _make(self) -> Any:
        return google_client("bigquery", self.raw, self.credentials)


def is_declared(name: str) -> bool:
    """Whether the header declares a connection of this name under `secrets`."""
    return name in _object("BRUIN_CONNECTION_TYPES", os.environ.get("BRUIN_CONNECTION_TYPES") or "{}")


def get_connection(name: str) -> Connection:
    """Return a connection that the header declares under `secrets`.

    The asset's own one, and those under `connections`, need no declaration where `query()` is all that is asked of it.

    Raises:
        ConnectionNotFoundError: The header declares none of this name.
        ConnectionParseError: Its variable was changed into something else.
    """
    kinds = _object("BRUIN_CONNECTION_TYPES", os.environ.get("BRUIN_CONNECTION_TYPES") or "{}")
    text = os.environ.get(name)
    if name not in kinds or text is None:
        served = channel()
        if served and name in served.connections:
            from airflow_materialize.sdk.worker_connection import WorkerConnection

            return WorkerConnection(name)
        known = f"; it declares {', '.join(sorted(kinds))}" if kinds else ""
        raise ConnectionNotFoundError(
            f"the header declares no secret {name!r}{known}. Add it: `secrets: [{{key: {name}}}]`"
        )
    kind = str(kinds[name])
    if kind == _GENERIC:
        return Connection(name, kind, text)
    raw = _object(name, text)
    return GCPConnection(name, raw) if kind == _GOOGLE else Connection(name, kind, raw)


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        # Neither the text nor what a parser says of it is shown: it may be a secret.
        raise ConnectionParseError(f"the variable {name} holds no JSON object")
    return value


def _annotated(sql: str) -> str:
    """Return a statement with Bruin's comment of whose it is, for who reads the history of a database."""
    about = {"asset": context.asset_name or "", "type": "python_query", "pipeline": context.pipeline or ""}
    return f"-- @bruin.config: {json.dumps(about, separators=(',', ':'))}\n{sql}"


def _pandas() -> Any:
    try:
        return import_module("pandas")
    except ImportError as error:
        problem = "query() returns a pandas frame: add pandas to the asset's requirements, or use .client"
        raise ImportError(problem) from error


def _run(client: Any, sql: str) -> Any:
    """Run a statement by the interface that nearly all drivers of Python have."""
    cursor = client.cursor()
    try:
        cursor.execute(sql)
        columns = [part[0] for part in cursor.description or ()]
        return _pandas().DataFrame([tuple(row) for row in cursor.fetchall()], columns=columns) if columns else None
    finally:
        cursor.close()


def _run_on_duckdb(client: Any, sql: str) -> Any:
    done = client.execute(sql)
    return done.fetchdf() if done.description and _pandas() else None


def _run_on_snowflake(client: Any, sql: str) -> Any:
    cursor = client.cursor()
    try:
        cursor.execute(sql)
        return cursor.fetch_pandas_all() if cursor.description and _pandas() else None
    finally:
        cursor.close()


def _run_on_clickhouse(client: Any, sql: str) -> Any:
    done = client.query(sql)
    return _pandas().DataFrame(done.result_rows, columns=done.column_names) if done.column_names else None


_RUNNERS: dict[str, Callable[[Any, str], Any]] = {
    "duckdb": _run_on_duckdb,
    "motherduck": _run_on_duckdb,
    "snowflake": _run_on_snowflake,
    "clickhouse": _run_on_clickhouse,
}
