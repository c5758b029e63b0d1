"""Where a connection id leads: an override by URL, else Airflow."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from airflow_materialize.errors import MaterializeError
from airflow_materialize.settings import SECTION

_NOTHING: Mapping[str, str] = MappingProxyType({})
_EMBEDDED = frozenset({"duckdb", "sqlite"})
_SAME_TYPE = {"postgresql": "postgres", "mariadb": "mysql"}
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
        hook: Makes Airflow's hook for this connection id, of the parameters of that kind of hook; None where a URL
            names a file, which needs no Airflow.
        login, password, port, schema: As Airflow has them; the password is never shown.
    """

    conn_id: str
    conn_type: str
    host: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    hook: Callable[..., Any] | None = field(default=None, repr=False, compare=False)
    login: str = ""
    password: str = field(default="", repr=False)
    port: int | None = None
    schema: str = ""

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
            directory) or `sqlite:///srv/shop.db`. These need no Airflow. `postgres://user:password@host/database` is
            opened by the hook of its kind.

    Raises:
        MaterializeError: There is no such connection, or it is not usable as it is written.
    """
    found = find(conn_id, overrides)
    if found is None:
        raise _refused(
            f"Connection {conn_id!r} is not defined, or its definition cannot be read",
            "add it under Admin > Connections, to a secrets backend, or as the environment variable "
            f"{_variable(conn_id)}",
        )
    return found


def find(conn_id: str, overrides: Mapping[str, str] = _NOTHING) -> Connection | None:
    """Return the connection that an id stands for, as `resolve` does; None where there is none."""
    if conn_id in overrides:
        return _from_url(conn_id, overrides[conn_id])
    return _from_airflow(conn_id)


def airflow_variable(key: str) -> str | None:
    """Return the text of an Airflow Variable, or None where there is none.

    Raises:
        MaterializeError: Airflow's sources do not answer.
    """
    try:
        from airflow.sdk import Variable

        value = Variable.get(key, default=None)
    except Exception as error:
        hint = f"see that Airflow's sources answer, or set AIRFLOW_VAR_{key.upper()}"
        raise _refused(f"Variable {key!r} cannot be looked up: {error}", hint) from error
    return None if value is None else str(value)


def mask_in_airflow(values: Iterable[str]) -> None:
    """Let Airflow mask these values in what it logs, here and in the process that watches over this task."""
    # Where Airflow is not there yet, none of its logs is.
    if "airflow.sdk" in sys.modules:
        from airflow.sdk.log import mask_secret

        mask_secret([*values])


def airflow_option(name: str, section: str = SECTION) -> str | None:
    """Return one option of Airflow's configuration, or None where it is not set."""
    from airflow.providers.common.compat.sdk import conf

    value = conf.get(section, name, fallback=None)
    return None if value is None else str(value)


def signing_key() -> bytes:
    """Return a key that this Airflow's processes know and user code is not told; empty where none is set."""
    from airflow.providers.common.compat.sdk import conf

    key = conf.get("core", "fernet_key", fallback="")
    # Until one is made, Airflow gives the placeholder of its template.
    return b"" if key.startswith("{") else key.encode()


def _from_url(conn_id: str, url: str) -> Connection:
    match = _URL.fullmatch(url.strip())
    if match is None:
        # The text is not shown: a URL may carry a password.
        raise _refused(f"The override of connection {conn_id!r} is no URL", "duckdb:///srv/shop.duckdb")
    conn_type, path = _plain_type(match["scheme"]), match["rest"]
    if conn_type not in _EMBEDDED:
        return _from_server_url(conn_id, conn_type, url.strip())
    if path.startswith("//"):
        authority, slash, below = path[2:].partition("/")
        if authority:
            raise _refused(
                f"The override of connection {conn_id!r} has a host where its path should start",
                f"{conn_type}:///an/absolute/path or {conn_type}:a/relative/path",
            )
        path = slash + below.lstrip("/")
    return Connection(conn_id, conn_type, str(Path(path).expanduser()) if path else "")


def _from_server_url(conn_id: str, conn_type: str, url: str) -> Connection:
    """Read `postgres://user:password@host:5432/database?sslmode=require`; of `generic:TEXT` the text is what counts."""
    if conn_type == "generic":
        return Connection(conn_id, conn_type, password=url.partition(":")[2])
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # What is wrong with it may show a part of a password.
        hint = f"{conn_type}://user:password@host:5432/database, with %40 for an @ in the password"
        raise _refused(f"The override of connection {conn_id!r} is no URL", hint) from None
    found = Connection(
        conn_id,
        conn_type,
        host=unquote(parts.hostname or ""),
        extra=dict(parse_qsl(parts.query)),
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        port=port,
        schema=unquote(parts.path.lstrip("/")),
    )
    return replace(found, hook=_late_hook_maker(found))


def _plain_type(conn_type: str) -> str:
    """Return the type as Airflow has it, whatever else the same thing is called."""
    plain = conn_type.lower().replace("-", "_")
    return _SAME_TYPE.get(plain, plain)


def _late_hook_maker(found: Connection) -> Callable[..., Any]:
    """Return what makes the hook of a server's URL. Airflow is imported then, and knows nothing of the connection."""

    def hook(**parameters: Any) -> Any:
        from airflow.sdk import Connection as AirflowConnection

        connection = AirflowConnection(
            conn_id=found.conn_id,
            conn_type=found.conn_type,
            host=found.host or None,
            login=found.login or None,
            password=found.password or None,
            schema=found.schema or None,
            port=found.port,
            extra=json.dumps(dict(found.extra)),
        )
        return _hook_maker(connection)(connection=connection, **parameters)

    return hook


def _variable(conn_id: str) -> str:
    return f"AIRFLOW_CONN_{conn_id.upper()}"


def _from_airflow(conn_id: str) -> Connection | None:
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
    except AirflowNotFoundException:
        return None
    except Exception as error:
        raise _refused(
            f"Connection {conn_id!r} cannot be looked up: {error}",
            f"see that Airflow's sources answer, or set {_variable(conn_id)}",
        ) from error
    if not found.conn_type:
        raise _refused(f"Connection {conn_id!r} has no type", 'set conn_type, as {"conn_type": "duckdb", …}')
    return Connection(
        conn_id,
        _plain_type(found.conn_type),
        found.host or "",
        found.extra_dejson,
        _hook_maker(found),
        login=found.login or "",
        password=found.password or "",
        port=found.port,
        schema=found.schema or "",
    )


def _hook_maker(found: Any) -> Callable[..., Any]:
    def hook(**parameters: Any) -> Any:
        try:
            return found.get_hook(hook_params=parameters)
        except Exception as error:
            raise _refused(
                f"Connection {found.conn_id!r} is of type {found.conn_type!r}, whose hook cannot be made: {error}",
                f"install its provider: 'airflow-materialize[{found.conn_type}]' brings that of a destination,"
                f" apache-airflow-providers-{found.conn_type.replace('_', '-')} is any other",
            ) from error

    return hook


def _refused(message: str, hint: str) -> MaterializeError:
    return MaterializeError(message, hint=hint, unchanged="any table")
