"""What it costs until an asset's first line runs, and what a large result takes of memory; beside it Airflow and uv.

`make bench` prints a table of medians, the ratio to the bare case of each group, and the peak memory of user code's
process and of the worker. Each case is a process of its own with an Airflow that has read the DAG, as a task's process
has; the clock runs from `execute` on. All is measured in one run of this script, the cases by turns.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import resource
import runpy
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uv

PACKAGES = ("pandas", "pyarrow")
FIRST = "import resource, sys, time\nprint('FIRST', time.time(), 'pyarrow' in sys.modules)\n"
IMPORTED = "import pandas, pyarrow\nprint('IMPORTED', time.time())\n"
PEAK_OF_WORKER = "PEAK OF WORKER"
ASSET = '"""@bruin\nname: bench\n@bruin"""\n' + FIRST
ROWS = """
def materialize():
    for start in range(0, {rows}, 10_000):
        numbers = range(start, start + 10_000)
        yield [{{"id": n, "day": "2026-04-01", "amount": n / 7, "name": "customer"}} for n in numbers]
    print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
# Each case: the sentence of the table, whether environments are there already, and what counts.
WARM = {
    "bare": "python, started directly",
    "uv": "uv run",
    "ours": "airflow-materialize",
    "venv_cache": "PythonVirtualenvOperator, cached",
    "venv": "PythonVirtualenvOperator",
}
COLD = {
    "steps": "uv's own steps, and the imports",
    "uv": "uv run",
    "ours": "airflow-materialize",
    "venv_cache": "PythonVirtualenvOperator, to be cached",
    "venv": "PythonVirtualenvOperator",
}


SAID = re.compile(r"\b(BEGAN|FIRST|IMPORTED) ([\d.]+)")


DAGS = """
from airflow.providers.standard.operators.python import PythonVirtualenvOperator
from airflow.sdk import DAG
from airflow_materialize import asset_dags

def first_lines():
    import time
    print("FIRST", time.time())
    import pandas, pyarrow
    print("IMPORTED", time.time())

for name, cache in {{"venv": None, "venv_cache": {cache!r}}}.items():
    with DAG(name, schedule=None) as globals()[name]:
        PythonVirtualenvOperator(
            task_id="run", python_callable=first_lines, requirements={packages!r}, system_site_packages=False,
            venv_cache_path=cache,
        )
globals().update(asset_dags(__file__))
"""


def run_task(case: str, place: Path) -> None:
    """Run the one task of a DAG in this process, which prints its log."""
    dag = runpy.run_path(str(place / "dags" / "bench.py"))["shop" if case == "ours" else case]
    (task,) = [task for task in dag.tasks if task.task_id.endswith("run")]
    task._pre_execute_hook = lambda _context: print("BEGAN", time.time())  # noqa: SLF001  # right before `execute`
    if dag.test().state != "success":
        raise SystemExit(f"{case} has failed")


def run_bare(case: str, place: Path) -> None:
    """Do it by hand."""
    script, environment = place / "first.py", place / "bare"
    script.write_text(FIRST + IMPORTED)
    print("BEGAN", time.time(), flush=True)
    if case == "steps":
        install(environment)
    python = str(environment / "bin" / "python")
    with_packages = [argument for package in PACKAGES for argument in ("--with", package)]
    starts: dict[str, list[str]] = {
        "uv": [uv.find_uv_bin(), "run", "--quiet", "--no-project", *with_packages, "python", str(script)],
        "bare": [python, str(script)],
        "steps": [python, str(script)],
    }
    subprocess.run(starts[case], check=True)


def install(environment: Path) -> None:
    """Make an environment as one does by hand: resolve, make, install."""
    wanted = environment.with_suffix(".in")
    wanted.write_text("\n".join(PACKAGES))
    lock, python = str(wanted.with_suffix(".txt")), str(environment / "bin" / "python")
    shutil.rmtree(environment, ignore_errors=True)
    for arguments in (
        ("pip", "compile", "--python", sys.executable, str(wanted), "-o", lock),
        ("venv", "--python", sys.executable, str(environment)),
        ("pip", "install", "--python", python, "--requirements", lock),
    ):
        own = {**os.environ, "UV_LINK_MODE": "copy"}
        subprocess.run([uv.find_uv_bin(), *arguments, "--quiet"], check=True, env=own, stdout=subprocess.DEVNULL)


def run_rows(place: Path, rows: int) -> None:
    """Run an asset that yields rows, and print both peaks: the asset's in its log, then the worker's."""
    from airflow_materialize import materialize

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder = place / "large" / "shop" / "assets"
    folder.mkdir(parents=True, exist_ok=True)
    header = ASSET.replace("bench\n", "bench\nconnection: warehouse\nmaterialization: {type: table}\n")
    (folder / "bench.py").write_text(header + ROWS.format(rows=rows))
    done = materialize(place / "large", connections={"warehouse": f"duckdb:///{place}/large.duckdb"}, only=["run"])
    assert done.rows("bench") == rows
    print(PEAK_OF_WORKER, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def printed(place: Path, *arguments: str) -> str:
    """Do one case in a process of its own, and return what it printed."""
    command = [sys.executable, __file__, "--place", str(place), *arguments]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(done.stdout)
    return done.stdout


def measured(place: Path, case: str) -> dict[str, float]:
    """Return what one case printed, in seconds since its beginning."""
    moments = {kind: float(figure) for kind, figure in SAID.findall(printed(place, "--case", case))}
    return {kind: moment - moments["BEGAN"] for kind, moment in moments.items()}


def prepare(place: Path) -> None:
    """Make the DAGs directory and the metadata database, for this process and those that it starts."""
    own = {
        "AIRFLOW_HOME": "airflow",
        "AIRFLOW__CORE__DAGS_FOLDER": "dags",
        "AIRFLOW__MATERIALIZE__ENVIRONMENTS": "environments",
        "AIRFLOW__MATERIALIZE__STAGED_FILES": "staged",
    }
    os.environ.update({name: str(place / folder) for name, folder in own.items()})
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "false"
    # Ours drops it for user code: with it, every case but ours would spare what it costs to keep compiled files.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    assets = place / "dags" / "shop" / "assets"
    assets.mkdir(parents=True)
    (assets / "bench.py").write_text(ASSET + IMPORTED)
    (assets.parent / "requirements.txt").write_text("\n".join(PACKAGES))
    dags = DAGS.format(cache=str(place / "venvs"), packages=list(PACKAGES))
    (place / "dags" / "bench.py").write_text(dags)
    airflow = str(Path(sys.executable).with_name("airflow"))
    subprocess.run([airflow, "db", "migrate"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def show(title: str, cases: dict[str, str], rounds: int, measure: Callable[[str], float]) -> None:
    """Measure each case, by turns, and print the medians."""
    found: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            found[case].append(measure(case))
    print(f"\n{title}, median of {rounds}")
    base = statistics.median(next(iter(found.values())))
    for case, seconds in found.items():
        median = statistics.median(seconds)
        print(f"  {cases[case]:40} {median:7.3f} s   {median - base:+7.3f} s   ratio {median / base:6.1f}")


def compare(place: Path, rounds: int, rows: int) -> None:
    """Measure everything, and print it."""
    prepare(place)
    for case in ("bare", *COLD):
        # Fills the caches: uv's of wheels, those of compiled files, and each one's environments.
        measured(place, "steps" if case == "bare" else case)

    def cold(case: str) -> float:
        for folder in ("environments", "venvs", "bare"):
            shutil.rmtree(place / folder, ignore_errors=True)
        return measured(place, case)["IMPORTED"]

    show(f"Cold, wheels cached: until {' and '.join(PACKAGES)} are imported", COLD, rounds, cold)
    for case in ("steps", "ours", "venv_cache"):
        measured(place, case)
    show("Warm: until the first line", WARM, rounds, lambda case: measured(place, case)["FIRST"])
    began = time.monotonic()
    said = printed(place, "--rows", str(rows))
    print(f"\nA generator of {rows:,} rows in lists of 10,000 dicts, staged: {time.monotonic() - began:.1f} s")
    peaks = [float(peak) / 1024 for peak in re.findall(r"PEAK(?: OF WORKER)? (\d+)", said)]
    print("  peak memory: asset {:,.0f} MB, worker {:,.0f} MB".format(*peaks))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--place", type=Path)
    parser.add_argument("--case")
    given = parser.parse_args()
    if not given.place:
        with tempfile.TemporaryDirectory() as folder:
            compare(Path(folder), given.rounds, given.rows)
    elif not given.case:
        run_rows(given.place, given.rows)
    else:
        (run_bare if given.case in {"bare", "uv", "steps"} else run_task)(given.case, given.place)


if __name__ == "__main__":
    main()
