from __future__ import annotations

import base64
import json

import pytest

from airflow_materialize.connections import Connection, resolve
from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.connection_json import bruin_text, bruin_type

LOGIN = {"host": "db", "login": "me", "password": "pw", "schema": "shop"}
SERVER = {"name": "c", "username": "me", "password": "pw", "host": "db"}
KEY = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("definition", "kind", "expected"),
    [
        (
            {"conn_type": "postgres", **LOGIN, "extra": {"sslmode": "require"}},
            "postgres",
            {**SERVER, "port": 5432, "database": "shop", "ssl_mode": "require"},
        ),
        ({"conn_type": "postgresql", **LOGIN, "port": 6543}, "postgres", {**SERVER, "port": 6543, "database": "shop"}),
        ({"conn_type": "redshift", **LOGIN}, "redshift", {**SERVER, "port": 5439, "database": "shop", "schema": ""}),
        (
            {"conn_type": "mysql", **LOGIN, "extra": {"ssl": {"ca": "/ca.pem"}}},
            "mysql",
            {**SERVER, "port": 3306, "database": "shop", "ssl_ca_path": "/ca.pem"},
        ),
        (
            {
                "conn_type": "snowflake",
                **LOGIN,
                "extra": {
                    "account": "acc",
                    "region": "eu",
                    "warehouse": "wh",
                    "database": "dwh",
                    "extra__snowflake__role": "loader",
                    "private_key_content": base64.b64encode(KEY.encode()).decode(),
                },
            },
            "snowflake",
            {
                "name": "c",
                "account": "acc",
                "username": "me",
                "password": "pw",
                "region": "eu",
                "role": "loader",
                "database": "dwh",
                "schema": "shop",
                "warehouse": "wh",
                "private_key": KEY,
                "token": "",
            },
        ),
        (
            {
                "conn_type": "google_cloud_platform",
                "extra": {"project": "p", "keyfile_dict": '{"private_key": "k"}', "location": "eu"},
            },
            "google_cloud_platform",
            {
                "name": "c",
                "service_account_json": '{"private_key": "k"}',
                "service_account_file": "",
                "project_id": "p",
                "location": "eu",
                "use_application_default_credentials": "false",
            },
        ),
        (
            {"conn_type": "gcpbigquery", "extra": {"project": "p"}},
            "google_cloud_platform",
            {
                "name": "c",
                "service_account_json": "",
                "service_account_file": "",
                "project_id": "p",
                "location": "",
                "use_application_default_credentials": "true",
            },
        ),
        ({"conn_type": "duckdb", "host": "/srv/x.db"}, "duckdb", {"name": "c", "path": "/srv/x.db"}),
        (
            {"conn_type": "duckdb", "host": "md:shop?x=1", "password": "tok"},
            "motherduck",
            {"name": "c", "token": "tok", "database": "shop"},
        ),
        ({"conn_type": "sqlite", "host": "/srv/x.db"}, "sqlite", {"name": "c", "path": "/srv/x.db"}),
        ({"conn_type": "mssql", **LOGIN}, "mssql", {**SERVER, "port": 1433, "database": "shop"}),
        (
            {"conn_type": "clickhouse", **LOGIN, "extra": {"secure": True, "http_port": 8443}},
            "clickhouse",
            {**SERVER, "port": 8123, "database": "shop", "http_port": 8443, "secure": 1},
        ),
        (
            {"conn_type": "databricks", "host": "h", "password": "tok", "extra": {"http_path": "/sql", "catalog": "m"}},
            "databricks",
            {"name": "c", "token": "tok", "path": "/sql", "host": "h", "port": 443, "catalog": "m", "schema": ""},
        ),
        (
            {
                "conn_type": "databricks",
                "host": "h",
                "login": "id",
                "password": "sec",
                "extra": {"http_path": "/sql", "service_principal_oauth": True},
            },
            "databricks",
            {
                "name": "c",
                "client_id": "id",
                "client_secret": "sec",
                "path": "/sql",
                "host": "h",
                "port": 443,
                "catalog": "",
                "schema": "",
            },
        ),
        (
            {"conn_type": "trino", **LOGIN, "extra": {"catalog": "hive"}},
            "trino",
            {**SERVER, "port": 8080, "catalog": "hive", "schema": "shop"},
        ),
        (
            {
                "conn_type": "athena",
                "login": "AK",
                "password": "SK",
                "schema": "db",
                "extra": {"region_name": "eu", "s3_staging_dir": "s3://x", "aws_session_token": "st"},
            },
            "athena",
            {
                "name": "c",
                "access_key_id": "AK",
                "secret_access_key": "SK",
                "session_token": "st",
                "query_results_path": "s3://x",
                "region": "eu",
                "database": "db",
            },
        ),
        (
            {"conn_type": "aws", "login": "AK", "password": "SK", "extra": {"region_name": "eu"}},
            "aws",
            {"name": "c", "access_key": "AK", "secret_key": "SK", "region": "eu"},
        ),
        ({"conn_type": "vertica", **LOGIN}, "vertica", {**SERVER, "port": 5433, "database": "shop"}),
        (
            {"conn_type": "oracle", **LOGIN, "extra": {"service_name": "s"}},
            "oracle",
            {
                **SERVER,
                "port": "1521",
                "service_name": "s",
                **dict.fromkeys(("sid", "role", "trace_file", "wallet"), ""),
                **dict.fromkeys(("ssl", "ssl_verify"), False),
                "prefetch_rows": 0,
            },
        ),
        ({"conn_type": "duckdb", "host": "md:", "password": "tok"}, "motherduck", {"name": "c", "token": "tok"}),
        ({"conn_type": "synapse", **LOGIN}, "synapse", {**SERVER, "port": 1433, "database": "shop"}),
        (
            {"conn_type": "fabric", "host": "db", "extra": {"tenant_id": "t", "client_id": "i", "client_secret": "s"}},
            "fabric",
            {
                "name": "c",
                "host": "db",
                "port": 1433,
                "database": "",
                "tenant_id": "t",
                "client_id": "i",
                "client_secret": "s",
            },
        ),
        (
            {"conn_type": "fabric", **LOGIN, "extra": {"use_azure_default_credential": True}},
            "fabric",
            {**SERVER, "port": 1433, "database": "shop", "use_azure_default_credential": True},
        ),
        ({"conn_type": "db2", **LOGIN}, "db2", {**SERVER, "port": "50000", "database": "shop"}),
        ({"conn_type": "hana", **LOGIN}, "hana", {**SERVER, "port": 30015, "database": "shop"}),
        (
            {
                "conn_type": "gcpspanner",
                "extra": {"project_id": "p", "instance_id": "i", "database_id": "d", "keyfile_dict": "{}"},
            },
            "spanner",
            {"name": "c", "project_id": "p", "instance_id": "i", "database": "d", "service_account_json": "{}"},
        ),
        (
            {"conn_type": "postgres", **LOGIN, "extra": {"pool_max_conns": 4}},
            "postgres",
            {**SERVER, "port": 5432, "database": "shop", "pool_max_conns": 4},
        ),
        (
            {"conn_type": "http", **LOGIN, "port": 8080, "extra": {"token": "t"}},
            "http",
            {
                "conn_type": "http",
                "host": "db",
                "login": "me",
                "password": "pw",
                "port": 8080,
                "schema": "shop",
                "extra": {"token": "t"},
            },
        ),
    ],
)
def test_a_connection_of_airflow_becomes_the_json_of_bruin(monkeypatch, definition, kind, expected):
    monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps(definition))
    connection = resolve("c")
    assert (bruin_type(connection), json.loads(bruin_text(connection))) == (kind, expected)


def test_the_contents_of_key_files_come_along(tmp_path):
    (tmp_path / "key.json").write_text('{"private_key": "k"}')
    (tmp_path / "key.pem").write_text(KEY)
    google = Connection("c", "google_cloud_platform", extra={"key_path": str(tmp_path / "key.json")})
    said = json.loads(bruin_text(google))
    assert said["service_account_json"] == '{"private_key": "k"}'
    assert said["service_account_file"] == str(tmp_path / "key.json")
    snowflake = Connection("c", "snowflake", extra={"private_key_file": str(tmp_path / "key.pem")})
    assert json.loads(bruin_text(snowflake))["private_key"] == KEY


def test_a_key_file_that_is_not_there_is_named_with_its_connection(tmp_path):
    google = Connection("gcp", "google_cloud_platform", extra={"key_path": str(tmp_path / "no.json")})
    with pytest.raises(MaterializeError, match="Connection 'gcp' names the file .*no.json, which cannot be read"):
        bruin_text(google)


def test_a_generic_connection_is_its_text():
    assert bruin_text(Connection("c", "generic", password="tok en")) == "tok en"
    assert bruin_text(Connection("c", "generic", extra={"value": "tok"})) == "tok"
    with pytest.raises(MaterializeError, match="Connection 'c' is of type generic and has no value to give"):
        bruin_text(Connection("c", "generic", host="x"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgres://me:p%40ss@db:6543/shop?sslmode=require",
            {**SERVER, "password": "p@ss", "port": 6543, "database": "shop", "ssl_mode": "require"},
        ),
        ("sqlite:///srv/x.db", {"name": "c", "path": "/srv/x.db"}),
    ],
)
def test_an_override_by_url_is_a_connection_as_well(url, expected):
    assert json.loads(bruin_text(resolve("c", {"c": url}))) == expected


def test_an_override_can_be_a_text():
    assert bruin_text(resolve("c", {"c": "generic:a:b/c?d"})) == "a:b/c?d"


def test_a_url_with_a_broken_port_is_refused_without_being_shown():
    with pytest.raises(MaterializeError, match="The override of connection 'c' is no URL") as caught:
        resolve("c", {"c": "postgres://me:canary@db:x/shop"})
    assert "canary" not in str(caught.value)
