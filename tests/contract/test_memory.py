"""A load takes little memory, however many rows it has."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

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


INDEXED = """
import json, os, sys, threading
from pathlib import Path
import pyarrow as pa
from airflow_materialize.connections import resolve
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.load.ledger import Attempt
from airflow_materialize.load.loader import load_table
from airflow_materialize.plan.run_plan import RunPlan

url, plan, first, stride, count = json.loads(sys.stdin.read())
step = 65_536
# Each thread has rows in memory.
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


class Result:
    id, sha256, rows = "result.arrow", "0" * 64, count * step
    schema = pa.schema([(name, pa.int64()) for name in ("id", *"abcdefgh")])

    def batches(self):
        for number in range(count):
            start = first + number * step * stride
            ids = pa.array(range(start, start + step * stride, stride))
            # What cannot be compressed.
            buffers = [pa.py_buffer(os.urandom(8 * step)) for _ in "abcdefgh"]
            others = [pa.Array.from_buffers(pa.int64(), step, [None, buffer]) for buffer in buffers]
            yield pa.RecordBatch.from_arrays([ids, *others], schema=self.schema)


def held():
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) // 1024


destination = for_connection(resolve("warehouse", {"warehouse": url}))
with destination.session() as session:
    # What is imported is none of the load's.
    assert session.rows("SELECT current_setting('threads') <= 2") == [(True,)]
peak, over = [held()], threading.Event()


def watch():
    while not over.wait(0.01):
        peak.append(held())


watcher = threading.Thread(target=watch)
watcher.start()
report = load_table(Result(), destination, RunPlan.from_json(plan), Attempt("one", 1))
over.set()
watcher.join()
print(json.dumps([max(peak) - peak[0], report.rows_updated, report.rows_inserted]))
"""


@pytest.mark.parametrize("strategy", ["append", "merge"])
def test_rows_pass_through_little_memory_into_a_table_with_an_index(make_warehouse, strategy):
    warehouse = make_warehouse("duckdb")
    with warehouse.destination.session() as session:
        session.execute("CREATE SCHEMA raw")
        others = ", ".join(f"i AS {name}" for name in "abcdefgh")
        session.execute(f"CREATE TABLE raw.orders AS SELECT i AS id, {others} FROM range(2_000_000) AS n(i)")
        session.execute("CREATE UNIQUE INDEX one_of_each ON raw.orders (id)")
    first = 2_000_000 if strategy == "append" else 1_500_000
    plan = warehouse.plan(strategy, columns=[{"name": "id", "primary_key": True}]).to_json()
    done = subprocess.run(
        [sys.executable, "-c", INDEXED],
        input=json.dumps([warehouse.url, plan, first, 1, 16]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    memory, updated, inserted = json.loads(done.stdout)
    assert (updated, inserted) == ((0, 1_048_576) if strategy == "append" else (500_000, 548_576))
    assert memory < 170


def test_rows_that_take_the_place_of_others_all_over_a_table_take_little_memory(make_warehouse):
    warehouse = make_warehouse("duckdb")
    with warehouse.destination.session() as session:
        session.execute("CREATE SCHEMA raw")
        others = ", ".join(f"(hash(i, {number}) >> 1)::BIGINT AS {name}" for number, name in enumerate("abcdefgh"))
        session.execute(f"CREATE TABLE raw.orders AS SELECT i AS id, {others} FROM range(2_000_000) AS n(i)")
    plan = warehouse.plan("merge", columns=[{"name": "id", "primary_key": True}]).to_json()
    done = subprocess.run(
        [sys.executable, "-c", INDEXED],
        input=json.dumps([warehouse.url, plan, 0, 4, 7]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    memory, updated, inserted = json.loads(done.stdout)
    assert (updated, inserted) == (458_752, 0)
    assert memory < 170
    # What the load has deleted is out of the file, and nothing is left for whoever opens it next.
    assert not Path(f"{warehouse.path}.wal").exists()


@pytest.mark.parametrize(
    ("strategy", "options"),
    [("merge", {"columns": [{"name": "id", "primary_key": True}]}), ("delete+insert", {"incremental_key": "id"})],
)
def test_deletions_all_over_a_large_table_have_room_at_once(make_warehouse, strategy, options):
    warehouse = make_warehouse("duckdb")
    with warehouse.destination.session() as session:
        session.execute("CREATE SCHEMA raw")
        session.execute("CREATE TABLE raw.orders AS SELECT i AS id, 0::BIGINT AS v FROM range(8_000_000) AS n(i)")
    report = warehouse.load({"id": [*range(0, 8_000_000, 80)], "v": [1] * 100_000}, strategy, **options)
    assert (report.rows_updated or report.rows_deleted) == 100_000
    assert [said for said in warehouse.said if "memory" in said] == []


@pytest.mark.parametrize("reference", [False, True])
def test_a_merge_of_wide_texts_deletes_and_inserts_unless_rows_are_referred_to(make_warehouse, reference):
    warehouse = make_warehouse("duckdb")
    texts = {name: [f"{name}{number}" * 20 for number in range(100_000)] for name in "abcd"}
    columns = ", ".join(f"{name} VARCHAR" for name in texts)
    warehouse.run("CREATE SCHEMA raw", f"CREATE TABLE {{t}} (id BIGINT PRIMARY KEY, {columns})")
    warehouse.load({"id": [*range(100_000)], **texts}, "append")
    if reference:
        warehouse.run("CREATE TABLE raw.children (id BIGINT REFERENCES raw.orders (id))")
        warehouse.run("INSERT INTO raw.children VALUES (60000)")
    statements = []
    with pytest.MonkeyPatch.context() as patch:
        session = type(open_session(warehouse))
        execute = session.execute
        patch.setattr(session, "execute", lambda self, sql, *a: (statements.append(sql), execute(self, sql, *a))[1])
        changed = {"id": [*range(50_000, 150_000)], **{name: values[::-1] for name, values in texts.items()}}
        report = warehouse.load(changed, "merge", columns=[{"name": "id", "primary_key": True}])
    assert any(sql.startswith("UPDATE") for sql in statements) == reference
    assert (report.rows_updated, report.rows_inserted) == (50_000, 50_000)
    assert warehouse.rows(columns="count(*), count(DISTINCT id)") == [(150_000, 150_000)]
    assert warehouse.rows(columns="min(a) FILTER (WHERE id = 60000)") == [("a89999" * 20,)]


def test_an_index_has_the_memory_that_it_needs_beside_the_rows(make_warehouse):
    warehouse = make_warehouse("duckdb")
    with warehouse.destination.session() as session:
        session.execute("CREATE SCHEMA raw")
        session.execute("CREATE TABLE raw.orders (id BIGINT UNIQUE)")
    # In no order at all, so that all of the index is open.
    ids = [key * 2_654_435_761 % 2**61 for key in range(4_000_000)]
    report = warehouse.load(warehouse.stage({"id": ids}, batch_rows=65_536), "append")
    assert report.rows_inserted == 4_000_000
    assert [said for said in warehouse.said if "memory" in said] == []


def test_a_commit_that_needs_more_memory_than_most_gets_it(make_warehouse):
    warehouse = make_warehouse("duckdb")
    with warehouse.destination.session() as session:
        session.execute("CREATE SCHEMA raw")
        session.execute("CREATE TABLE raw.orders (id BIGINT UNIQUE)")
    limits = []

    def starve(session, _table):
        limits.extend(session.rows("SELECT current_setting('memory_limit')"))
        if session._thrift.times == 1:
            # As if this were all that such rows need.
            [(used,)] = session.rows("SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()")
            session._sparing._limit = lambda _: used + 300_000

    ids = [key * 2_654_435_761 % 2**61 for key in range(500_000)]
    warehouse.load({"id": ids}, "append", before_commit=starve)
    assert warehouse.said == [
        "COMMIT failed: DuckDB needs more memory for these rows than most do; the whole transaction is done again (1 of 8)"
    ]
    assert warehouse.rows(columns="count(*)") == [(500_000,)]
    assert [limit.endswith("GiB") for (limit,) in limits] == [True, True]


@pytest.mark.parametrize("constraint", ["", "UNIQUE"])
def test_a_database_that_is_lost_amid_a_load_is_no_matter_of_its_settings(make_warehouse, constraint):
    warehouse = make_warehouse("duckdb")

    def lose():
        with warehouse.destination.session() as session, session.transaction():
            session.execute(f"CREATE TABLE t (id BIGINT {constraint})")
            session.bulk(Table("t"), pa.schema([("id", pa.int64())]), [pa.record_batch({"id": [1]})])
            assert session._sparing.active
            session._connection.close()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lose()
    assert not [thread for thread in threading.enumerate() if thread.name == "materialize-indexes"]


@pytest.mark.parametrize("options", [{}, {"on_duplicate_key": "last"}])
def test_a_merge_in_several_parts_is_exact(make_warehouse, options):
    warehouse = make_warehouse("duckdb")
    warehouse.load({"id": [*range(0, 500_000, 2)], "v": [0] * 250_000})
    warehouse.run("CREATE UNIQUE INDEX one_of_each ON {i} (id)")
    ids = [*range(300_000), *range(1000)] if options else [*range(300_000)]
    values = [*([1] * 300_000), *([2] * 1000)] if options else [1] * 300_000
    statements = []
    with pytest.MonkeyPatch.context() as patch:
        session = type(open_session(warehouse))
        execute = session.execute
        patch.setattr(session, "execute", lambda self, sql, *a: (statements.append(sql), execute(self, sql, *a))[1])
        key = [{"name": "id", "primary_key": True}]
        report = warehouse.load({"id": ids, "v": values}, "merge", columns=key, **options)
    assert len([sql for sql in statements if sql.startswith("UPDATE")]) > 1
    assert (report.rows_updated, report.rows_inserted) == (150_000, 150_000)
    sums = "count(*), count(DISTINCT id), sum(v)"
    assert warehouse.rows(columns=sums) == [(400_000, 400_000, 301_000 if options else 300_000)]


def open_session(warehouse):
    with warehouse.destination.session() as session:
        return session


@pytest.mark.parametrize(
    ("columns", "options", "index"),
    [
        ([{"name": "v", "merge_sql": "source.v + (SELECT count(*) FROM raw.orders)"}], {}, ""),
        ([], {"incremental_predicate": "target.id <= (SELECT min(t.id) FROM raw.orders AS t)"}, ""),
        ([], {}, "CREATE UNIQUE INDEX another ON {i} (w)"),
    ],
)
def test_a_merge_whose_parts_would_see_each_other_is_done_in_one(make_warehouse, columns, options, index):
    warehouse = make_warehouse("duckdb")
    count = 300_000
    warehouse.load({"id": [count - 1], "v": [0], "w": [0]})
    warehouse.run("CREATE UNIQUE INDEX one_of_each ON {i} (id)", *([index] if index else []))
    ids = [*range(count)]
    key = {"name": "id", "primary_key": True}
    report = warehouse.load({"id": ids, "v": [0] * count, "w": ids}, "merge", columns=[key, *columns], **options)
    assert (report.rows_updated, report.rows_inserted) == (1, count - 1)
    assert warehouse.rows(columns="sum(v)") == [(1 if columns else 0,)]


def test_a_merge_of_wide_texts_may_pass_a_unique_value_from_row_to_row(make_warehouse):
    warehouse = make_warehouse("duckdb")
    ids, texts = [*range(50_000)], ["x" * 200] * 50_000
    warehouse.load({"id": ids, "w": ids, "t": texts})
    warehouse.run("CREATE UNIQUE INDEX one_of_each ON {i} (id)", "CREATE UNIQUE INDEX another ON {i} (w)")
    report = warehouse.load(
        {"id": ids, "w": ids[::-1], "t": texts}, "merge", columns=[{"name": "id", "primary_key": True}]
    )
    assert report.rows_updated == 50_000
    assert warehouse.rows(columns="count(*), count(DISTINCT w), max(id + w)") == [(50_000, 50_000, 49_999)]
