"""Loads in processes of their own, forked from here so that none has to import anything first.

A line of standard input is a load: JSON with `plan`, `file`, `url`, `attempt`, `outcome` (the file to write what came of it
to) and, where something is to happen on the way, `fault`. The answer is a line with the process id.

A fault strikes at a boundary: before or after one of the calls by which a load speaks to its database. They are counted
from 1, so that a campaign can strike at every one of them, whatever a load consists of.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pyarrow as pa

from airflow_materialize.connections import resolve
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.destinations import MODULES
from airflow_materialize.destinations.base import Session, for_connection
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.ledger import Attempt, Ledger
from airflow_materialize.load.loader import load_table
from airflow_materialize.plan.run_plan import RunPlan

CALLS = ("begin", "execute", "rows", "bulk", "commit")


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
                Boundaries.cross("batch")


class Boundaries:
    """Counts the boundaries of this process, and lets the fault strike."""

    seen: ClassVar[list[str]] = []
    at, number = 0, signal.SIGKILL

    @classmethod
    def cross(cls, name: str) -> None:
        cls.seen.append(name)
        if len(cls.seen) == cls.at:
            os.kill(os.getpid(), cls.number)


def watch(session: type[Session]) -> None:
    """Make boundaries of the calls of a session."""
    for name in CALLS:
        inner = getattr(session, name)

        def outer(self, *arguments, _inner=inner, _name=name, **options):
            label = str(arguments[0]).split(None, 1)[0].upper() if _name in {"execute", "rows"} else _name
            Boundaries.cross(f"before {label}")
            result = _inner(self, *arguments, **options)
            Boundaries.cross(f"after {label}")
            return result

        setattr(session, name, outer)


def kinds_below(kind: type[Session]) -> list[type[Session]]:
    """Return the classes below one that nothing inherits from: what sessions are made of."""
    below = kind.__subclasses__()
    return [leaf for each in below for leaf in kinds_below(each)] if below else [kind]


def load(order: dict) -> dict:
    """Do one load and return what came of it."""
    fault = order.get("fault") or {}
    Boundaries.at = fault.get("at", 0)
    Boundaries.number = getattr(signal, fault.get("signal", "SIGKILL"))
    if order.get("without_ledger"):
        without_ledger()
    if order.get("as_large"):
        as_large()
    destination = for_connection(resolve("warehouse", {"warehouse": order["url"]}))
    for kind in kinds_below(Session):
        watch(kind)
    try:
        plan = RunPlan.from_json(order["plan"])
        said = []
        report = load_table(
            ArrowFile(Path(order["file"])), destination, plan, Attempt(*order["attempt"]), progress=said.append
        )
        outcome = {"outcome": report.outcome}
    except MaterializeError as error:
        outcome = {"outcome": "refused", "error": str(error), "kind": type(error).__name__}
    return outcome | {"boundaries": Boundaries.seen}


def without_ledger() -> None:
    """Take the ledger's memory away: campaigns have to notice."""
    Ledger.find = lambda *_: None


def as_large() -> None:
    """Let loads into DuckDB do with few rows what they do with many."""
    package = "airflow_materialize.destinations.duckdb"
    import_module(f"{package}.deleting")._MARKED = import_module(f"{package}.destination")._TEMPORARY_VALUES = 0
    import_module(f"{package}.deleting").LISTED = import_module(f"{package}.listing").LISTED = 7
    import_module(f"{package}.pairing")._SORTED = import_module(f"{package}.parting")._KEYS = 7
    import_module(f"{package}.bulk").part_rows = lambda _: 8


def warm_up() -> None:
    """Do one load of each embedded kind, so that no fork has to import or prepare anything."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "one.arrow")
        with pa.ipc.new_file(file, pa.schema([("id", pa.int64())])) as writer:
            writer.write_batch(pa.record_batch({"id": pa.array([1], pa.int64())}))
        asset = Asset(name="raw.orders", materialization={"type": "table", "strategy": "append"})
        plan = RunPlan(asset, "", "", "", "", "", "manual", None, False, "append", "warehouse")
        for kind in {"duckdb", "sqlite"}.intersection(sys.argv[1:]):
            destination = for_connection(resolve("warehouse", {"warehouse": f"{kind}://{folder}/{kind}.db"}))
            load_table(ArrowFile(file), destination, plan, Attempt("a", 1))
    Boundaries.seen.clear()
    gc.collect()
    gc.freeze()


def main() -> None:
    """Answer each line of standard input by a process."""
    for kind in sys.argv[1:]:
        # A driver that is not installed is told where a test needs it.
        with suppress(ImportError):
            import_module(MODULES[kind])
    warm_up()
    for kind in {"mysql", "postgres"}.intersection(sys.argv[1:]):
        with suppress(MaterializeError):
            resolve("warehouse", {"warehouse": f"{kind}://nobody@localhost/nothing"}).hook()  # imports Airflow
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that were killed
    print("\nready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.dup2(2, 1)  # what libraries print is no answer
            # A process that fails in another way writes no outcome, and the campaign says so with its last words.
            outcome = Path(order["outcome"])
            outcome.with_suffix(".part").write_text(json.dumps(load(order)))
            outcome.with_suffix(".part").rename(outcome)
            os._exit(0)
        print(pid, flush=True)
    os._exit(0)  # DuckDB complains of what is still there at the end of an interpreter


if __name__ == "__main__":
    main()
