"""What the main job costs: from `materialize()` to the table, against the bare work in the same run.

`make bench` prints a table of seconds, the ratio to the bare case of its group, and peak memory. Each case is a process
of its own. `python benchmarks/load.py --rows N --rounds R` changes the size; the median of the rounds is shown.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STRATEGIES = ("create+replace", "append", "delete+insert", "merge")
HEADER = """\
name: bench.orders
connection: warehouse
materialization: {{type: table, strategy: {strategy}{key}}}
columns: [{{name: id, primary_key: true}}]
"""


def table(rows: int) -> Any:
    """Return rows of eight columns of the common types."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = pa.array(range(rows), pa.int64())
    return pa.table(
        {
            "id": ids,
            "day": pc.add(pa.scalar(0, pa.int32()), pc.cast(pc.divide(ids, 10_000), pa.int32())).cast(pa.date32()),
            "amount": pc.divide(pc.cast(ids, pa.float64()), 7.0),
            "name": pc.binary_join_element_wise("customer", pc.cast(ids, pa.string()), "-"),
            "flag": pc.equal(pc.bit_wise_and(ids, 1), 0),
            "small": pc.cast(pc.bit_wise_and(ids, 1023), pa.int16()),
            "moment": pc.cast(pc.multiply(ids, 1_000_000), pa.timestamp("us", "UTC")),
            "text": pc.cast(pc.bit_wise_and(ids, 255), pa.string()),
        }
    )


def bare_duckdb(place: Path, rows: int) -> Callable[[], None]:
    """DuckDB's own CREATE TABLE AS from Arrow in memory."""
    import duckdb

    data = table(rows)

    def work() -> None:
        with duckdb.connect(str(place / "bare.duckdb")) as connection:
            connection.register("data", data)
            connection.execute("CREATE OR REPLACE TABLE orders AS SELECT * FROM data")

    return work


def load(place: Path, rows: int, strategy: str, url: str) -> Callable[[], None]:
    """One load of a sealed file: verified, staged, published, with its ledger row."""
    import pyarrow as pa
    from uuid6 import uuid7

    from airflow_materialize.definition.project import parse_project
    from airflow_materialize.load.ledger import Attempt
    from airflow_materialize.plan.interval import Interval
    from airflow_materialize.plan.planning import plan_run
    from airflow_materialize.plan.run_plan import Trigger
    from airflow_materialize.report import RunReport
    from airflow_materialize.settings import Settings
    from airflow_materialize.staged_file import Manifest, part_path, seal
    from airflow_materialize.steps import load_step
    from airflow_materialize.workplace import Workplace

    (place / "bench").mkdir()
    key = ", incremental_key: day" if strategy == "delete+insert" else ""
    header = HEADER.format(strategy=strategy, key=key)
    (place / "bench" / "orders.py").write_text(f'"""@bruin\n{header}@bruin"""\n')
    (pipeline,) = parse_project(place)
    (parsed,) = pipeline.assets
    interval = Interval(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    trigger = Trigger("bench", str(uuid7()), "manual", datetime.now(UTC), interval)
    plan = plan_run(parsed.asset, pipeline.pipeline, trigger, source=parsed.script, source_hash=parsed.source_hash)
    staged = place / "staged"
    with pa.ipc.new_file(part_path(staged, plan, "1-1"), (data := table(rows)).schema) as writer:
        writer.write_table(data, max_chunksize=65_536)
    file = seal(staged, plan, "1-1")
    manifest = Manifest(plan, RunReport("bench.orders", "data", rows), "1-1", (file,))
    workplace = Workplace(place, "bench", Settings(staged, place / "environments"), {"warehouse": url})
    return lambda: load_step(
        manifest,
        workplace,
        attempt=Attempt(uuid7().hex, 1),
        execution_time=datetime.now(UTC),
        log=logging.getLogger("bench"),
    )


def stage(rows: int, shape: str) -> Callable[[], None]:
    """The child's part: a result of a given shape into an Arrow file."""
    from airflow_materialize.child.adapters import to_batches
    from airflow_materialize.child.writer import StagedWriter

    place = Path(tempfile.mkdtemp())
    results = {
        "Arrow table": lambda: table(rows),
        "pandas": lambda: table(rows).to_pandas(),
        "generator of dicts": lambda: ({"id": n, "name": f"customer-{n}", "amount": n / 7} for n in range(rows)),
    }
    result = results[shape]()

    def work() -> None:
        writer = StagedWriter(str(place / "result.part"))
        for batch in to_batches(result):
            writer.add(batch)
        writer.finish()

    return work


def case(name: str, rows: int) -> Callable[[], None]:
    """Prepare one case, outside of the time that is measured."""
    place = Path(tempfile.mkdtemp())
    group, _, what = name.partition(": ")
    if group == "stage":
        return stage(rows, what)
    if what == "CREATE TABLE AS":
        return bare_duckdb(place, rows)
    return load(place, rows, what, f"{group}:///{place}/warehouse.db")


def measure(name: str, rows: int) -> None:
    """Run one case in this process and print what it took."""
    work = case(name, rows)
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak}))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case")
    options = parser.parse_args()
    if options.case:
        measure(options.case, options.rows)
        return
    names = [
        *(f"stage: {shape}" for shape in ("Arrow table", "pandas", "generator of dicts")),
        "duckdb: CREATE TABLE AS",
        *(f"duckdb: {strategy}" for strategy in STRATEGIES),
        *(f"sqlite: {strategy}" for strategy in STRATEGIES),
    ]
    command = [sys.executable, __file__, "--rows", str(options.rows), "--case"]
    first: dict[str, float] = {}
    print(f"{options.rows:,} rows, median of {options.rounds}\n\n{'case':<28}{'s':>8}{'ratio':>8}{'peak MB':>10}")
    for name in names:
        rounds = [
            json.loads(subprocess.run([*command, name], check=True, capture_output=True, text=True).stdout)
            for _ in range(options.rounds)
        ]
        seconds = statistics.median(each["seconds"] for each in rounds)
        peak = max(each["peak_mb"] for each in rounds)
        base = first.setdefault(name.partition(":")[0], seconds)
        print(f"{name:<28}{seconds:>8.2f}{seconds / base:>8.2f}{peak:>10.0f}", flush=True)


if __name__ == "__main__":
    main()
