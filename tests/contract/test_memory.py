"""A load takes little memory, however many rows it has."""

from __future__ import annotations

import json
import subprocess
import sys

import pyarrow as pa
import pytest

from airflow_materialize.connections import resolve
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.destinations.spelling import Table

BULK = """
import json, os, sys, threading
from pathlib import Path
import pyarrow as pa
import pyarrow.compute
from airflow_materialize.connections import resolve
from airflow_materialize.destinations.base import for_connection

url, count, staged = json.loads(sys.stdin.read())
schema = pa.schema([(name, pa.int64()) for name in "abcd"])
rows = 262_144


def held():
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) // 1024


def batches():
    for _ in range(count):
        # What cannot be compressed.
        buffers = [pa.py_buffer(os.urandom(8 * rows)) for _ in schema]
        arrays = [pa.Array.from_buffers(pa.int64(), rows, [None, buffer]) for buffer in buffers]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


peak, over = [], threading.Event()


def watch():
    while not over.wait(0.01):
        peak.append(held())


destination = for_connection(resolve("warehouse", {"warehouse": url}))
with destination.session() as session, session.transaction():
    if destination.conn_type == "duckdb":
        session.execute("SET threads = 2")
    table = destination.table("numbers")
    session.create_table(table, {field.name: session.column_type(field.type) for field in schema})
    before = held()
    watcher = threading.Thread(target=watch)
    watcher.start()
    session.lock(table)
    into = session.create_staging({name: "BIGINT" for name in "abcd"}, ["a"]) if staged else table
    assert session.bulk(into, schema, batches()) == rows * count
    if staged:
        delete = "DELETE FROM numbers WHERE EXISTS (SELECT 1 FROM {0} WHERE {0}.a = numbers.a)"
        session.execute(delete.format(session.name_of(into)))
        assert session.execute(f"INSERT INTO numbers SELECT * FROM {session.name_of(into)}") == rows * count
    session.published()
    over.set()
    watcher.join()
print(max(peak) - before)
"""


@pytest.mark.parametrize(
    ("kind", "batches", "staged", "most"),
    [
        ("duckdb", 16, False, 110),
        ("duckdb", 16, True, 110),
        ("postgres", 6, False, 50),
        ("sqlite", 2, False, 60),
    ],
)
def test_rows_pass_through_little_memory(make_warehouse, kind, batches, staged, most):
    done = subprocess.run(
        [sys.executable, "-c", BULK],
        input=json.dumps([make_warehouse(kind).url, batches, staged]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < most


@pytest.mark.parametrize("strategy", ["append", "merge", "scd2_by_column"])
def test_rows_that_need_more_memory_than_most_get_it(make_warehouse, strategy):
    warehouse = make_warehouse("duckdb")
    keys = {"columns": [{"name": "id", "primary_key": True}]}
    small = pa.record_batch({"id": [1], "text": ["x"]})
    large = pa.record_batch({"id": [2], "text": ["x" * 80_000_000]})
    report = warehouse.load(pa.Table.from_batches([small, large]), strategy, **keys)
    assert (report.rows_inserted, report.rows_total) == (2, 2)
    assert [said for said in warehouse.said if "needs more memory" in said] == [
        "DuckDB needs more memory for these rows than most do; the whole transaction is done again (1 of 8)"
    ]
    more = pa.table({"id": [3], "text": ["y" * 80_000_000]})
    assert warehouse.load(more, strategy, run="another", **keys).rows_total == 3
    assert len([said for said in warehouse.said if "needs more memory" in said]) == 1
    with warehouse.destination.session() as session:
        [(settings,)] = session.rows(
            "SELECT count(*) FROM duckdb_settings() WHERE name = 'memory_limit' AND value LIKE '%GiB'"
        )
    assert settings == 1
    assert warehouse.rows(columns="id, length(text)") == [(1, 1), (2, 80_000_000), (3, 80_000_000)]


def test_a_limit_of_memory_that_the_connection_has_is_kept(make_warehouse):
    warehouse = make_warehouse("duckdb")
    with warehouse.destination.session() as session:
        session.execute("CREATE TABLE t (id BIGINT)")
        for limit, kept in (("20MB", "19.0 MiB"), ("2GB", "1.8 GiB")):
            session.execute(f"SET memory_limit = '{limit}'")
            found = []

            def batches(session=session, found=found):
                yield pa.record_batch({"id": [1]})
                found.append(
                    session._connection.cursor().execute("SELECT current_setting('memory_limit')").fetchall()[0][0]
                )

            session.bulk(warehouse.table("t"), pa.schema([("id", pa.int64())]), batches())
            session.published()
            assert session.rows("SELECT current_setting('memory_limit')") == [(kept,)]
            assert (found == [kept]) == (limit == "20MB")


@pytest.mark.parametrize(("own", "meanwhile"), [({}, "false"), ({"preserve_insertion_order": True}, "true")])
def test_rows_keep_their_order_in_duckdb_only_where_the_connection_says_so(tmp_path, monkeypatch, own, meanwhile):
    connection = {"conn_type": "duckdb", "host": str(tmp_path / "shop.duckdb"), "extra": {"settings": own}}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
    with for_connection(resolve("warehouse")).session() as session:
        session.execute("CREATE TABLE t (id BIGINT)")
        found = []
        setting = "SELECT current_setting('preserve_insertion_order')::VARCHAR"

        def batches():
            yield pa.record_batch({"id": [1]})
            found.extend(session._connection.cursor().execute(setting).fetchall()[0])

        session.bulk(Table("t"), pa.schema([("id", pa.int64())]), batches())
        session.published()
        assert (found, session.rows(setting)) == ([meanwhile], [("true",)])


def test_duckdb_has_its_settings_again_after_a_load_that_failed(make_warehouse):
    warehouse = make_warehouse("duckdb")
    settings = "SELECT current_setting('memory_limit'), current_setting('preserve_insertion_order')"
    meanwhile = []
    with warehouse.destination.session() as session:
        before = session.rows(settings)
        session.execute("CREATE TABLE t (id BIGINT)")

        def broken():
            yield pa.record_batch({"id": [1]})
            meanwhile.extend(session._connection.cursor().execute(settings).fetchall())
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), session.transaction():
            session.bulk(Table("t"), pa.schema([("id", pa.int64())]), broken())
        assert (len(meanwhile), meanwhile == before, session.rows(settings) == before) == (1, False, True)


def test_a_table_with_an_index_is_loaded_with_all_the_memory_there_is(make_warehouse):
    warehouse = make_warehouse("duckdb")
    limit = "SELECT current_setting('memory_limit')"
    with warehouse.destination.session() as session, session.transaction():
        session.execute("CREATE TABLE t (id BIGINT UNIQUE)")
        before = session.rows(limit)
        session.lock(Table("t"))
        staging = session.create_staging({"id": "BIGINT"}, ["id"])
        session.bulk(staging, pa.schema([("id", pa.int64())]), [pa.record_batch({"id": [1]})])
        assert session.rows(limit) == before
