"""Clients for the connections of bruin-sdk. The drivers come from the asset's own requirements."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


_ENTRA_SCOPE = "https://database.windows.net/.default"
# The attribute of ODBC that takes the token of an account.
_ENTRA_TOKEN = 1256


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


def _fabric(raw: dict[str, Any]) -> Any:
    """Connect with an account of Microsoft Entra, which a driver of ODBC alone can do; else with a password."""
    account = all(raw.get(name) for name in ("client_id", "client_secret", "tenant_id"))
    if not account and not raw.get("use_azure_default_credential"):
        return _mssql(raw)
    odbc, identity = _driver("pyodbc"), _driver("azure.identity azure-identity")
    if raw.get("use_azure_default_credential"):
        credential = identity.DefaultAzureCredential()
    else:
        credential = identity.ClientSecretCredential(raw["tenant_id"], raw["client_id"], raw["client_secret"])
    token = credential.get_token(_ENTRA_SCOPE).token.encode("utf-16-le")
    drivers = sorted(name for name in odbc.drivers() if name.endswith(" for SQL Server"))
    if not drivers:
        raise ImportError("no ODBC driver for SQL Server is installed on the worker: install msodbcsql18")
    server = (
        f"DRIVER={{{drivers[-1]}}};SERVER={raw['host']},{raw.get('port') or 1433};DATABASE={raw.get('database', '')}"
    )
    attributes = {_ENTRA_TOKEN: struct.pack(f"<I{len(token)}s", len(token), token)}
    return odbc.connect(f"{server};Encrypt=yes;TrustServerCertificate=no", attrs_before=attributes)


def _databricks(raw: dict[str, Any]) -> Any:
    names = {"host": "server_hostname", "path": "http_path", "token": "access_token"}
    arguments = server_arguments(raw, **names, catalog="catalog", schema="schema")
    return _driver("databricks.sql databricks-sql-connector").connect(**arguments)


def _clickhouse(raw: dict[str, Any]) -> Any:
    names = {name: name for name in ("host", "port", "username", "password", "database")}
    driver = _driver("clickhouse_connect clickhouse-connect")
    return driver.get_client(**server_arguments(raw, **names), secure=bool(raw.get("secure")))


def _athena(raw: dict[str, Any]) -> Any:
    names = {"query_results_path": "s3_staging_dir", "region": "region_name", "database": "schema_name"}
    names |= {"access_key_id": "aws_access_key_id", "secret_access_key": "aws_secret_access_key"}
    names |= {"session_token": "aws_session_token", "profile": "profile_name"}
    return _driver("pyathena").connect(**server_arguments(raw, **names))


def _trino(raw: dict[str, Any]) -> Any:
    names = {"host": "host", "port": "port", "username": "user", "catalog": "catalog", "schema": "schema"}
    arguments = server_arguments(raw, **names)
    if raw.get("password"):
        login = _driver("trino.auth trino").BasicAuthentication(raw.get("username", ""), raw["password"])
        arguments.update(auth=login, http_scheme="https")
    return _driver("trino.dbapi trino").connect(**arguments)


def _oracle(raw: dict[str, Any]) -> Any:
    names = {"username": "user", "password": "password", "host": "host"}
    names.update({"service_name": "service_name"} if raw.get("service_name") else {"sid": "sid"})
    return _driver("oracledb").connect(**server_arguments(raw, **names), port=int(raw.get("port") or 1521))


def _db2(raw: dict[str, Any]) -> Any:
    names = {"database": "DATABASE", "host": "HOSTNAME", "port": "PORT", "username": "UID", "password": "PWD"}
    parts = {"PROTOCOL": "TCPIP", **server_arguments(raw, **names)}
    text = "".join(f"{name}={value};" for name, value in parts.items())
    return _driver("ibm_db_dbi ibm-db").connect(text, "", "")


def _hana(raw: dict[str, Any]) -> Any:
    names = {"host": "address", "username": "user", "password": "password", "database": "databaseName"}
    return _driver("hdbcli.dbapi hdbcli").connect(**server_arguments(raw, **names), port=int(raw.get("port") or 30015))


def _vertica(raw: dict[str, Any]) -> Any:
    names = {"host": "host", "username": "user", "password": "password", "database": "database"}
    driver = _driver("vertica_python vertica-python")
    return driver.connect(**server_arguments(raw, **names), port=int(raw.get("port") or 5433))


def _spanner(raw: dict[str, Any]) -> Any:
    names = {"instance_id": "instance_id", "database": "database_id", "project_id": "project"}
    arguments = server_arguments(raw, **names)
    if raw.get("service_account_json"):
        arguments["credentials"] = google_credentials(raw)
    return _driver("google.cloud.spanner_dbapi google-cloud-spanner").connect(**arguments)


MAKERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "postgres": _postgres,
    "redshift": _postgres,
    "mysql": _mysql,
    "mssql": _mssql,
    "snowflake": _snowflake,
    "duckdb": _duckdb,
    "motherduck": _motherduck,
    "sqlite": _sqlite,
    "synapse": _mssql,
    "fabric": _fabric,
    "databricks": _databricks,
    "clickhouse": _clickhouse,
    "athena": _athena,
    "trino": _trino,
    "oracle": _oracle,
    "db2": _db2,
    "hana": _hana,
    "vertica": _vertica,
    "spanner": _spanner,
}
"""The types that have a client, and what makes it."""


def google_credentials(raw: dict[str, Any]) -> Any:
    """Return credentials of google-auth."""
    if raw.get("service_account_json"):
        service_account = _driver("google.oauth2.service_account google-auth")
        return service_account.Credentials.from_service_account_info(json.loads(raw["service_account_json"]))
    credentials, _ = _driver("google.auth google-auth").default()
    return credentials


def google_sheets(credentials: Any) -> Any:
    """Return a client of Google Sheets."""
    return _driver("pygsheets").authorize(custom_credentials=credentials)


def google_client(service: str, raw: dict[str, Any], credentials: Any) -> Any:
    """Return a client of one of Google's services: `bigquery`, `storage`."""
    module = _driver(f"google.cloud.{service} google-cloud-{service}")
    return module.Client(credentials=credentials, project=raw.get("project_id") or None)
