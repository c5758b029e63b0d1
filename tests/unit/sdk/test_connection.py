from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import airflow_materialize.sdk
from airflow_materialize.sdk import get_connection
from airflow_materialize.sdk.clients import MAKERS, server_arguments
from airflow_materialize.sdk.connection import GCPConnection
from airflow_materialize.sdk.exceptions import (
    BruinError,
    ConnectionNotFoundError,
    ConnectionParseError,
    ConnectionTypeError,
    QueryError,
)
from airflow_materialize.sdk.run_context import ContextError


@pytest.fixture
def inject(monkeypatch):
    """Give secrets to this process, as a run gives them to an asset's."""

    def give(**secrets):
        monkeypatch.setenv("BRUIN_CONNECTION_TYPES", json.dumps({name: kind for name, (kind, _) in secrets.items()}))
        for name, (_, value) in secrets.items():
            monkeypatch.setenv(name, value if isinstance(value, str) else json.dumps(value))

    return give


def test_a_connection_has_name_type_and_fields(inject):
    inject(shop=("postgres", {"name": "shop", "host": "db", "password": "canary"}))
    connection = get_connection("shop")
    assert (connection.name, connection.type, connection.raw["host"]) == ("shop", "postgres", "db")
    assert repr(connection) == "Connection(name='shop', type='postgres')"


def test_a_generic_connection_is_its_text_and_has_no_client(inject):
    inject(API_KEY=("generic", '{"not": "parsed"}'))
    connection = get_connection("API_KEY")
    assert connection.raw == '{"not": "parsed"}'
    with pytest.raises(ConnectionTypeError, match=r"generic and has no client: .* get_connection\('API_KEY'\)\.raw"):
        _ = connection.client


@pytest.mark.parametrize("name", ["other", "PATH"])
def test_a_connection_that_is_not_declared_says_how_to_declare_it(inject, name):
    inject(shop=("sqlite", {"path": "x"}))
    with pytest.raises(ConnectionNotFoundError) as caught:
        get_connection(name)
    assert str(caught.value) == (
        f"the header declares no secret {name!r}; it declares shop. Add it: `secrets: [{{key: {name}}}]`"
    )


def test_without_any_secret_there_is_no_connection():
    with pytest.raises(ConnectionNotFoundError, match=r"declares no secret 'x'\. Add it"):
        get_connection("x")


@pytest.mark.parametrize("text", ["canary", "[1]"])
def test_a_variable_that_was_changed_is_not_shown(inject, text):
    inject(shop=("postgres", text))
    with pytest.raises(ConnectionParseError, match="the variable shop holds no JSON object") as caught:
        get_connection("shop")
    assert (text in str(caught.value), caught.value.__cause__) == (False, None)


def test_sqlite_and_duckdb_have_clients_that_are_made_once_and_closed(inject, tmp_path):
    sqlite3.connect(tmp_path / "a.db").execute("CREATE TABLE t (x INTEGER)").connection.close()
    duckdb.connect(str(tmp_path / "b.db")).close()
    inject(
        a=("sqlite", {"path": str(tmp_path / "a.db")}),
        b=("duckdb", {"path": str(tmp_path / "b.db"), "read_only": True}),
    )
    with get_connection("a") as lite, get_connection("b") as duck:
        assert lite.client is lite.client
        assert lite.client.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
        assert duck.client.execute("SELECT 1").fetchall() == [(1,)]
        closed = lite.client
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        closed.execute("SELECT 1")


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_query_gives_a_frame_and_a_statement_is_committed(inject, tmp_path, kind):
    path = str(tmp_path / "a.db")
    inject(a=(kind, {"path": path}))
    with get_connection("a") as connection:
        connection.query("CREATE TABLE t (x INTEGER, y TEXT)")
        connection.query("INSERT INTO t VALUES (1, 'a'), (2, NULL)")
    with get_connection("a") as connection:
        frame = connection.query("SELECT x, y FROM t ORDER BY x")
        assert (list(frame.columns), frame["x"].tolist(), frame["y"].isna().tolist()) == (
            ["x", "y"],
            [1, 2],
            [False, True],
        )
        with pytest.raises(QueryError, match="the statement failed on connection 'a': .*nowhere"):
            connection.query("SELECT * FROM nowhere")
        assert connection.query("SELECT count(*) AS n FROM t")["n"].tolist() == [2]


def test_a_missing_driver_names_what_to_require(inject):
    inject(x=("mssql", {"host": "db"}), g=("google_cloud_platform", {"project_id": "p"}))
    with pytest.raises(ImportError, match="no driver for this connection is installed: add pymssql to the asset's req"):
        _ = get_connection("x").client
    google = get_connection("g")
    assert isinstance(google, GCPConnection)
    with pytest.raises(ImportError, match="add google-cloud-storage to|add google-auth to"):
        google.storage()


DRIVERS = {
    "athena": "pyathena",
    "clickhouse": "clickhouse-connect",
    "databricks": "databricks-sql-connector",
    "db2": "ibm-db",
    "fabric": "pyodbc",
    "hana": "hdbcli",
    "oracle": "oracledb",
    "snowflake": "snowflake-connector-python",
    "spanner": "google-cloud-spanner",
    "synapse": "pymssql",
    "trino": "trino",
    "vertica": "vertica-python",
}


@pytest.mark.parametrize("kind", DRIVERS)
def test_each_type_of_bruin_names_the_package_of_its_driver(inject, kind):
    inject(x=(kind, {"host": "db", "tenant_id": "t", "client_id": "i", "client_secret": "s"}))
    with pytest.raises(ImportError, match=f"add {DRIVERS[kind]} to the asset's requirements"):
        get_connection("x").query("SELECT 1")


def test_a_type_without_a_client_names_those_that_have_one(inject):
    inject(x=("http", {"host": "h"}))
    with pytest.raises(ConnectionTypeError, match="is of type http, and there are clients for athena, clickhouse, "):
        get_connection("x").query("SELECT 1")
    assert "http" not in MAKERS


def test_a_driver_is_told_what_the_connection_says_under_its_own_names():
    raw = {"host": "db", "username": "me", "password": "pw", "database": "", "port": 0}
    assert server_arguments(raw, host="server", username="user", database="dbname", port="port", missing="x") == {
        "server": "db",
        "user": "me",
    }


def test_every_error_is_a_bruin_error():
    errors = (ConnectionNotFoundError, ConnectionParseError, ConnectionTypeError, QueryError, ContextError)
    assert all(issubclass(error, BruinError) for error in errors)


def test_bruins_spelling_has_the_same_connections_and_errors(tmp_path):
    package = tmp_path / "bruin"
    package.mkdir()
    sdk = Path(airflow_materialize.sdk.__file__).parent
    (package / "__init__.py").write_text((sdk / "bruin_alias.py").read_text())
    (package / "exceptions.py").write_text((sdk / "bruin_exceptions.py").read_text())
    code = (
        "from bruin import context, get_connection\n"
        "from bruin.exceptions import BruinError, ConnectionNotFoundError\n"
        "try:\n    get_connection('x')\nexcept ConnectionNotFoundError as error:\n    print(isinstance(error, BruinError))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
