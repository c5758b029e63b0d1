"""What loads that died left in a database goes, and nothing of anybody else's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airflow_materialize.load.leftovers import clean


def tables(warehouse):
    with warehouse.destination.session(read_only=True) as session:
        query = {
            "duckdb": "SELECT table_name FROM duckdb_tables()",
            "sqlite": "SELECT name FROM sqlite_master",
            "postgres": "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
            "mysql": "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'raw'",
        }[warehouse.kind]
        return {name.removeprefix("raw.") for (name,) in session.rows(query)}


@pytest.mark.parametrize("kind", ["table", "view"])
def test_after_loads_and_failures_nothing_is_left(warehouse, kind):
    options = {"options": {"type": kind}}
    warehouse.load({"id": [1]}, **options)
    expected = tables(warehouse)
    for data in ({"id": [1], "v": [1]}, {"id": [1, 1]}, {"id": ["x"]}):
        try:
            warehouse.load(data, "merge", columns=[{"name": "id", "primary_key": True}], **options)
        except Exception as error:  # noqa: BLE001
            assert "Nothing was changed" in str(error)  # noqa: PT017
    warehouse.load({"v": [1]}, **options)
    assert tables(warehouse) == expected
    assert clean(warehouse.destination, [warehouse.plan(**options).asset]) == []


def test_clean_touches_nothing_of_others(warehouse):
    warehouse.load({"id": [1]})
    warehouse.load({"id": [1]}, name="raw.orders__new_1234")
    warehouse.load({"id": [1]}, name="raw._materialize_staging")
    before = tables(warehouse)
    assert clean(warehouse.destination, [warehouse.plan().asset, warehouse.plan(name="raw.missing").asset]) == []
    assert tables(warehouse) == before


def test_clean_in_a_database_that_is_not_there_makes_none(make_warehouse):
    warehouse = make_warehouse("duckdb")
    assert clean(warehouse.destination, [warehouse.plan().asset]) == []
    assert not warehouse.path.exists()


def test_clean_removes_the_table_that_a_killed_replacement_left_in_mysql(make_warehouse):
    warehouse = make_warehouse("mysql")
    warehouse.load({"id": [1]})
    with warehouse.destination.session() as session:
        marked = "airflow-materialize " + json.dumps({"table": session.table_id(warehouse.table())})
        session.execute(f"CREATE TABLE raw.orders__new_0a1b (id INT) COMMENT = {session.text(marked)}")
        session.execute("CREATE TABLE raw.orders__new_mine (id INT)")
    [said] = clean(warehouse.destination, [warehouse.plan().asset])
    assert "orders__new_0a1b, which a load that died had left, is removed" in said
    assert tables(warehouse) == {"orders", "orders__new_mine", "_materialize_loads"}


SPILLED = """
import duckdb, os, signal, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("SET memory_limit = '60MB'")
connection.execute("CREATE TEMP TABLE s AS SELECT i, repeat(md5(i::VARCHAR), 3) FROM range(1000000) r(i)")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_duckdb_has_spilled_to_the_disk_goes_with_the_next_load_after_a_kill(make_warehouse):
    warehouse = make_warehouse("duckdb")
    warehouse.load({"id": [1]})
    file = urlsplit(warehouse.url).path
    killed = subprocess.run([sys.executable, "-c", SPILLED, file], check=False)
    beside = Path(f"{file}.tmp")
    assert (killed.returncode, [*beside.glob("*.tmp")] != []) == (-signal.SIGKILL, True)
    # What this process has there, and what is not DuckDB's, stays.
    kept = {f"duckdb_temp_{os.getpid()}_0_owner", "mine"}
    for name in kept:
        (beside / name).touch()
    warehouse.load({"id": [2]}, "append")
    assert {path.name for path in beside.iterdir()} == kept
    for name in kept:
        (beside / name).unlink()
    warehouse.load({"id": [3]}, "append")
    assert not beside.exists()
