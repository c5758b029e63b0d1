"""A database to strike at, and loads in processes of their own on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from airflow_materialize.connections import resolve
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.load.ledger import TABLE as LEDGER
from airflow_materialize.plan.interval import Interval
from airflow_materialize.plan.run_plan import RunPlan

TASK = "01930000-0000-7000-8000-{:012x}"
LONGEST = 120.0
"""Seconds after which a load counts as hanging."""

Row = tuple[int, str]

OPTIONS = {
    "create+replace": {},
    "append": {},
    "delete+insert": {"incremental_key": "id"},
    "merge": {},
    "truncate+insert": {},
}
"""Strategies that may follow each other on one table, each with what it needs."""

HISTORY = "scd2_by_column"
"""Keeps former versions in columns that the others do not know."""

INDEXED = "merge by a unique index"
"""A merge for which databases have other statements: its table has a unique index on the key, which an append would break."""


def after(strategy: str, rows: Iterable[Row], table: Counter[Row]) -> Counter[Row]:
    """Return what a table holds after a load: the whole of this project's promise, in ten lines.

    No two loads bring the same row, so a history takes all rows of each.
    """
    new = Counter(rows)
    if strategy in {"create+replace", "truncate+insert"}:
        return new
    if strategy in {"append", HISTORY}:
        return table + new
    keys = {key for key, _ in new}
    return Counter({row: count for row, count in table.items() if row[0] not in keys}) + new


@dataclass
class Loading:
    """A load in a process of its own."""

    pid: int
    file: Path

    def kill(self) -> None:
        """Kill it, and see that it is gone."""
        self.signal(signal.SIGKILL)
        while self.alive():
            time.sleep(0.0005)

    def signal(self, number: int) -> None:
        """Send a signal; to one that has ended, none."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def alive(self) -> bool:
        """Whether the process is there."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def stopped(self) -> bool:
        """Whether it stands still."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        except OSError:
            return False

    def outcome(self, seconds: float = LONGEST) -> dict:
        """Wait for the end and return what came of it; nothing where it was killed."""
        end = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > end:
                raise AssertionError(f"a load hangs: process {self.pid}")
            time.sleep(0.001)
        return json.loads(self.file.read_text()) if self.file.exists() else {"outcome": "killed", "boundaries": []}


@dataclass
class Place:
    """One database with one table, `raw.orders`, and a process that loads are forked from."""

    kind: str
    url: str
    folder: Path
    nursery: subprocess.Popen[str]
    anew: Callable[[], None]
    name: str = "raw.orders"
    without_ledger: bool = False
    as_large: bool = False
    count: int = 0
    model: Counter[Row] = field(default_factory=Counter)

    def stage(self, rows: Iterable[Row], batch: int = 25) -> Path:
        """Write rows to an Arrow file."""
        self.count += 1
        path = self.folder / f"{self.count}.arrow"
        listed = list(rows)
        table = pa.table({"id": pa.array([key for key, _ in listed], pa.int64()), "v": [word for _, word in listed]})
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=batch)
        return path

    def plan(self, strategy: str, run: str, interval: tuple[datetime, datetime] | None = None) -> RunPlan:
        """Return the plan of one DAG run."""
        strategy = "merge" if strategy == INDEXED else strategy
        asset = Asset.model_validate(
            {
                "name": self.name,
                "columns": [{"name": "id", "primary_key": strategy in {"merge", HISTORY}}],
                "materialization": {"type": "table", "strategy": strategy, **OPTIONS.get(strategy, {})},
            }
        )
        return RunPlan(
            asset=asset, pipeline="sales", source="sales/assets/orders.py", source_hash="0" * 64, dag_id="sales",
            run_id=run, run_type="manual", interval=Interval(*interval) if interval else None, full_refresh=False,
            strategy=strategy, connection="warehouse",
        )  # fmt: skip

    def start(
        self, plan: RunPlan, file: Path, *, number: int = 1, task: int = 1, fault: dict | None = None, url: str = ""
    ) -> Loading:
        """Start a load."""
        self.count += 1
        outcome = self.folder / f"{self.count}.outcome"
        order = {
            "plan": plan.to_json(), "file": str(file), "attempt": [TASK.format(task), number], "outcome": str(outcome),
            "url": url or self.url, "fault": fault, "without_ledger": self.without_ledger,
            "as_large": self.as_large,
        }  # fmt: skip
        assert self.nursery.stdin
        assert self.nursery.stdout
        print(json.dumps(order), file=self.nursery.stdin, flush=True)
        return Loading(int(self.nursery.stdout.readline()), outcome)

    def load(self, strategy: str, rows: Iterable[Row], run: str) -> dict:
        """Load without a fault, and keep the model in step."""
        listed = list(rows)
        outcome = self.start(self.plan(strategy, run), self.stage(listed)).outcome()
        self.model = after(strategy, listed, self.model)
        return outcome

    def base(self, strategy: str, rows: Iterable[Row], run: str) -> None:
        """Begin with a small table of its own for a strategy."""
        if strategy in {HISTORY, INDEXED}:
            self.anew()
            self.model = Counter()
        self.load(HISTORY if strategy == HISTORY else "create+replace", rows, run)
        if strategy == INDEXED:
            destination = for_connection(resolve("warehouse", {"warehouse": self.url}))
            with destination.session() as session, session.transaction():
                table = session.name_of(destination.table(self.name))
                # Its index goes by the table alone.
                table = session.quote(self.name) if self.kind == "sqlite" else table
                session.execute(f"CREATE UNIQUE INDEX one_of_each ON {table} (id)")

    def rows(self) -> Counter[Row] | None:
        """Return what the table holds, None where there is none."""
        destination = for_connection(resolve("warehouse", {"warehouse": self.url}))
        table = destination.table(self.name)
        with destination.session(read_only=True) as session:
            if not session.kind(table):
                return None
            return Counter(session.rows(f"SELECT {session.quote('id')}, v FROM {session.name_of(table)}"))

    def tables(self) -> set[str]:
        """Return the names of all tables of the database."""
        destination = for_connection(resolve("warehouse", {"warehouse": self.url}))
        query = {
            "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
        }.get(
            self.kind,
            "SELECT table_name FROM information_schema.tables WHERE table_schema NOT IN"
            " ('information_schema', 'pg_catalog', 'mysql', 'sys', 'performance_schema')",
        )
        with destination.session(read_only=True) as session:
            return {name for (name,) in session.rows(query)}

    def leftovers(self) -> set[str]:
        """Return tables that nobody asked for."""
        expected = {self.name if self.kind == "sqlite" else "orders", LEDGER}
        return self.tables() - expected

    def committed(self) -> list[str]:
        """Return the run ids of the ledger in the order of their commits."""
        destination = for_connection(resolve("warehouse", {"warehouse": self.url}))
        target = destination.table(self.name)
        with destination.session(read_only=True) as session:
            ledger = session.name_of(type(target)(LEDGER, target.schema, target.catalog))
            return [run for (run,) in session.rows(f"SELECT run_id FROM {ledger} ORDER BY committed_at")]

    def tidy(self) -> None:
        """Remove the files of loads that are over."""
        for path in [*self.folder.glob("*.arrow"), *self.folder.glob("*.outcome"), *self.folder.glob("*.part")]:
            path.unlink()


@contextmanager
def nursery_of(kinds: Iterable[str]) -> Iterator[subprocess.Popen[str]]:
    """Start the process that loads are forked from."""
    command = [sys.executable, str(Path(__file__).with_name("loader.py")), *kinds]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        # What libraries print while they are imported stands before it.
        if "ready\n" not in iter(process.stdout.readline, ""):
            raise AssertionError("the process that loads are forked from did not start")
        yield process
        process.stdin.close()


EMBEDDED = frozenset({"duckdb", "sqlite"})


def place_of(kind: str, folder: Path, nursery: subprocess.Popen[str], empty_database: Callable[[str], str]) -> Place:
    """Return an empty database of a kind.

    Args:
        kind: The type of its connection.
        folder: For its files.
        nursery: The process that loads are forked from.
        empty_database: Empties the database on a server and returns its URL.
    """

    def empty_file() -> None:
        for path in folder.glob("shop.db*"):
            path.unlink()

    url = f"{kind}://{folder}/shop.db" if kind in EMBEDDED else empty_database(kind)
    anew = empty_file if kind in EMBEDDED else lambda: (empty_database(kind), None)[1]
    # The schema of MySQL is the database, and this one may make no other.
    return Place(kind, url, folder, nursery, anew, "orders" if kind == "mysql" else "raw.orders")
