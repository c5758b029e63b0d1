"""A load is ready soon: what takes long to import stays out of it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from airflow_materialize.plan.interval import Interval

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
DAY = Interval(NOON - timedelta(hours=12), NOON + timedelta(hours=12))
KEY = [{"name": "id", "primary_key": True}]

LOADS = """
import json, sys
from concurrent.futures import Future
import pyarrow as pa
from airflow_materialize.connections import resolve
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.load.ledger import Attempt
from airflow_materialize.load.loader import load_table
from airflow_materialize.load.staging import SealedResult
from airflow_materialize.manifest import StagedFile
from airflow_materialize.plan.run_plan import RunPlan

url, path, rows, plans = json.loads(sys.stdin.read())
destination = for_connection(resolve("warehouse", {"warehouse": url}))
opened = Future()
opened.set_result(pa.ipc.open_file(pa.memory_map(path)))
source = SealedResult(StagedFile(path, 0, "0" * 64, rows, "0" * 64), opened)
for plan in plans:
    load_table(source, destination, RunPlan.from_json(plan), Attempt("one", 1))
print(json.dumps([name for name in ("pandas", "polars", "sqlglot") if name in sys.modules]))
"""


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ("append", {"columns": [{"name": "_materialize_load_key", "type": "varchar"}]}),
        ("create+replace", {}),
        ("truncate+insert", {}),
        ("delete+insert", {"incremental_key": "day"}),
        ("delete+insert", {"incremental_key": "moment", "delete_by": "interval", "interval": DAY}),
        ("merge", {"columns": KEY}),
        ("scd2_by_column", {"columns": KEY}),
        ("scd2_by_time", {"columns": KEY, "incremental_key": "moment"}),
    ],
)
def test_a_load_imports_no_frames_and_no_parser_of_sql(warehouse, strategy, options):
    assert imported_by_two_loads(warehouse, strategy, options) == []


def test_a_merge_by_a_unique_index_imports_no_frames_and_no_parser_of_sql(warehouse):
    warehouse.load(rows(warehouse))
    warehouse.run('CREATE UNIQUE INDEX "orders_key" ON {i} ("id")')
    assert imported_by_two_loads(warehouse, "merge", {"columns": KEY}) == []


def rows(warehouse):
    moments = pa.array([NOON, NOON, NOON], pa.timestamp("us", "UTC"))
    columns = {"day": ["a", "b", None], "amount": [1.5, None, 2.5], "flag": [True] * 3, "moment": moments}
    return warehouse.stage({"id": [1, 2, 3], **columns})


def imported_by_two_loads(warehouse, strategy, options):
    """Load the same rows twice in another process, and return what it has imported of what takes long."""
    file = rows(warehouse)
    plans = [warehouse.plan(strategy, run=run, **options).to_json() for run in ("first", "second")]
    done = subprocess.run(
        [sys.executable, "-c", LOADS],
        input=json.dumps([warehouse.url, str(file.path), file.rows, plans]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert warehouse.rows(columns="id")
    return json.loads(done.stdout.splitlines()[-1])
