"""A real Airflow of its own in one folder: API server, scheduler, DAG processor, LocalExecutor, SQLite.

Used by the demo and by the end-to-end tests. Nothing outside the folder is touched, and every process ends with it.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

_ATTEMPTS = 4
SERVICES = ("api-server", "scheduler", "dag-processor")


class LocalAirflow:
    """Airflow in `home`, with its DAGs in `home/dags` and its logs in `home/logs`.

    Args:
        home: The folder; it is made where it is missing.
        environment: More variables for all of its processes, as connections.
        ports: Where the search for a free port of the API server, and of its log server, begins. With 0 it is any port,
            which two of these that start at the same time do not share.
    """

    def __init__(self, home: Path, environment: dict[str, str], ports: tuple[int, int] = (8080, 8793)) -> None:
        self.home = home
        self.dags = home / "dags"
        self.port = free_port(ports[0])
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.token = ""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ", "CI") if name in os.environ}
        trust = {name: value for name, value in os.environ.items() if name.startswith(("SSL_CERT", "UV_", "PIP_"))}
        self.environment = {
            **kept,
            **trust,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "1",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port(ports[1])),
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            **environment,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make the metadata database, start all services and wait until they answer.

        Raises:
            RuntimeError: A service ended, or none answered for two minutes; the message has the end of its log.
        """
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        self.dags.mkdir(exist_ok=True)
        self.cli("db", "migrate")
        for service in SERVICES:
            with (self.home / "logs" / f"{service}.log").open("wb") as log:
                self.processes[service] = subprocess.Popen(
                    [sys.executable, "-m", "airflow", service],
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        self.wait(self._healthy, "Airflow answers", seconds=120)

    def stop(self) -> None:
        """End every service with all that it started."""
        for number, patience in ((signal.SIGTERM, 8.0), (signal.SIGKILL, 5.0)):
            for process in self.processes.values():
                _signal_group(process.pid, number)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline and any(p.poll() is None for p in self.processes.values()):
                time.sleep(0.1)
        self.processes.clear()

    def cli(self, *arguments: str) -> str:
        """Run one `airflow` command and return what it printed.

        Raises:
            RuntimeError: The command failed; the message has its output.
        """
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"airflow {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def backfill(self, dag_id: str, first: str, last: str, *, max_active_runs: int, conf: str = "{}") -> None:
        """Run `airflow backfill create` for the days `first` to `last`, each run with the JSON `conf`.

        SQLite takes one writer at a time, and a run that cannot be written is not tried again. So all else stands still
        for the seconds of the command; where something was stopped amid a write of its own, all is tried again.
        """
        command = ("backfill", "create", "--dag-id", dag_id, "--from-date", first, "--to-date", last)
        for attempt in range(1, _ATTEMPTS + 1):
            self._signal(signal.SIGSTOP)
            try:
                self.cli(*command, "--max-active-runs", str(max_active_runs), "--dag-run-conf", conf)
            except RuntimeError as error:
                if "database is locked" not in str(error) or attempt == _ATTEMPTS:
                    raise
            else:
                return
            finally:
                self._signal(signal.SIGCONT)
            time.sleep(attempt)

    def _signal(self, number: int) -> None:
        for process in self.processes.values():
            os.kill(process.pid, number)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Call the REST API, as `api("GET", "dags/calendar")`, and return the decoded answer."""
        if not self.token:
            with urllib.request.urlopen(f"{self.url}/auth/token", timeout=30) as answer:
                self.token = json.load(answer)["access_token"]
        request = urllib.request.Request(
            f"{self.url}/api/v2/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                # Airflow writes to its audit log before it does anything, and SQLite may be busy just then.
                if error.code != HTTPStatus.INTERNAL_SERVER_ERROR or attempt == _ATTEMPTS:
                    raise
            time.sleep(attempt)
        raise AssertionError(path)

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return all runs of a DAG, the oldest first."""
        return self.api("GET", f"dags/{dag_id}/dagRuns?limit=100&order_by=run_after")["dag_runs"]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of one run."""
        return self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=200")["task_instances"]

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return what a task returned; empty where it returned nothing."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value?deserialize=true"
        try:
            value = self.api("GET", path)["value"]
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return {}
            raise
        return json.loads(value) if isinstance(value, str) else value

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1) -> str:
        """Return the text of one task's log."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}?full_content=true"
        lines: list[str] = []
        for line in self.api("GET", path)["content"]:
            lines.append(str(line.get("event", "")))
            lines += [str(detail["exc_value"]) for detail in line.get("error_detail") or ()]
        return "\n".join(lines)

    def wait(self, what: Callable[[], Any], words: str, *, seconds: float) -> Any:
        """Ask until the answer is true, and return it.

        Raises:
            RuntimeError: It was not true in time, or a service ended.
        """
        deadline = time.monotonic() + seconds
        while not (answer := what()):
            for service, process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{service} ended with {process.returncode}\n{self._tail(service)}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"after {seconds:.0f} s still not: {words}\n{self._tail('scheduler')}")
            time.sleep(0.5)
        return answer

    def wait_for_runs(self, dag_id: str, how_many: int, *, seconds: float) -> Iterator[str]:
        """Wait until so many runs of a DAG have ended, and give a line for each task that ends meanwhile."""
        seen: set[tuple[str, str, int, str]] = set()
        deadline = time.monotonic() + seconds
        while True:
            runs = self.runs(dag_id)
            for run in runs:
                for task in self.tasks(dag_id, run["dag_run_id"]):
                    key = (run["dag_run_id"], task["task_id"], task["try_number"], task["state"])
                    if task["state"] in {"success", "failed", "upstream_failed", "up_for_retry"} and key not in seen:
                        seen.add(key)
                        day = (run["data_interval_start"] or "no interval")[:10]
                        seconds = f"{task['duration'] or 0:5.1f} s"
                        yield f"{day}  {task['task_display_name']:<28} {task['state']:<16}{seconds}"
            if sum(run["state"] in {"success", "failed"} for run in runs) >= how_many:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{dag_id}: after {seconds:.0f} s not all of {how_many} runs have ended")
            time.sleep(1)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/v2/monitor/health", timeout=5) as answer:
                health = json.load(answer)
        except (urllib.error.URLError, OSError):
            return False
        return all((health.get(part) or {}).get("status") == "healthy" for part in ("scheduler", "dag_processor"))

    def _tail(self, service: str) -> str:
        log = self.home / "logs" / f"{service}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-25:]) if log.exists() else ""


def free_port(first: int) -> int:
    """Return the first port from `first` on that nothing listens on at 127.0.0.1; any free one where it is 0."""
    for port in range(first, first + 200) if first else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RuntimeError(f"no free port from {first} to {first + 199}")


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return
