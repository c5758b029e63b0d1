from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_materialize.connections import Connection, resolve
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.errors import MaterializeError


@pytest.mark.parametrize(("url", "conn_type", "host"), [
    ("duckdb:///srv/shop.duckdb", "duckdb", "/srv/shop.duckdb"),
    ("duckdb:////srv/shop.duckdb", "duckdb", "/srv/shop.duckdb"),
    ("duckdb:/srv/shop.duckdb", "duckdb", "/srv/shop.duckdb"),
    ("duckdb:shop.duckdb", "duckdb", "shop.duckdb"),
    ("sqlite:///srv/a b#c?.db", "sqlite", "/srv/a b#c?.db"),
    ("SQLite:shop.db", "sqlite", "shop.db"),
    ("duckdb:~/shop.db", "duckdb", str(Path("~/shop.db").expanduser())),
])  # fmt: skip
def test_an_override_is_a_url(url, conn_type, host):
    assert resolve("shop", {"shop": url}) == Connection("shop", conn_type, host)


@pytest.mark.parametrize("url", ["/srv/shop.duckdb", "shop.duckdb", "", "C:shop"])
def test_an_override_that_is_no_url_is_refused_without_being_shown(url):
    with pytest.raises(MaterializeError, match="The override of connection 'shop' is no URL") as caught:
        resolve("shop", {"shop": url})
    assert caught.value.unchanged == "any table"


def test_a_relative_path_has_no_slashes():
    with pytest.raises(MaterializeError, match="has a host where its path should start"):
        resolve("shop", {"shop": "duckdb://shop.duckdb"})


@pytest.mark.parametrize(("url", "reason"), [
    ("oracle://scott:tiger@db/shop", "whose hook cannot be made"),
    ("http://scott:tiger@db/shop", "its hook, HttpHook, is no DbApiHook"),
    ("generic:tiger", "it has no hook"),
])  # fmt: skip
def test_a_type_without_destination_is_refused_with_the_list(monkeypatch, url, reason):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", url)
    with pytest.raises(MaterializeError) as caught:
        for_connection(resolve("shop", {} if url.startswith("http") else {"shop": url}))
    assert f"Connection 'shop' has the type '{url.partition(':')[0]}', into which nothing is loaded" in str(
        caught.value
    )
    assert reason in str(caught.value)
    assert (
        "one of: duckdb, mysql, postgres, sqlite (exactly once); a type whose hook is a DbApiHook (at least once)"
        in str(caught.value)
    )
    assert "Nothing was changed in any table." in str(caught.value)
    assert "tiger" not in str(caught.value)


def test_airflow_is_asked_and_secrets_stay_out_of_the_repr(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_SHOP",
        '{"conn_type": "duckdb", "host": "/srv/x.db", "password": "hunter2-canary", "extra": {"token": "extra-canary"}}',
    )
    connection = resolve("shop")
    assert (connection.conn_type, connection.host, connection.extra["token"]) == ("duckdb", "/srv/x.db", "extra-canary")
    assert type(connection.hook()).__name__ == "DuckDBHook"
    assert "canary" not in repr(connection)


def test_an_override_wins_over_airflow(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", '{"conn_type": "sqlite", "host": "/srv/x.db"}')
    assert resolve("shop", {"shop": "duckdb:/srv/y.db"}).conn_type == "duckdb"


def test_a_missing_connection_is_named_with_what_to_set():
    with pytest.raises(MaterializeError) as caught:
        resolve("no_such")
    text = str(caught.value)
    assert text.startswith("Connection 'no_such' is not defined")
    assert "AIRFLOW_CONN_NO_SUCH" in text
    assert text.endswith("Nothing was changed in any table.")


def test_a_connection_without_a_type_is_named(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", '{"host": "/srv/x.db"}')
    with pytest.raises(MaterializeError, match="Connection 'shop' has no type"):
        resolve("shop")


def test_a_definition_that_cannot_be_read_is_named_and_not_shown(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", '{"conn_type": "duckdb", "password": "hunter2-canary"')
    with pytest.raises(
        MaterializeError, match="Connection 'shop' is not defined, or its definition cannot be read"
    ) as caught:
        resolve("shop")
    assert "canary" not in str(caught.value)


def test_a_type_whose_provider_is_missing_is_named_when_its_hook_is_wanted(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", '{"conn_type": "no_such_thing", "host": "x"}')
    with pytest.raises(MaterializeError, match="whose hook cannot be made"):
        resolve("shop").hook()


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code], env=plain | environment, capture_output=True, text=True, check=False
    )


def test_an_override_needs_no_airflow(tmp_path):
    code = (
        "import sys; from airflow_materialize.connections import resolve\n"
        "from airflow_materialize.destinations.base import for_connection\n"
        f"with for_connection(resolve('x', {{'x': 'duckdb://{tmp_path}/x.db'}})).session() as session:\n"
        "    session.execute('CREATE TABLE t (id INTEGER)')\n"
        f"with for_connection(resolve('x', {{'x': 'sqlite://{tmp_path}/y.db'}})).session() as session:\n"
        "    session.execute('CREATE TABLE t (id INTEGER)')\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'airflow'])"
    )
    done = python(code, AIRFLOW_HOME=str(tmp_path / "home"))
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("conn_id", ["here", "nowhere"])
def test_no_metadata_database_is_made_or_opened(tmp_path, conn_id):
    code = (
        "from airflow_materialize.connections import resolve\n"
        "from airflow_materialize.errors import MaterializeError\n"
        "try:\n"
        f"    print(resolve({conn_id!r}).host)\n"
        "except MaterializeError as error:\n"
        "    print(error.message)"
    )
    done = python(
        code,
        AIRFLOW_HOME=str(tmp_path / "home"),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{tmp_path}/metadata.db",
        AIRFLOW_CONN_HERE='{"conn_type": "duckdb", "host": "/srv/x.db"}',
    )
    expected = {
        "here": "/srv/x.db",
        "nowhere": "Connection 'nowhere' is not defined, or its definition cannot be read",
    }
    assert done.stdout.splitlines()[-1:] == [expected[conn_id]], done.stderr
    assert not [*tmp_path.rglob("*.db")]


def test_an_airflow_that_does_not_start_is_no_bare_traceback(tmp_path):
    code = (
        "from airflow_materialize.connections import resolve\n"
        "from airflow_materialize.errors import MaterializeError\n"
        "try:\n    resolve('shop')\nexcept MaterializeError as error:\n    print(error)"
    )
    done = python(code, AIRFLOW_HOME=str(tmp_path), AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="sqlite:///relative.db")
    assert "Connection 'shop' cannot be looked up: Airflow does not start: " in done.stdout
    assert done.stdout.endswith("Nothing was changed in any table.\n")


def test_a_secrets_backend_is_asked_outside_of_a_task(tmp_path):
    secrets = tmp_path / "connections.json"
    secrets.write_text('{"shop": {"conn_type": "sqlite", "host": "/srv/shop.db"}}')
    done = python(
        "from airflow_materialize.connections import resolve; print(resolve('shop').host)",
        AIRFLOW_HOME=str(tmp_path / "home"),
        AIRFLOW__SECRETS__BACKEND="airflow.secrets.local_filesystem.LocalFilesystemBackend",
        AIRFLOW__SECRETS__BACKEND_KWARGS=f'{{"connections_file_path": "{secrets}"}}',
    )
    assert done.stdout.splitlines()[-1:] == ["/srv/shop.db"], done.stderr


@pytest.mark.parametrize("url", ["postgres", "postgresql", "PostgreSQL"])
def test_the_url_of_a_server_is_opened_by_the_hook_of_its_kind(url):
    connection = resolve("shop", {"shop": f"{url}://ann:p%40ss-canary@db.example:6543/shop?sslmode=require"})
    assert (connection.conn_type, connection.host, connection.port) == ("postgres", "db.example", 6543)
    hook = connection.hook()
    assert type(hook).__name__ == "PostgresHook"
    found = hook.connection
    assert (found.login, found.password, found.schema) == ("ann", "p@ss-canary", "shop")
    assert found.extra_dejson == {"sslmode": "require"}
    assert "canary" not in repr(connection)
