from __future__ import annotations

import os
import platform
import threading
import time
import uuid
from pathlib import Path

import pytest

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.containment import Child
from airflow_materialize.execution.environments.environment import ensure_environment
from airflow_materialize.execution.environments.requirements import find_requirements
from airflow_materialize.execution.warden import tree

OWN = platform.python_version().rpartition(".")[0]


def running(word):
    def has(pid):
        try:
            return word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    return [process.pid for process in tree.processes() if process.runs and has(process.pid)]


@pytest.fixture
def slow(tmp_path):
    """A requirement whose build script starts a process in a session of its own, and never ends."""
    word = f"marker-{uuid.uuid4().hex}"
    package = tmp_path / "slow"
    package.mkdir()
    (package / "pyproject.toml").write_text(
        '[project]\nname = "slow"\ndynamic = ["version"]\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (package / "backend.py").write_text(
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', {word!r}], start_new_session=True)\n"
        "time.sleep(600)\n"
    )
    script = tmp_path / "orders.py"
    script.write_text("")
    (tmp_path / "requirements.txt").write_text("./slow\n")
    return word, find_requirements(script, tmp_path)


def test_a_kill_while_an_environment_is_built_ends_uv_with_its_build_scripts(slow, folder, log):
    word, requirements = slow
    child = Child()

    def kill():
        deadline = time.monotonic() + 60
        while not running(word) and time.monotonic() < deadline:
            time.sleep(0.05)
        child.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(MaterializeError, match="the run was stopped before its environment was complete"):
        ensure_environment(requirements, OWN, folder, log, child=child)
    killer.join()
    assert running(word) == running(os.fspath(folder)) == []
    assert [path for path in folder.rglob("*") if path.suffix != ".lock"] == [folder / "locks"]


def test_a_kill_ends_the_wait_for_another_builder(slow, folder, log, records):
    word, requirements = slow
    first, second = Child(), Child()
    failures = []

    def build(child):
        with pytest.raises(MaterializeError) as raised:
            ensure_environment(requirements, OWN, folder, log, child=child)
        failures.append(str(raised.value))

    builders = [threading.Thread(target=build, args=[child]) for child in (first, second)]
    builders[0].start()
    deadline = time.monotonic() + 60
    while not running(word) and time.monotonic() < deadline:
        time.sleep(0.05)
    builders[1].start()
    while not any("resolves" in text for text in records.texts):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    second.kill()
    builders[1].join()
    assert len(failures) == 1
    assert failures[0].startswith(f"the run was stopped while it waited for another task (process {os.getpid()} on ")
    first.kill()
    builders[0].join()
