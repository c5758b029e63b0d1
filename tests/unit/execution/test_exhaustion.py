"""What an asset may use, and what is said when it uses more."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from airflow_materialize.definition.model.resources import Resources
from airflow_materialize.execution.limits import MOST_PROCESSES, Limits, limits_of
from airflow_materialize.execution.warden import kernel

pytestmark = pytest.mark.skipif(not kernel.LINUX, reason="other systems do not keep these limits")

MEMORY = Limits(memory=400_000_000)


def test_limits_are_those_of_the_header_a_thousand_processes_and_half_of_the_threads_of_the_machine():
    most = min(int(Path(f"/proc/sys/kernel/{name}").read_text()) for name in ("pid_max", "threads-max"))
    assert limits_of(Resources()) == Limits(processes=MOST_PROCESSES, threads=most // 2)
    asked = Resources.model_validate(
        {"memory": "2GiB", "cpu_time": "1.5m", "file_size": "10 MB", "processes": 4, "open_files": 64}
    )
    numbers = {"memory": 2 * 2**30, "cpu": 90, "file": 10_000_000, "files": 64, "processes": 4}
    assert limits_of(asked) == Limits(**numbers, threads=most // 2)


@pytest.mark.parametrize(
    "text",
    [
        "def materialize():\n    held = b'x' * 800_000_000\n",
        "import pyarrow\ndef materialize():\n    held = pyarrow.allocate_buffer(800_000_000)\n",
        "def materialize():\n    for number in range(10**9):\n        yield {'n': [b'x' * 10**6] * 10**6}\n",
        "def materialize():\n    held = []\n    while True:\n        held.append(bytes(10**6))\n",
    ],
)
def test_memory_beyond_the_limit_is_refused_and_the_limit_is_named(run, plain_environment, text):
    said = run.failure(plain_environment, text, limits=MEMORY)
    assert "MemoryError" in said
    assert "its peak memory was " in said
    assert "the limit of each process is 400 MB (resources.memory)" in said
    assert "yield the result in parts, as a generator, or raise the limit" in said


def test_an_asset_with_enough_memory_does_not_notice_its_limit(run, plain_environment):
    text = "import pyarrow as pa\ndef materialize():\n    return pa.table({'n': range(1_000_000)})\n"
    assert not run(plain_environment, text, limits=MEMORY).failed


def test_processor_time_beyond_the_limit_ends_it(run, plain_environment):
    said = run.failure(plain_environment, "def materialize():\n    while True: pass\n", limits=Limits(cpu=1))
    assert "it took more processor time than its limit of 1 s (resources.cpu_time)" in said


def test_who_ignores_the_signal_of_the_limit_is_killed_a_little_later(run, plain_environment):
    text = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\ndef materialize():\n    while True: pass\n"
    said = run.failure(plain_environment, text, limits=Limits(cpu=1))
    assert "it took more processor time than its limit of 1 s (resources.cpu_time)" in said


def test_a_file_beyond_the_limit_is_refused(run, plain_environment):
    text = "def materialize():\n    with open('large', 'wb') as file:\n        file.write(bytes(3_000_000))\n"
    said = run.failure(plain_environment, text, limits=Limits(file=2_000_000))
    assert "File too large (larger than its limit of 2.0 MB (resources.file_size))" in said


def test_a_result_beyond_the_limit_of_files_is_refused(run, plain_environment):
    text = "import os\ndef materialize():\n    for _ in range(40):\n        yield {'x': os.urandom(100_000)}\n"
    said = run.failure(plain_environment, text, limits=Limits(file=2_000_000))
    assert "(resources.file_size)" in said


def test_a_program_that_writes_too_much_gets_the_signal(run, plain_environment):
    text = """
        import os, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        def materialize():
            with open("large", "wb") as file:
                file.write(bytes(3_000_000))
    """
    said = run.failure(plain_environment, text, limits=Limits(file=2_000_000))
    assert "it wrote a file larger than its limit of 2.0 MB (resources.file_size)" in said


def test_too_many_open_files_are_refused(run, plain_environment):
    text = "def materialize():\n    held = [open('/dev/null') for _ in range(100)]\n"
    said = run.failure(plain_environment, text, limits=Limits(files=64))
    assert "(the limit is 64 (resources.open_files))" in said


def test_too_many_processes_end_it(run, plain_environment):
    text = """
        import subprocess, time
        def materialize():
            held = [subprocess.Popen(["sleep", "600"]) for _ in range(30)]
            time.sleep(600)
    """
    said = run.failure(plain_environment, text, limits=Limits(processes=10))
    assert "it had more than 10 processes at once (resources.processes)" in said


def test_no_core_is_written_whatever_the_limits(run, plain_environment, records):
    text = "import resource\nprint(resource.getrlimit(resource.RLIMIT_CORE))\n"
    assert not run(plain_environment, text, kind="script").failed
    assert ("INFO", "(0, 0)") in records.lines


@pytest.mark.parametrize(
    "ending", ["import os; os._exit(0)", "raise SystemExit(0)", "import os; os.kill(os.getpid(), 15)"]
)
def test_an_end_without_a_result_is_a_failure(run, plain_environment, ending):
    assert "raw.orders: failed in phase 'materialize'" in run.failure(
        plain_environment, f"def materialize():\n    {ending}\n"
    )


@pytest.fixture
def group():
    """A group of processes that has 300 MB of memory."""
    folder = Path(f"/sys/fs/cgroup/memory/test-{uuid.uuid4().hex}")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no group can be made here")
    (folder / "memory.limit_in_bytes").write_text(str(300 * 2**20))
    with contextlib.suppress(OSError):
        (folder / "memory.swappiness").write_text("0")
    yield folder
    for _ in range(100):
        with contextlib.suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.05)


WORKER = """
import hashlib, json, logging, os, sys
from pathlib import Path
Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
from airflow_materialize.execution.environments.environment import Environment
from airflow_materialize.execution.failure import explain_failure
from airflow_materialize.execution.logs import OutputLog, Redactor
from airflow_materialize.execution.process import run_child
from airflow_materialize.execution.environments.requirements import Requirements
venv, file = map(Path, sys.argv[2:])
spec = {"kind": "materialize", "file": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "search_path": [str(file.parent)], "cwd": str(file.parent), "output": str(file.parent / "staged"), "columns": []}
result = run_child(Environment(venv, venv / "bin/python", "", "", venv / "pycache"), spec, {}, OutputLog(logging.getLogger(), Redactor()))
print(json.dumps(str(explain_failure(result, "raw.orders", file, Requirements()))))
"""


def test_the_kernel_takes_the_asset_when_memory_runs_out_and_this_is_said(run, plain_environment, group):
    run.file.write_text("def materialize():\n    held = []\n    while True:\n        held.append(b'x' * 10**6)\n")
    command = [sys.executable, "-c", WORKER, group, plain_environment.path, run.file]
    worker = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert worker.returncode == 0, worker.stderr
    said = json.loads(worker.stdout.splitlines()[-1])
    assert "killed by signal 9 (SIGKILL), as the kernel ran out of memory; its peak memory was " in said
    assert "and the worker with all its processes has 315 MB" in said


def test_a_death_by_another_hand_is_not_called_a_lack_of_memory(run, plain_environment):
    text = "import os, signal\ndef materialize():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    assert "as the kernel ran out of memory" not in run.failure(plain_environment, text)
    assert signal.SIGKILL == 9
