"""What `query()` costs an asset: ten million rows of eight columns, against fetching the same Arrow in the worker.

`python benchmarks/queries.py --rows N --rounds R` prints the median seconds, the ratio, and the peak memory of both
processes. All is measured in one run of this script, the cases by turns.
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
from pathlib import Path

TABLE = """
CREATE TABLE t AS SELECT i::BIGINT AS id, DATE '2026-01-01' + (i // 10000)::INT AS day, (i / 7.0)::DOUBLE AS amount,
    'customer-' || i AS name, i % 2 = 0 AS flag, (i & 1023)::SMALLINT AS small,
    TIMESTAMPTZ '2026-01-01' + INTERVAL (i) SECOND AS moment, (i & 255)::VARCHAR AS text FROM range({rows}) r(i)
"""
FETCH = """
import duckdb, json, resource, sys, time
began = time.perf_counter()
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    rows = connection.sql("SELECT * FROM t").to_arrow_table().num_rows
print(json.dumps([rows, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""
ASSET = '''"""@bruin
name: bench
connection: warehouse
@bruin"""
import json, resource, time
import pyarrow
from airflow_materialize.sdk import query
query("SELECT 1")
began = time.perf_counter()
{body}
print("measured", json.dumps([rows, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
'''
BODIES = {
    "query() whole": 'rows = query.arrow("SELECT * FROM t").num_rows',
    "query() in batches": 'rows = sum(b.num_rows for b in query.arrow("SELECT * FROM t", batches=100_000))',
}


class Measured(logging.Handler):
    """Keeps what an asset measured."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line that says it."""
        text = record.getMessage()
        if text.startswith("measured "):
            self.figures = json.loads(text.removeprefix("measured "))


def run_asset(place: Path) -> None:
    """Run the asset in `place`, and print what it measured and this process's peak."""
    from airflow_materialize import materialize

    heard = Measured()
    log = logging.getLogger("airflow_materialize")
    log.addHandler(heard)
    log.setLevel(logging.INFO)
    materialize(place / "bench", connections={"warehouse": f"duckdb:///{place}/bench.duckdb"})
    print(json.dumps([*heard.figures, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))


def case(name: str, place: Path) -> list[float]:
    """Run one case in a process of its own: rows, seconds, and peaks in KiB."""
    if name == "fetch in the worker":
        command = [sys.executable, "-c", FETCH, f"{place}/bench.duckdb"]
    else:
        (place / "bench" / "assets" / "bench.py").write_text(ASSET.format(body=BODIES[name]))
        command = [sys.executable, __file__, "--place", str(place)]
    figures: list[float] = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1]
    )
    return figures


def main() -> None:
    import duckdb

    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--place", type=Path)
    given = parser.parse_args()
    if given.place:
        run_asset(given.place)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "bench" / "assets").mkdir(parents=True)
        with duckdb.connect(f"{place}/bench.duckdb") as connection:
            connection.execute(TABLE.format(rows=given.rows))
        names = ["fetch in the worker", *BODIES]
        found: dict[str, list[list[float]]] = {name: [] for name in names}
        for _ in range(given.rounds):
            for name in names:
                found[name].append(case(name, place))
        base = statistics.median(figures[1] for figures in found[names[0]])
        print(f"{given.rows:,} rows, 8 columns, median of {given.rounds}")
        for name, rounds in found.items():
            seconds = statistics.median(figures[1] for figures in rounds)
            peaks = " / ".join(f"{max(each) / 1024:,.0f}" for each in list(zip(*rounds, strict=True))[2:])
            print(f"{name:22} {seconds:6.2f} s   rate {base / seconds:4.2f}   peak MB (asset / worker) {peaks}")


if __name__ == "__main__":
    main()
