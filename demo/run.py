"""The main job on this machine: the example pipeline under a real scheduler, then a backfill of seven days.

`python demo/run.py` keeps serving the UI until Ctrl-C; with `--once` it ends by itself, with exit code 1 if a run
failed or a row stands twice.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
from local_airflow import LocalAirflow

REPOSITORY = Path(__file__).resolve().parent.parent
PLACE = REPOSITORY / ".demo"
WAREHOUSE = PLACE / "warehouse.duckdb"
DAG = "calendar"
# No row may stand twice: what makes a row one row.
KEYS = {
    "ref.countries": ("code",),
    "ref.holidays": ("date", "country"),
    "ref.sun": ("date", "capital"),
    "mart.working_days": ("month", "country"),
}


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the report")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell that starts the demo in the background has told it to ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    prepare()
    airflow = LocalAirflow(
        PLACE / "airflow",
        {
            "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "duckdb", "host": str(WAREHOUSE)}),
            "AIRFLOW__MATERIALIZE__ENVIRONMENTS": str(PLACE / "environments"),
        },
    )
    with airflow:
        say("starting Airflow: API server, scheduler, DAG processor")
        airflow.start()
        say(f"Airflow answers at {airflow.url} after {time.monotonic() - began:.0f} s")
        good = run_and_backfill(airflow)
        good = report(airflow) and good
        say(f"done after {time.monotonic() - began:.0f} s; every task is at {airflow.url}/dags/{DAG}")
        if not once:
            say("Ctrl-C ends it")
            try:
                signal.pause()
            except KeyboardInterrupt:
                say("stopping")
    return 0 if good else 1


def prepare() -> None:
    """Empty the demo's place, keep its Python environments, and drop the example folder into the DAGs directory."""
    for old in PLACE.glob("*"):
        if old.name != "environments":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    shutil.copytree(REPOSITORY / "example_dags", PLACE / "airflow" / "dags")


def run_and_backfill(airflow: LocalAirflow) -> bool:
    """Let the scheduler run the newest interval, then backfill the seven days before it.

    Returns whether all runs succeeded.
    """
    airflow.wait(lambda: DAG in _dag_ids(airflow), f"the DAG {DAG} appears", seconds=60)
    say(f"the DAG {DAG} is there; it is unpaused now")
    airflow.api("PATCH", f"dags/{DAG}", {"is_paused": False})
    airflow.wait(lambda: airflow.runs(DAG), "the scheduler starts a run", seconds=60)
    for line in airflow.wait_for_runs(DAG, 1, seconds=240):
        say(line)
    newest = date.fromisoformat(airflow.runs(DAG)[-1]["data_interval_start"][:10])
    first, last = newest - timedelta(days=7), newest - timedelta(days=1)
    say(f"backfilling {first} to {last}, four days at a time")
    airflow.backfill(DAG, str(first), str(last), max_active_runs=4)
    for line in airflow.wait_for_runs(DAG, 8, seconds=300):
        say(line)
    states = [run["state"] for run in airflow.runs(DAG)]
    say(f"runs: {states.count('success')} succeeded, {len(states) - states.count('success')} did not")
    return states.count("success") == len(states) == 8


def report(airflow: LocalAirflow) -> bool:
    """Print the loaded tables, and return whether each has rows and no key stands twice."""
    runs = [run["dag_run_id"] for run in airflow.runs(DAG)]
    tasks = [task for run in runs for task in airflow.tasks(DAG, run)]
    good = True
    with duckdb.connect(str(WAREHOUSE), read_only=True) as warehouse:
        counts = f"{'rows':>7}{'keys twice':>12}{'loads':>7}{'superseded':>12}{'no data':>9}"
        print(f"\n{'table':<20}{counts}{'tasks':>19}{'time':>9}")
        for table, key in KEYS.items():
            schema, name = table.split(".")
            rows, distinct = warehouse.execute(
                f'SELECT count(*), count(DISTINCT ({", ".join(key)})) FROM "{schema}"."{name}"'  # noqa: S608  # above
            ).fetchall()[0]
            ledger = f'SELECT count(*) FROM "{schema}"._materialize_loads WHERE asset = ?'  # noqa: S608  # above
            loads = warehouse.execute(ledger, [table]).fetchall()[0][0]
            own = [task for task in tasks if task["task_id"].startswith(f"{schema}__{name}.")]
            succeeded = sum(task["state"] == "success" for task in own)
            seconds = sum(task["duration"] or 0 for task in own)
            states = f"{succeeded} of {len(own)} succeeded"
            outcomes = [airflow.xcom(DAG, run, f"{schema}__{name}.load").get("outcome") for run in runs]
            counted = f"{loads:>7}{outcomes.count('superseded'):>12}{outcomes.count('no_data'):>9}"
            print(f"{table:<20}{rows:>7}{rows - distinct:>12}{counted}{states:>19}{seconds:>7.1f} s")
            good = good and rows == distinct and rows > 0
    print("A run whose interval is older than the one in a replaced table is superseded: it changes nothing.\n")
    return good


def _dag_ids(airflow: LocalAirflow) -> set[str]:
    return {dag["dag_id"] for dag in airflow.api("GET", "dags")["dags"]}


def say(text: str) -> None:
    """Print one line with the time."""
    print(f"{datetime.now(UTC):%H:%M:%S}  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
