"""What a load costs: from a staged file to the table, beside the quickest that each database can do in the same run.

`make bench` prints a table for each database: seconds, how much of the limit's speed that is, and the memory that a
case shares with nobody. Each case is a process of its own; the cases of a round follow each other, so that a slow
minute of the machine is shared by all; medians of all rounds are shown. `python benchmarks/load.py --rows N
--rounds R --kinds duckdb postgres --data lineitem --peers` changes what is measured.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import load_cases  # found beside this file
import load_data
import load_peers
from databases import SERVERS, databases

CASES = (
    "limit",
    "bulk",
    "create+replace",
    "append",
    "delete+insert",
    "merge",
    "merge, unique index",
    "merge, all over",
)
STAGED = ("Arrow table", "pandas", "generator of dicts")
PEERS = ("ours", "ingestr", "dlt")


def stage(rows: int, shape: str) -> Callable[[], None]:
    """Prepare the child's part: a result of a given shape into an Arrow file."""
    from airflow_materialize.child.adapters import to_batches
    from airflow_materialize.child.writer import StagedWriter

    place = Path(tempfile.mkdtemp())
    results = {
        "Arrow table": lambda: load_data.eight(rows),
        "pandas": lambda: load_data.eight(rows).to_pandas(),
        "generator of dicts": lambda: ({"id": n, "name": f"customer-{n}", "amount": n / 7} for n in range(rows)),
    }
    result = results[shape]()

    def work() -> None:
        writer = StagedWriter(str(place / "result.part"))
        for batch in to_batches(result):
            writer.add(batch)
        writer.finish()

    return work


def case(name: str, file: Path, fresh: Path, url: str, place: Path) -> Callable[[], None]:
    """Prepare one case of a database, outside of the time that is measured.

    Args:
        name: One of CASES.
        file: The rows.
        fresh: Rows to merge.
        url: An empty database.
        place: A folder of its own.
    """
    if name == "limit":
        return load_cases.limit(place, file, url)
    if name == "bulk":
        return load_cases.bulk(place, file, url)
    if not name.startswith("merge"):
        return load_cases.load(place, file, name, url)
    load_cases.load(place, file, "create+replace", url)()
    if name == "merge, unique index":
        table = {"sqlite": '"bench.orders"', "mysql": "orders"}.get(url.partition(":")[0], "bench.orders")
        load_cases.run(url, f"CREATE UNIQUE INDEX orders_key ON {table} (id)")
    return load_cases.load(place, fresh, "merge", url)


class Memory:
    """The most memory that this process shares with nobody, looked at every few milliseconds; mapped files are not."""

    def __init__(self) -> None:
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            status = Path("/proc/self/status").read_text()
            (line,) = (line for line in status.splitlines() if line.startswith("RssAnon"))
            self.peak = max(self.peak, int(line.split()[1]) // 1024)


def measure(work: Callable[[], None]) -> None:
    """Do the work in this process and print what it took."""
    with Memory() as memory:
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "mb": memory.peak}))


@contextmanager
def empty(kind: str, folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database."""
    if kind not in SERVERS:
        yield f"{kind}://{folder}/warehouse.db"
        return
    with databases() as database:
        yield database(kind).url


def one(kind: str, name: str, file: Path, fresh: Path) -> dict[str, float]:
    """Run one case in a process of its own."""
    place = Path(tempfile.mkdtemp())
    try:
        with empty(kind, place) as url:
            command = [sys.executable, __file__, "--case", name, str(file), str(fresh), url, str(place)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
    finally:
        shutil.rmtree(place)
    if done.returncode:
        raise SystemExit(f"{kind}: {name} failed:\n{done.stderr}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(title: str, names: tuple[str, ...], once: Callable[[str], dict[str, float]], rounds: int) -> None:
    """Print a table whose first row is what the others are compared with."""
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for _ in range(rounds):
        for name in names:
            found[name].append(once(name))
    base = statistics.median(each["seconds"] for each in found[names[0]])
    print(f"\n{title}, median of {rounds}\n\n{'case':<24}{'s':>8}{'speed':>8}{'own MB':>8}")
    for name in names:
        seconds = statistics.median(each["seconds"] for each in found[name])
        peak = max(each.get("mb", 0) for each in found[name])
        print(f"{name:<24}{seconds:>8.2f}{base / seconds:>8.2f}{peak:>8.0f}", flush=True)


def peers(files: tuple[Path, Path, Path], rounds: int) -> None:
    """Print what the same rows take other tools: a process less one with a single row. Ours is the load alone.

    Args:
        files: The rows, those to merge into them, and a single one.
        rounds: How often.
    """
    for how, title in (("replace", "replace"), ("merge", "merge into the replaced table")):
        found = defaultdict(list)
        for _ in range(rounds):
            for name in PEERS:
                place = Path(tempfile.mkdtemp())
                with databases() as database:
                    found[name].append(_peer(name, how, files, database("postgres").url, place))
                shutil.rmtree(place)
        ours = statistics.median(found["ours"])
        print(f"\npostgres, {title}, median of {rounds}\n\n{'tool':<24}{'s':>8}{'times ours':>12}")
        for name in PEERS:
            seconds = statistics.median(found[name])
            print(f"{name:<24}{seconds:>8.2f}{seconds / ours:>12.2f}", flush=True)


def _peer(name: str, how: str, files: tuple[Path, Path, Path], url: str, place: Path) -> float:
    file, fresh, single = files
    if name != "ours":
        tool = {"ingestr": load_peers.ingestr, "dlt": load_peers.dlt}[name]
        # The first one compiles what it imports.
        _, start = (tool(single, url, "replace", place / "home") for _ in range(2))
        replaced = tool(file, url, "replace", place / "home")
        return (replaced if how == "replace" else tool(fresh, url, how, place / "home")) - start
    strategy = "create+replace" if how == "replace" else "merge, unique index"
    command = [sys.executable, __file__, "--case", strategy, str(file), str(fresh), url, str(place)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="*", default=["duckdb", "sqlite", "postgres", "mysql"])
    parser.add_argument("--data", choices=["eight", "lineitem"], default="eight")
    parser.add_argument("--cases", nargs="+", default=CASES, choices=CASES)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--stage", action="store_true")
    parser.add_argument("--case", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--staging", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        name, file, fresh, url, place = options.case
        return measure(case(name, Path(file), Path(fresh), url, Path(place)))
    if options.staging:
        return measure(stage(options.rows, options.staging))
    folder = Path(tempfile.mkdtemp())
    try:
        file, fresh, single, spread = (folder / f"{name}.arrow" for name in ("rows", "fresh", "single", "spread"))
        rows = load_data.eight(options.rows) if options.data == "eight" else load_data.lineitem(options.rows, folder)
        load_data.write(rows, file)
        load_data.write(rows.slice(0, 1), single)
        half = max(1, options.rows // 10)
        shifted = rows.slice(options.rows - half)
        moved = shifted.set_column(0, "id", load_data.eight(half, options.rows)["id"])
        load_data.write(_joined(shifted, moved), fresh)
        load_data.write(load_data.changed(rows, step=10), spread)
        del rows
        title = f"{options.rows:,} rows of {options.data}; merges of {2 * half:,}, half of them new, and of one in ten"
        merged = {"merge, all over": spread}
        for kind in options.kinds:
            table(
                f"{kind}: {title}",
                tuple(options.cases),
                lambda name, kind=kind: one(kind, name, file, merged.get(name, fresh)),
                options.rounds,
            )
        if options.stage:
            _stages(options.rows, options.rounds)
        if options.peers:
            peers((file, fresh, single), options.rounds)
    finally:
        shutil.rmtree(folder)
    return None


def _joined(*tables: object) -> object:
    import pyarrow as pa

    return pa.concat_tables(tables)


def _stages(rows: int, rounds: int) -> None:
    def once(name: str) -> dict[str, float]:
        command = [sys.executable, __file__, "--rows", str(rows), "--staging", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return dict(json.loads(done.stdout.splitlines()[-1]))

    table(f"into the staged file: {rows:,} rows", STAGED, once, rounds)


if __name__ == "__main__":
    main()
