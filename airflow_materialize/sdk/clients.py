"""Clients for the connections of bruin-sdk. The drivers come from the asset's own requirements."""

from __future__ import annotations

import json
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _driver(*modules: str) -> Any:
    """Import the first of some drivers that is there; each is a module and the package that brings it."""
    for module in modules:
        with suppress(ModuleNotFoundError):
            return import_module(module.partition(" ")[0])
    packages = " or ".join(module.partition(" ")[2] or module for module in modules)
    raise ImportError(f"no driver for this connection is installed: add {packages} to the asset's requirements")


def server_arguments(raw: dict[str, Any], **names: str) -> dict[str, Any]:
    """Return what a driver is told of a server, without what the connection leaves empty.

    Args:
        raw: The connection's fields.
        names: What the driver calls a field.
    """
    return {theirs: raw[ours] for ours, theirs in names.items() if raw.get(ours) not in (None, "", 0)}


def _postgres(raw: dict[str, Any]) -> Any:
    names = {"host": "host", "port": "port", "database": "dbname", "username": "user", "password": "password"}
    driver = _driver("psycopg2 psycopg2-binary", "psycopg psycopg[binary]")
    return driver.connect(**server_arguments(raw, **names, ssl_mode="sslmode"))


def _mysql(raw: dict[str, Any]) -> Any:
    names = {"host": "host", "port": "port", "database": "database", "username": "user", "password": "password"}
    driver = _driver("mysql.connector mysql-connector-python", "pymysql")
    return driver.connect(**server_arguments(raw, **names))


def _mssql(raw: dict[str, Any]) -> Any:
    names = {"host": "server", "port": "port", "database": "database", "username": "user", "password": "password"}
    return _driver("pymssql").connect(**server_arguments(raw, **names))


def _snowflake(raw: dict[str, Any]) -> Any:
    names = {name: name for name in ("account", "region", "role", "database", "schema", "warehouse", "password")}
    arguments = server_arguments(raw, **names, username="user")
    connector = _driver("snowflake.connector snowflake-connector-python")
    if raw.get("private_key"):
        arguments["private_key"] = _der(raw["private_key"])
    elif raw.get("token"):
        arguments.update(authenticator="oauth", token=raw["token"])
    return connector.connect(**arguments)


def _der(pem: str) -> bytes:
    """Return a key in the form that Snowflake's driver takes; the driver brings cryptography."""
    serialization = _driver("cryptography.hazmat.primitives.serialization cryptography")
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    form = serialization.PrivateFormat.PKCS8
    return bytes(key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption()))


def _duckdb(raw: dict[str, Any]) -> Any:
    return _driver("duckdb").connect(raw.get("path") or ":memory:", read_only=bool(raw.get("read_only")))


def _motherduck(raw: dict[str, Any]) -> Any:
    config = {"motherduck_token": raw["token"]} if raw.get("token") else {}
    return _driver("duckdb").connect(f"md:{raw.get('database') or ''}", config=config)


def _sqlite(raw: dict[str, Any]) -> Any:
    return _driver("sqlite3").connect(raw.get("path") or ":memory:")


MAKERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "postgres": _postgres,
    "redshift": _postgres,
    "mysql": _mysql,
    "mssql": _mssql,
    "snowflake": _snowflake,
    "duckdb": _duckdb,
    "motherduck": _motherduck,
    "sqlite": _sqlite,
}
"""The types that have a client, and what makes it."""


def google_credentials(raw: dict[str, Any]) -> Any:
    """Return credentials of google-auth."""
    if raw.get("service_account_json"):
        service_account = _driver("google.oauth2.service_account google-auth")
        return service_account.Credentials.from_service_account_info(json.loads(raw["service_account_json"]))
    credentials, _ = _driver("google.auth google-auth").default()
    return credentials


def google_client(service: str, raw: dict[str, Any], credentials: Any) -> Any:
    """Return a client of one of Google's services: `bigquery`, `storage`."""
    module = _driver(f"google.cloud.{service} google-cloud-{service}")
    return module.Client(credentials=credentials, project=raw.get("project_id") or None)
