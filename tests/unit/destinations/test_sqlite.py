from __future__ import annotations

import json
import sqlite3
import threading
import time

import pyarrow as pa
import pytest

from airflow_materialize.connections import resolve
from airflow_materialize.destinations import waiting
from airflow_materialize.destinations.base import UnknownOutcomeError, for_connection
from airflow_materialize.destinations.sqlite import destination as sqlite
from airflow_materialize.errors import MaterializeError, TransientError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shop.db"


@pytest.fixture
def destination(path):
    return for_connection(resolve("shop", {"shop": f"sqlite://{path}"}))


def airflow(monkeypatch, **fields):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", **fields}))
    return for_connection(resolve("shop"))


def test_a_name_with_a_dot_is_one_name(destination, path):
    table = destination.table("raw.orders")
    with destination.session() as session:
        session.create_schema(table)
        session.create_table(table, {"id": "INTEGER"})
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("raw.orders",)]
    connection.close()


@pytest.mark.parametrize("host", ["", ":memory:", "{folder}/a#b.db", "{folder}/a?b.db"])
def test_a_connection_must_lead_to_its_file(monkeypatch, tmp_path, host):
    with (
        pytest.raises(MaterializeError, match=r"(names no SQLite file|cannot be opened)"),
        airflow(monkeypatch, host=host.format(folder=tmp_path)).session(),
    ):
        raise AssertionError


def test_a_path_in_a_uri_is_answered_with_the_right_spelling(monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", f"sqlite:///{tmp_path}/x.db")
    with (
        pytest.raises(MaterializeError, match='{"conn_type": "sqlite", "host": "/srv/shop.db"}'),
        for_connection(resolve("shop")).session(),
    ):
        raise AssertionError


def test_the_hook_opens_the_file(monkeypatch, path):
    with airflow(monkeypatch, host=str(path)).session() as session:
        session.execute("CREATE TABLE t (id INTEGER)")
    assert path.exists()


def test_a_second_writer_waits(destination, path, monkeypatch):
    monkeypatch.setattr(waiting, "PROGRESS_SECONDS", 0.1)
    monkeypatch.setattr(sqlite, "_BUSY_MILLISECONDS", 50)
    said = []

    def second():
        with destination.session(progress=said.append) as session, session.transaction():
            session.execute("INSERT INTO t VALUES (2)")

    with destination.session() as session:
        session.execute("CREATE TABLE t (id INTEGER)")
        thread = threading.Thread(target=second)
        with session.transaction():
            session.execute("INSERT INTO t VALUES (1)")
            thread.start()
            time.sleep(0.6)
        thread.join(10)
        assert session.rows("SELECT id FROM t") == [(1,), (2,)]
    assert said[0].startswith(f"Waiting: {path} is locked by another process")


def test_a_lock_that_stays_is_transient(destination, monkeypatch):
    monkeypatch.setattr(sqlite, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(sqlite, "_BUSY_MILLISECONDS", 50)
    with (
        destination.session() as one,
        one.transaction(),
        destination.session() as two,
        pytest.raises(TransientError, match="is locked by another process; waited"),
    ):
        two.begin()


def test_a_reader_that_stays_makes_the_commit_fail(destination, path, monkeypatch):
    monkeypatch.setattr(sqlite, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(sqlite, "_BUSY_MILLISECONDS", 50)
    with destination.session() as session:
        session.execute("CREATE TABLE t (id INTEGER)")
        session.execute("INSERT INTO t VALUES (1), (2)")
        reader = sqlite3.connect(path)
        rows = reader.execute("SELECT id FROM t")
        rows.fetchone()
        with pytest.raises(UnknownOutcomeError, match="COMMIT failed"), session.transaction():
            session.execute("INSERT INTO t VALUES (3)")
        reader.close()
        assert session.rows("SELECT count(*) FROM t") == [(2,)]


def test_indexes_and_views_survive_a_changed_type(destination):
    table = destination.table("t")
    with destination.session() as session:
        session.create_table(table, {"a": "TEXT", "b": "INTEGER"})
        session.execute("CREATE INDEX by_b ON t (b)")
        session.execute("CREATE VIEW v AS SELECT a, b FROM t")
        session.execute("INSERT INTO t VALUES (NULL, 1)")
        with session.transaction():
            session.change_type(table, "a", "REAL")
        assert session.columns(table) == {"a": "REAL", "b": "INTEGER"}
        assert session.rows("SELECT * FROM v") == [(None, 1)]
        assert session.rows("SELECT name FROM sqlite_master WHERE type = 'index'") == [("by_b",)]


def test_a_changed_type_keeps_not_null_defaults_and_collations(destination):
    table = destination.table("t")
    with destination.session() as session:
        session.execute(
            "CREATE TABLE t (a TEXT COLLATE NOCASE DEFAULT 'x' NOT NULL, b INTEGER NOT NULL, c TEXT DEFAULT (1 + 1))"
        )
        session.execute("INSERT INTO t (b) VALUES (1)")
        session.change_type(table, "b", "REAL")
        session.execute("INSERT INTO t (b) VALUES (1.5)")
        assert session.columns(table) == {"a": "TEXT", "b": "REAL", "c": "TEXT"}
        assert session.rows("SELECT * FROM t WHERE a = 'X'") == [("x", 1.0, "2"), ("x", 1.5, "2")]
        with pytest.raises(MaterializeError, match="NOT NULL"):
            session.execute("INSERT INTO t (b) VALUES (NULL)")


@pytest.mark.parametrize("definition", [
    "(a TEXT PRIMARY KEY, b REAL)", "(a TEXT UNIQUE, b REAL)", "(a TEXT, b REAL, CHECK (b > 0))",
    "(a TEXT REFERENCES t (a), b REAL)", "(a TEXT, b REAL, UNIQUE (a, b))",
])  # fmt: skip
def test_a_changed_type_keeps_constraints(destination, definition):
    with destination.session() as session:
        session.execute(f"CREATE TABLE t {definition.replace('REAL', 'INTEGER')}")
        session.change_type(destination.table("t"), "b", "REAL")
        [(made,)] = session.rows("SELECT sql FROM sqlite_master WHERE name = 't'")
        for constraint in ("PRIMARY KEY", "UNIQUE", "CHECK (b > 0)", "REFERENCES t (a)"):
            assert (constraint in made) == (constraint in definition)


@pytest.mark.parametrize("definition", ["(b INTEGER, a AS (b + 1))", "(a TEXT, b INTEGER) STRICT"])
def test_the_type_of_a_table_of_which_something_would_be_lost_is_not_changed(destination, definition):
    with destination.session() as session:
        session.execute(f"CREATE TABLE t {definition}")
        with pytest.raises(MaterializeError, match="cannot be changed: .* could not be kept"), session.transaction():
            session.change_type(destination.table("t"), "b", "REAL")
        assert session.columns(destination.table("t"))["b"] == "INTEGER"


@pytest.mark.parametrize(("declared", "arrow"), [
    ("INTEGER", pa.int64()), ("bigint", pa.int64()), ("VARCHAR(3)", pa.string()), ("CLOB", pa.string()), ("BLOB", pa.binary()),
    ("DOUBLE PRECISION", pa.float64()), ("REAL", pa.float64()), ("DECIMAL(10, 2)", pa.null()), ("DATE", pa.null()),
])  # fmt: skip
def test_a_declared_type_means_its_affinity(destination, declared, arrow):
    with destination.session() as session:
        session.execute(f"CREATE TABLE t (v {declared})")
        assert session.arrow_types(destination.table("t")) == {"v": arrow}
