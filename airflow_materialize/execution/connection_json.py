"""An Airflow connection as the JSON that Bruin gives to user code for a connection of its type."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_materialize.connections import Connection
from airflow_materialize.errors import MaterializeError

_ALIASES = {"postgresql": "postgres", "gcpbigquery": "google_cloud_platform", "gcpspanner": "spanner"}
_TRUE = {"true", "True", "1"}
_MOTHERDUCK = ("md:", "motherduck:")


@dataclass(frozen=True)
class _Fields:
    """What a connection says, with its extras under the names that Airflow's providers know them by."""

    connection: Connection

    def option(self, *names: str) -> str:
        """Return the first of some extras that is there, as text."""
        prefix = f"extra__{self.connection.conn_type}__"
        for form in (form for name in names for form in (name, prefix + name)):
            value = self.connection.extra.get(form)
            if value is not None and value != "":
                return value if isinstance(value, str) else json.dumps(value)
        return ""

    def number(self, name: str) -> int | None:
        """Return an extra that is a whole number; None where there is none."""
        text = self.option(name)
        return int(text) if text.isdecimal() else None

    def file(self, *names: str) -> str:
        """Return the text of the file that an extra names; empty where there is none."""
        path = self.option(*names)
        if not path:
            return ""
        try:
            return Path(path).expanduser().read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise MaterializeError(
                f"Connection {self.connection.conn_id!r} names the file {path}, which cannot be read: {reason}",
                hint="put the file where every worker reads it, or its text into the connection",
            ) from error

    def server(self, port: int) -> dict[str, Any]:
        """Return what every database server has."""
        own = self.connection
        return {"username": own.login, "password": own.password, "host": own.host, "port": own.port or port}


def bruin_type(connection: Connection) -> str:
    """Return Bruin's name for the type of a connection; Airflow's where Bruin has none."""
    kind = connection.conn_type.lower()
    if kind == "duckdb" and connection.host.startswith(_MOTHERDUCK):
        return "motherduck"
    return _ALIASES.get(kind, kind)


def bruin_text(connection: Connection) -> str:
    """Return the text of the environment variable for a connection.

    Raises:
        MaterializeError: It names a file that cannot be read, or is generic and has no value.
    """
    kind = bruin_type(connection)
    if kind == "generic":
        return _generic(connection)
    if kind not in _SHAPES:
        return _as_json(_airflow(connection))
    required, optional = _SHAPES[kind](_Fields(connection))
    filled = {name: value for name, value in optional.items() if value not in {"", None}}
    return _as_json({"name": connection.conn_id, **required, **filled})


def _as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _generic(connection: Connection) -> str:
    value = connection.password or _Fields(connection).option("value")
    if not value:
        raise MaterializeError(
            f"Connection {connection.conn_id!r} is of type generic and has no value to give",
            hint="put the value into its password",
        )
    return value


def _airflow(connection: Connection) -> dict[str, Any]:
    names = ("conn_type", "host", "login", "password", "port", "schema")
    return {**{name: getattr(connection, name) for name in names}, "extra": dict(connection.extra)}


_Shape = tuple[dict[str, Any], dict[str, Any]]
"""The fields that are always there, and those that are left out where they are empty."""


def _postgres(own: _Fields) -> _Shape:
    optional = {"ssl_mode": own.option("sslmode"), "pool_max_conns": own.number("pool_max_conns")}
    return {**own.server(5432), "database": own.connection.schema}, optional


def _redshift(own: _Fields) -> _Shape:
    required = {**own.server(5439), "database": own.connection.schema, "schema": ""}
    return required, {"ssl_mode": own.option("sslmode")}


def _mysql(own: _Fields) -> _Shape:
    ssl = own.connection.extra.get("ssl")
    ssl = ssl if isinstance(ssl, dict) else {}
    paths = {f"ssl_{name}_path": ssl.get(name, "") for name in ("ca", "cert", "key")}
    return {**own.server(3306), "database": own.connection.schema}, paths


def _snowflake(own: _Fields) -> _Shape:
    content = own.option("private_key_content")
    required = {name: own.option(name) for name in ("account", "region", "role", "database", "warehouse", "token")}
    required |= {"username": own.connection.login, "password": own.connection.password}
    required["schema"] = own.connection.schema or own.option("schema")
    required["private_key"] = _plain_key(content) if content else own.file("private_key_file")
    return required, {}


def _plain_key(content: str) -> str:
    """Return the text of a key; newer providers keep it in base64."""
    if content.lstrip().startswith("-----"):
        return content
    try:
        return base64.b64decode(content, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return content


def _google(own: _Fields) -> _Shape:
    inline, path = own.option("keyfile_dict"), own.option("key_path")
    required = {
        "service_account_json": inline or own.file("key_path"),
        "service_account_file": path,
        "project_id": own.option("project", "project_id"),
        "location": own.option("location"),
        # A text in Bruin as well.
        "use_application_default_credentials": "false" if inline or path else "true",
    }
    return required, {"access_token": own.option("access_token")}


def _duckdb(own: _Fields) -> _Shape:
    return {"path": own.connection.host}, {"read_only": True if own.option("read_only") == "true" else None}


def _motherduck(own: _Fields) -> _Shape:
    database = own.connection.host.partition(":")[2].partition("?")[0] or own.connection.schema
    token = own.connection.password or own.option("motherduck_token", "token")
    return {"token": token}, {"database": database}


def _mssql(own: _Fields) -> _Shape:
    return {**own.server(1433), "database": own.connection.schema}, {"options": own.option("options")}


def _clickhouse(own: _Fields) -> _Shape:
    secure = own.option("secure")
    optional = {
        "http_port": own.number("http_port"),
        "secure": int(secure in _TRUE) if secure else None,
    }
    return {**own.server(8123), "database": own.connection.schema}, optional


def _databricks(own: _Fields) -> _Shape:
    connection = own.connection
    required = {"path": own.option("http_path"), "host": connection.host, "port": connection.port or 443}
    required |= {"catalog": own.option("catalog"), "schema": connection.schema or own.option("schema")}
    if own.option("service_principal_oauth") == "true":
        return required, {"client_id": connection.login, "client_secret": connection.password}
    return required, {"token": own.option("token") or connection.password}


def _trino(own: _Fields) -> _Shape:
    required = {**own.server(8080), "catalog": own.option("catalog"), "schema": own.connection.schema}
    return required, {"password": required.pop("password")}


def _athena(own: _Fields) -> _Shape:
    optional = {
        "access_key_id": own.connection.login or own.option("aws_access_key_id"),
        "secret_access_key": own.connection.password or own.option("aws_secret_access_key"),
        "session_token": own.option("aws_session_token"),
        "region": own.option("region_name"),
        "database": own.connection.schema or own.option("schema_name"),
        "profile": own.option("profile_name"),
    }
    return {"query_results_path": own.option("s3_staging_dir", "query_results_path")}, optional


def _aws(own: _Fields) -> _Shape:
    required = {
        "access_key": own.connection.login or own.option("aws_access_key_id"),
        "secret_key": own.connection.password or own.option("aws_secret_access_key"),
        "region": own.option("region_name"),
    }
    return required, {}


def _vertica(own: _Fields) -> _Shape:
    return {**own.server(5433), "database": own.connection.schema}, {}


def _oracle(own: _Fields) -> _Shape:
    server = own.server(1521)
    texts = {name: own.option(name) for name in ("service_name", "sid", "role", "trace_file", "wallet")}
    flags = {name: own.option(name) in _TRUE for name in ("ssl", "ssl_verify")}
    rows = own.number("prefetch_rows") or 0
    return {**server, "port": str(server["port"]), **texts, **flags, "prefetch_rows": rows}, {}


def _fabric(own: _Fields) -> _Shape:
    server = own.server(1433)
    required = {"host": server.pop("host"), "port": server.pop("port"), "database": own.connection.schema}
    account = {name: own.option(name) for name in ("client_id", "client_secret", "tenant_id", "options")}
    by_default = own.option("use_azure_default_credential") in _TRUE
    return required, {**server, **account, "use_azure_default_credential": by_default or None}


def _db2(own: _Fields) -> _Shape:
    server = own.server(50000)
    return {**server, "port": str(server["port"]), "database": own.connection.schema}, {}


def _spanner(own: _Fields) -> _Shape:
    required = {"project_id": own.option("project_id", "project"), "instance_id": own.option("instance_id")}
    required["database"] = own.option("database_id", "database") or own.connection.schema
    inline, path = own.option("keyfile_dict"), own.option("key_path")
    # Who asks for the client reads the text, so a file comes along with its content.
    return required, {"service_account_json": inline or own.file("key_path"), "service_account_file": path}


_SHAPES: dict[str, Callable[[_Fields], _Shape]] = {
    "postgres": _postgres,
    "redshift": _redshift,
    "mysql": _mysql,
    "snowflake": _snowflake,
    "google_cloud_platform": _google,
    "duckdb": _duckdb,
    "motherduck": _motherduck,
    "sqlite": lambda own: ({"path": own.connection.host}, {}),
    "mssql": _mssql,
    "clickhouse": _clickhouse,
    "databricks": _databricks,
    "trino": _trino,
    "athena": _athena,
    "aws": _aws,
    "vertica": _vertica,
    "oracle": _oracle,
    "synapse": _mssql,
    "fabric": _fabric,
    "db2": _db2,
    "hana": lambda own: ({**own.server(30015), "database": own.connection.schema}, {}),
    "spanner": _spanner,
}
