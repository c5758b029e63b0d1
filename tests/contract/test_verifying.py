"""A staged file is verified beside what a load does before it needs the rows."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.staging import SealedResult
from airflow_materialize.manifest import StagedFile


def result_of(warehouse, rows):
    file = warehouse.stage({"id": rows})
    opened: Future[pa.ipc.RecordBatchFileReader] = Future()
    return file, opened, SealedResult(StagedFile("a/b/c.arrow", 0, "0" * 64, len(rows), "0" * 64), opened)


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_the_database_is_opened_while_the_file_is_verified(make_warehouse, kind):
    warehouse = make_warehouse(kind)
    file, opened, result = result_of(warehouse, [1, 2])
    with ThreadPoolExecutor(1) as aside:
        loading = aside.submit(warehouse.load, result, plan=warehouse.plan())
        until = time.monotonic() + 60
        while not warehouse.path.exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert (warehouse.path.exists(), loading.done()) == (True, False)
        with pa.ipc.open_file(file.path) as reader:
            opened.set_result(reader)
            assert loading.result().rows_inserted == 2


def test_a_file_that_turns_out_to_be_another_takes_the_load_back(warehouse):
    warehouse.load({"id": [1]})
    ledger = warehouse.ledger()
    _, opened, result = result_of(warehouse, [2])
    opened.set_exception(MaterializeError("The staged file c.arrow is not the one that was sealed"))
    with pytest.raises(MaterializeError, match="is not the one that was sealed") as caught:
        warehouse.load(result, plan=warehouse.plan())
    assert f"Nothing was changed in {warehouse.destination.table('raw.orders')}." in str(caught.value)
    assert (warehouse.rows(), warehouse.ledger()) == ([(1,)], ledger)
