"""Loads in processes of their own, each forked from here so that none has to import anything first.

A line of standard input is a load: JSON with `plan`, `file`, `url`, `try`, and `outcome`, the file to write what came of
it to. The answer is a line with the process id.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import pyarrow as pa
import sqlglot.dialects.duckdb
import sqlglot.dialects.sqlite  # noqa: F401  # before the fork

from airflow_materialize.connections import resolve
from airflow_materialize.destinations import duckdb, sqlite  # noqa: F401  # before the fork
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.load.ledger import Attempt
from airflow_materialize.load.loader import load_table
from airflow_materialize.plan.run_plan import RunPlan


class ArrowFile:
    """An Arrow file on disk, as the loader takes it."""

    def __init__(self, path: Path) -> None:
        self.path, self.id = path, path.name
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        with pa.ipc.open_file(path) as reader:
            self.schema = reader.schema
            self.rows = sum(reader.get_batch(index).num_rows for index in range(reader.num_record_batches))

    def batches(self):
        with pa.ipc.open_file(self.path) as reader:
            for index in range(reader.num_record_batches):
                yield reader.get_batch(index)


def load(order: dict) -> str:
    """Do one load and return its outcome, or the error."""
    destination = for_connection(resolve("warehouse", {"warehouse": order["url"]}))
    attempt = Attempt("01930000-0000-7000-8000-000000000001", order["try"])
    try:
        plan = RunPlan.from_json(order["plan"])
        return load_table(ArrowFile(Path(order["file"])), destination, plan, attempt).outcome
    except Exception as error:  # noqa: BLE001
        return repr(error)


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that were killed
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            outcome = Path(order["outcome"])
            outcome.with_suffix(".part").write_text(load(order))
            outcome.with_suffix(".part").rename(outcome)
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
