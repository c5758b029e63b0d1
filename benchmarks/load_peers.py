"""The same rows by other tools, each in an environment of its own: `ingestr` and `dlt`, into PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

UV = str(Path(sys.executable).with_name("uv"))

_DLT = """
import sys, time
import dlt, pyarrow as pa
file, url, how = sys.argv[1:]
reader = pa.ipc.open_file(pa.memory_map(file))
batches = (pa.Table.from_batches([reader.get_batch(n)]) for n in range(reader.num_record_batches))
pipeline = dlt.pipeline("bench", destination=dlt.destinations.postgres(url), dataset_name="bench_dlt")
pipeline.run(batches, table_name="orders", write_disposition=how, primary_key="id")
"""


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    # Neither tells its makers that it was measured.
    silent = {"RUNTIME__DLTHUB_TELEMETRY": "false", "INGESTR_DISABLE_TELEMETRY": "true"}
    # dlt wants a password also where the server asks for none.
    return kept | silent | {"HOME": str(home), "CREDENTIALS__PASSWORD": "none"}


def _timed(command: list[str], home: Path) -> float:
    home.mkdir(exist_ok=True)
    began = time.perf_counter()
    done = subprocess.run(command, check=False, env=_environment(home), cwd=home, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - began


def dlt(file: Path, url: str, how: str, home: Path) -> float:
    """Return the seconds that dlt takes; `how` is `replace` or `merge`."""
    python = ["run", "--quiet", "--no-project", "--with", "dlt[postgres]", "--with", "pyarrow", "python"]
    address = url.replace("postgres://", "postgresql://", 1)
    subprocess.run([UV, *python, "-c", "import dlt"], check=True, env=_environment(home), capture_output=True)
    return _timed([UV, *python, "-c", _DLT, str(file), address, how], home)


def ingestr(file: Path, url: str, how: str, home: Path) -> float:
    """Return the seconds that ingestr takes. Its releases from 1 on fetch a program when they first run."""
    tool = [UV, "tool", "run", "--quiet", "--from", "ingestr<1", "ingestr"]
    subprocess.run([*tool, "--version"], check=False, env=_environment(home), capture_output=True)
    address = url.replace("postgres://", "postgresql://", 1) + "?sslmode=disable"
    command = [
        *tool, "ingest", "--yes", "--progress", "log", "--source-uri", f"mmap://{file}", "--source-table", "orders",
        "--dest-uri", address, "--dest-table", "bench_ingestr.orders", "--incremental-strategy", how,
        "--primary-key", "id",
    ]  # fmt: skip
    return _timed(command, home)
