from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest
from hostile import write_spies
from local_airflow import LocalAirflow

# A secret of the platform. Nothing that this package writes may hold it.
CANARY = "canary-e7b1f0c2a9"
PROJECT = Path(__file__).parent / "project"


class Deployment:
    """A running Airflow with the test project in its DAGs directory, and its warehouse."""

    def __init__(self, airflow: LocalAirflow, warehouse: Path, news: list[dict]) -> None:
        self.airflow = airflow
        self.warehouse = warehouse
        self.news = news  # What was posted to the connection of that name.

    @property
    def canaries(self) -> list[str]:
        """Secrets of the platform: nothing that this package writes may hold them."""
        return [CANARY, self.airflow.environment["AIRFLOW__API_AUTH__JWT_SECRET"]]

    def rows(self, sql: str) -> list[tuple]:
        """Ask the warehouse, waiting for a load that has the file open."""

        def ask() -> list[list[tuple]] | None:
            try:
                with duckdb.connect(str(self.warehouse), read_only=True) as connection:
                    return [connection.execute(sql).fetchall()]
            except duckdb.IOException:
                return None

        return self.airflow.wait(ask, "the warehouse can be read", seconds=30)[0]

    def unpause(self, dag_id: str) -> None:
        self.airflow.wait(lambda: self.has(dag_id), f"the DAG {dag_id} appears", seconds=60)
        self.airflow.api("PATCH", f"dags/{dag_id}", {"is_paused": False})

    def has(self, dag_id: str) -> bool:
        return dag_id in {dag["dag_id"] for dag in self.airflow.api("GET", "dags?limit=100")["dags"]}

    def trigger(self, dag_id: str, day: str, conf: dict | None = None) -> str:
        """Start a manual run of one day's interval and return its id."""
        start = f"{day}T00:00:00Z"
        end = f"{day[:8]}{int(day[8:]) + 1:02d}T00:00:00Z"
        body = {
            "logical_date": end,
            "data_interval_start": start,
            "data_interval_end": end,
            "conf": conf or {},
        }
        return self.airflow.api("POST", f"dags/{dag_id}/dagRuns", body)["dag_run_id"]

    def finished(self, dag_id: str, run_id: str, *, seconds: float = 120) -> dict[str, str]:
        """Wait for the end of one run and return the state of each task."""

        def ended() -> bool:
            return self.airflow.api("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"] in {"success", "failed"}

        self.airflow.wait(ended, f"{run_id} of {dag_id} ends", seconds=seconds)
        return {task["task_id"]: task["state"] for task in self.airflow.tasks(dag_id, run_id)}

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        body = {"dag_run_id": run_id, "task_ids": list(task_ids), "only_failed": False, "dry_run": False}
        self.airflow.api("POST", f"dags/{dag_id}/clearTaskInstances", body)


class Post(BaseHTTPRequestHandler):
    """Keeps the JSON that it is sent."""

    def do_POST(self) -> None:
        self.server.news.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="session")
def web() -> Iterator[ThreadingHTTPServer]:
    """A web server for notifications."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Post) as server:
        server.news = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def deployment(
    tmp_path_factory: pytest.TempPathFactory, environments: Path, web: ThreadingHTTPServer
) -> Iterator[Deployment]:
    home = tmp_path_factory.mktemp("airflow")
    warehouse = home / "warehouse.duckdb"
    shutil.copytree(PROJECT, home / "dags")
    shutil.copytree(PROJECT / "days", home / "dags" / "week")
    for file in (home / "dags" / "week").rglob("*.*"):
        file.write_text(file.read_text().replace("name: days", "name: week").replace("days.", "week."))
    write_spies(home / "dags" / "spies" / "assets", CANARY, name="spies.{}")
    days = (PROJECT / "days" / "pipeline.yml").read_text()
    (home / "dags" / "spies" / "pipeline.yml").write_text(days.replace("name: days", "name: spies"))
    late = {"conn_type": "duckdb", "host": str(home / "not_yet" / "late.duckdb"), "login": CANARY}
    settings = {
        "AIRFLOW_CONN_LATE": json.dumps(late),
        "AIRFLOW_CONN_NEWS": json.dumps({"conn_type": "http", "host": "127.0.0.1", "port": web.server_address[1]}),
        "AIRFLOW_CONN_OTHER": json.dumps({"conn_type": "http", "host": "nowhere", "password": CANARY}),
        "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "duckdb", "host": str(warehouse)}),
        "AIRFLOW__MATERIALIZE__ENVIRONMENTS": str(environments),
    }
    with LocalAirflow(home, settings, ports=(0, 0)) as airflow:
        airflow.start()
        yield Deployment(airflow, warehouse, web.news)
