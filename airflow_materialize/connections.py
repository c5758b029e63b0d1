"""Where a connection id leads: an override by URL, else Airflow."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from airflow_materialize.errors import MaterializeError
from airflow_materialize.settings import SECTION

_NOTHING: Mapping[str, str] = MappingProxyType({})
# A scheme has two letters at least, so that a drive letter or a plain path is never taken for one.
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True)
class Connection:
    """A place to load into.

    Attributes:
        conn_id: The id that the header names.
        conn_type: `duckdb`, `sqlite`, …
        host: The path of an embedded database, or the server.
        extra: The connection's extra fields. They may hold secrets and are never shown.
        hook: Makes Airflow's hook for this connection id, of the parameters of that kind of hook; None for an
            override by URL.
    """

    conn_id: str
    conn_type: str
    host: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    hook: Callable[..., Any] | None = field(default=None, repr=False, compare=False)

    def file(self, name: str) -> Path:
        """Return the full path of a database file, whatever link leads there. The file need not exist.

        Raises:
            MaterializeError: The folder does not exist.
        """
        path = Path(name).expanduser().resolve()
        if not path.parent.is_dir():
            raise MaterializeError(
                f"The folder {path.parent} of connection {self.conn_id!r} does not exist", hint="create it"
            )
        return path


def resolve(conn_id: str, overrides: Mapping[str, str] = _NOTHING) -> Connection:
    """Return the connection that an id stands for.

    Airflow's own sources are asked in Airflow's order. Inside a task these are the environment, the secrets backends
    and the API server; anywhere else the environment and the secrets backends, never the metadata database.

    Args:
        conn_id: The id that the header names.
        overrides: A URL for some ids, as `duckdb:///srv/shop.duckdb`, `duckdb:shop.duckdb` (relative to the working
            directory) or `sqlite:///srv/shop.db`. These need no Airflow.

    Raises:
        MaterializeError: There is no such connection, or it is not usable as it is written.
    """
    if conn_id in overrides:
        return _from_url(conn_id, overrides[conn_id])
    return _from_airflow(conn_id)


def airflow_option(name: str) -> str | None:
    """Return one option of Airflow's configuration, section `[materialize]`, or None where it is not set."""
    from airflow.providers.common.compat.sdk import conf

    value = conf.get(SECTION, name, fallback=None)
    return None if value is None else str(value)


def _from_url(conn_id: str, url: str) -> Connection:
    match = _URL.fullmatch(url.strip())
    if match is None:
        # The text is not shown: a URL may carry a password.
        raise _refused(f"The override of connection {conn_id!r} is no URL", "duckdb:///srv/shop.duckdb")
    conn_type, path = match["scheme"].lower(), match["rest"]
    if path.startswith("//"):
        authority, slash, below = path[2:].partition("/")
        if authority and conn_type in {"duckdb", "sqlite"}:
            raise _refused(
                f"The override of connection {conn_id!r} has a host where its path should start",
                f"{conn_type}:///an/absolute/path or {conn_type}:a/relative/path",
            )
        path = slash + below.lstrip("/")
    return Connection(conn_id, conn_type, str(Path(path).expanduser()) if path else "")


def _from_airflow(conn_id: str) -> Connection:
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    try:
        # These moved between Airflow's packages; the compatibility provider knows where they are.
        from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook
    except Exception as error:
        raise _refused(
            f"Connection {conn_id!r} cannot be looked up: Airflow does not start: {error}",
            "mend Airflow's configuration, or give the connection as a URL",
        ) from error
    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise _refused(
            f"Connection {conn_id!r} is not defined, or its definition cannot be read",
            f"add it under Admin > Connections, to a secrets backend, or as the environment variable {variable}",
        ) from error
    except Exception as error:
        raise _refused(
            f"Connection {conn_id!r} cannot be looked up: {error}",
            f"see that Airflow's sources answer, or set {variable}",
        ) from error
    if not found.conn_type:
        raise _refused(f"Connection {conn_id!r} has no type", 'set conn_type, as {"conn_type": "duckdb", …}')
    return Connection(conn_id, found.conn_type, found.host or "", found.extra_dejson, _hook_maker(found))


def _hook_maker(found: Any) -> Callable[..., Any]:
    def hook(**parameters: Any) -> Any:
        try:
            return found.get_hook(hook_params=parameters)
        except Exception as error:
            raise _refused(
                f"Connection {found.conn_id!r} is of type {found.conn_type!r}, whose hook cannot be made: {error}",
                f"install the provider, as apache-airflow-providers-{found.conn_type}",
            ) from error

    return hook


def _refused(message: str, hint: str) -> MaterializeError:
    return MaterializeError(message, hint=hint, unchanged="any table")
