from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import threading
import time

import duckdb as engine
import pyarrow as pa
import pytest

from airflow_materialize.connections import resolve
from airflow_materialize.destinations import waiting
from airflow_materialize.destinations.base import Table, for_connection
from airflow_materialize.destinations.duckdb import destination as duckdb
from airflow_materialize.destinations.duckdb.thrift import Thrift
from airflow_materialize.errors import MaterializeError, TransientError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shop.db"


@pytest.fixture
def destination(path):
    return for_connection(resolve("shop", {"shop": f"duckdb://{path}"}))


def airflow(monkeypatch, **fields):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "duckdb", **fields}))
    return for_connection(resolve("shop"))


@pytest.mark.parametrize(("name", "table"), [
    ("orders", Table("orders")), ("raw.orders", Table("orders", "raw")), ("lake.raw.orders", Table("orders", "raw", "lake")),
])  # fmt: skip
def test_a_name_has_up_to_three_parts(destination, name, table):
    assert destination.table(name) == table


@pytest.mark.parametrize("name", ["a.b.c.d", "a..b", ".a", ""])
def test_other_names_are_refused(destination, name):
    with pytest.raises(MaterializeError, match="is no table name in DuckDB"):
        destination.table(name)


def test_a_database_whose_making_is_cut_short_is_made_by_the_next_load(destination, path):
    script = (
        "import resource, sys\nfrom airflow_materialize.connections import resolve\n"
        "from airflow_materialize.destinations.base import for_connection\n"
        "destination = for_connection(resolve('shop', {'shop': sys.argv[1]}))\n"
        "import airflow_materialize.destinations.duckdb.destination\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "with destination.session(): pass\n"
    )
    command = [sys.executable, "-c", script, f"duckdb://{path}"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    assert not path.exists()
    with destination.session() as session:
        session.execute("CREATE TABLE t (id INTEGER)")
    assert sorted(file.name for file in path.parent.iterdir()) == ["shop.db", "shop.db.gate", "shop.db.lock"]


def test_a_file_may_be_called_like_a_schema(tmp_path):
    destination = for_connection(resolve("shop", {"shop": f"duckdb://{tmp_path}/raw.db"}))
    table = destination.table("raw.orders")
    with destination.session() as session:
        session.create_schema(table)
        session.create_table(table, {"id": "INTEGER"})
        assert session.columns(table) == {"id": "INTEGER"}
        assert session.rows(f"SELECT * FROM {session.name_of(table)}") == []


@pytest.mark.parametrize("fields", [{}, {"host": ":memory:"}, {"host": "md:shop"}, {"password": "token-canary"}])
def test_a_connection_must_name_a_file(monkeypatch, fields):
    with (
        pytest.raises(MaterializeError, match="'shop' names no DuckDB file") as caught,
        airflow(monkeypatch, **fields).session(),
    ):
        raise AssertionError
    assert "canary" not in str(caught.value)


def test_a_path_in_a_uri_is_answered_with_the_right_spelling(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "duckdb:///srv/shop.duckdb")
    with (
        pytest.raises(MaterializeError, match='{"conn_type": "duckdb", "host": "/srv/shop.duckdb"}'),
        for_connection(resolve("shop")).session(),
    ):
        raise AssertionError


def test_the_hook_opens_the_file_with_its_settings(monkeypatch, path):
    destination = airflow(monkeypatch, host=str(path), extra={"threads": 1})
    with destination.session() as session:
        assert session.rows("SELECT current_setting('threads')") == [(1,)]
    with destination.session(read_only=True) as session:
        assert session.rows("SELECT 1") == [(1,)]


def test_points_in_time_come_back_without_further_packages(destination):
    with destination.session() as session:
        [(moment, count)] = session.rows("SELECT TIMESTAMPTZ '2026-04-01 12:00:00+02', ?", [3])
    assert (moment, count) == (dt.datetime(2026, 4, 1, 10, tzinfo=dt.UTC), 3)


def test_python_variables_are_no_tables(destination):
    import pyarrow as pa

    orders = pa.table({"id": [1]})
    with destination.session() as session, pytest.raises(MaterializeError, match="orders"):
        session.rows("SELECT * FROM orders")
    assert orders.num_rows == 1


def test_readers_share_the_file_and_a_writer_has_it_alone(destination):
    with destination.session() as session:
        session.execute("CREATE TABLE t (id INTEGER)")
    seen = []

    def write():
        with destination.session(purpose="load of raw.orders") as session:
            seen.append("writer")
            session.execute("INSERT INTO t VALUES (1)")

    with destination.session(read_only=True) as one, destination.session(read_only=True) as two:
        writer = threading.Thread(target=write)
        writer.start()
        time.sleep(0.3)
        assert one.rows("SELECT * FROM t") == two.rows("SELECT * FROM t") == []
        seen.append("readers")
    writer.join(10)
    assert seen == ["readers", "writer"]


def test_a_waiting_writer_goes_before_later_readers(destination):
    with destination.session() as session:
        session.execute("CREATE TABLE t (id INTEGER)")
    order = []

    def hold(word, read_only):
        with destination.session(read_only=read_only):
            order.append(word)
            time.sleep(0.1)

    with destination.session(read_only=True):
        writer = threading.Thread(target=hold, args=("writer", False))
        writer.start()
        time.sleep(0.3)
        reader = threading.Thread(target=hold, args=("reader", True))
        reader.start()
        time.sleep(0.3)
        assert order == []
    writer.join(10)
    reader.join(10)
    assert order == ["writer", "reader"]


def test_who_waits_hears_who_is_in_the_way_and_gives_up_at_the_limit(destination, path, monkeypatch):
    monkeypatch.setattr(duckdb, "QUEUE_SECONDS", 0.5)
    monkeypatch.setattr(waiting, "PROGRESS_SECONDS", 0.2)
    said = []
    with (
        destination.session(purpose="load of raw.orders"),
        pytest.raises(TransientError, match=rf"{path} is held by process \d+ \(load of raw.orders\); waited"),
        destination.session(read_only=True, progress=said.append),
    ):
        raise AssertionError
    assert said
    assert "Waiting: " in said[0]
    assert "(load of raw.orders)" in said[0]


HOLD = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER)").fetchall()
print("held", flush=True)
time.sleep(float(sys.argv[2]))
connection.close()
"""


def foreign(path, seconds):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_foreign_holder_is_waited_for(destination, path):
    with foreign(path, 1) as process:
        with destination.session() as session:
            assert session.rows("SELECT * FROM t") == []
        assert process.wait(10) == 0


def test_a_foreign_holder_is_named_at_the_limit(destination, path, monkeypatch):
    monkeypatch.setattr(duckdb, "FOREIGN_SECONDS", 0.3)
    with foreign(path, 60) as process:
        with (
            pytest.raises(TransientError, match=rf"{path} is held by process {process.pid} \(.*python.*\)"),
            destination.session(),
        ):
            raise AssertionError
        process.kill()


def test_what_a_killed_writer_committed_is_read(destination, path):
    code = (
        "import os, sys\nfrom airflow_materialize.connections import resolve\n"
        "from airflow_materialize.destinations.base import for_connection\n"
        "with for_connection(resolve('x', {'x': 'duckdb://' + sys.argv[1]})).session() as session:\n"
        "    session.execute('CREATE TABLE t AS SELECT 1 AS id')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    with destination.session(read_only=True) as session:
        assert session.rows("SELECT * FROM t") == [(1,)]


def test_the_lock_files_need_a_writable_folder(destination, path):
    path.with_name("shop.db.lock").mkdir()
    with pytest.raises(MaterializeError, match=r"lock file .*shop.db.lock cannot be opened"), destination.session():
        raise AssertionError


def test_the_file_is_free_for_others_after_a_session(destination, path):
    with destination.session() as session:
        session.execute("CREATE TABLE t (id INTEGER)")
    with engine.connect(str(path)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchall() == [(0,)]


def test_types_are_spelled_as_the_database_spells_them(destination):
    kinds = [
        *duckdb._TYPES,
        pa.uuid(),
        pa.json_(),
        pa.string(),
        pa.binary(),
        pa.decimal128(12, 2),
        pa.decimal128(38, 0),
    ]
    kinds += [
        pa.list_(pa.decimal128(12, 2)),
        pa.struct([("a b", pa.int64())]),
        pa.map_(pa.string(), pa.timestamp("us")),
    ]
    with destination.session() as session:
        expected = {f"c{index}": session.column_type(kind) for index, kind in enumerate(kinds)}
        session.create_table(destination.table("t"), expected)
        assert session.columns(destination.table("t")) == expected


def test_tables_and_views_tell_their_columns_also_where_a_view_is_broken(destination):
    with destination.session() as session:
        session.execute('CREATE TABLE "a.b" (id INTEGER, "x y" VARCHAR[])')
        session.execute('CREATE VIEW shown AS SELECT id FROM "a.b"')
        session.execute("CREATE TABLE gone (id INTEGER)")
        session.execute("CREATE VIEW broken AS SELECT id FROM gone")
        session.execute("DROP TABLE gone")
        session.execute("CREATE TEMPORARY TABLE staged (n BIGINT)")
        found = {name: session.columns(Table(name)) for name in ("A.B", "shown", "broken", "gone")}
        assert found == {
            "A.B": {"id": "INTEGER", "x y": "VARCHAR[]"},
            "shown": {"id": "INTEGER"},
            "broken": {"id": "INTEGER"},
            "gone": None,
        }
        assert session.columns(Table("staged", "main", "temp")) == {"n": "BIGINT"}
        kinds = [session.kind(Table(name)) for name in ("a.b", "SHOWN", "broken", "gone")]
        assert kinds == ["table", "view", "view", ""]


def test_a_long_statement_draws_nothing_into_the_log(destination):
    with destination.session() as session:
        assert session.rows("SELECT current_setting('enable_progress_bar')") == [(False,)]


def test_memory_that_was_too_little_grows_threefold_and_in_the_end_is_all_that_the_connection_has():
    thrift = Thrift()
    found = [thrift.times]
    for _ in range(5):
        thrift.relent()
        found.append(thrift.times)
    assert found == [1, 3, 9, 27, 0, 0]


@pytest.mark.parametrize("reopened", [False, True])
def test_a_unique_index_is_known_by_its_columns_whatever_these_are_called(destination, path, reopened):
    names = ["Id", "order id", 'the "Größe"', "select", "it's, [x]", "(id + 1)", "\\"]
    listed = ", ".join('"' + name.replace('"', '""') + '" INTEGER' for name in names)
    with engine.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE orders ({listed}, other INTEGER, mail VARCHAR UNIQUE)")
        for number, name in enumerate(names):
            quoted = '"' + name.replace('"', '""') + '"'
            connection.execute(f"CREATE UNIQUE INDEX i{number} ON orders ({quoted}, other)")
            connection.execute(f"CREATE TABLE t{number} ({quoted} INTEGER PRIMARY KEY)")
        connection.execute("CREATE UNIQUE INDEX later ON orders ((other + 1))")
        connection.execute("CREATE INDEX plain ON orders (other)")
    with destination.session(read_only=reopened) as session:
        table = destination.table("orders")
        for number, name in enumerate(names):
            assert session.has_unique_index(table, ["OTHER", name]), name
            assert session.has_unique_index(destination.table(f"t{number}"), [name]), name
        assert session.has_unique_index(table, ["mail"])
        for other in (["other"], ["Id"], ["(other + 1)"], ["id", "other", "mail"]):
            assert not session.has_unique_index(table, other), other
