from __future__ import annotations

import logging
import os
import platform
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from airflow_materialize.execution.environments.cache import list_environments, prune
from airflow_materialize.execution.environments.environment import ensure_environment
from airflow_materialize.execution.environments.requirements import find_requirements
from airflow_materialize.execution.warden import tree

OWN = platform.python_version().rpartition(".")[0]

# Forks one process for each number, each of which builds an environment, in so many threads, and runs something in it.
BUILDERS = """
import logging, os, subprocess, sys, threading
from pathlib import Path
from airflow_materialize.execution.environments.environment import BuildOptions, use_environment
from airflow_materialize.execution.environments.requirements import find_requirements

place, folder, index, python, threads, *numbers = sys.argv[1:]
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")

def build(number):
    pipeline = Path(place, f"pipeline{number}")
    found = find_requirements(pipeline / "orders.py", pipeline)
    with use_environment(found, python, Path(folder), logging.getLogger(), BuildOptions(index=index)) as environment:
        code = "import ours, airflow_materialize.child.main; print('sound', ours.big[-1])"
        subprocess.run([environment.python, "-I", "-B", "-c", code], env={}, check=True)

for number in numbers:
    if os.fork():
        continue
    builders = [threading.Thread(target=build, args=[number]) for _ in range(int(threads))]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    break
else:
    for _ in numbers:
        pid, status = os.wait()
        # In one piece: the others write there too.
        print(f"ended {pid} {os.waitstatus_to_exitcode(status)}\\n", end="", flush=True)
"""


@pytest.fixture
def builder(package_index, folder, tmp_path):
    """Start processes that build what a folder's asset asks for. Each of these folders asks for another version."""
    for number in range(4):
        package_index.add("ours", f"{number}.0", f"big = [*range(100_000), {number}]\n#{'x' * 1_000_000}\n")
        (tmp_path / f"pipeline{number}").mkdir()
        (tmp_path / f"pipeline{number}/requirements.txt").write_text(f"ours=={number}.0\n")

    def start(*numbers, threads=1):
        arguments = [tmp_path, folder, package_index.url, OWN, threads, *numbers]
        command = [sys.executable, "-c", BUILDERS, *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


def test_twenty_tasks_on_an_empty_cache_build_once(builder, folder, package_index):
    said = builder(0, 0, 0, 0, threads=5).communicate()[0]
    assert said.count("sound 0\n") == 20
    assert said.count("built the environment with 2 packages") == 1
    assert len(list_environments(folder)) == 1


def children(parent):
    """The processes that another one started, and that run."""
    return {process.pid for process in tree.processes() if process.parent == parent and process.runs}


def holders(folder):
    """The processes that hold a lock, or did so last."""
    found = set()
    # What is built meanwhile comes and goes, which `os.walk` does not mind.
    locks = [Path(place, name) for place, _, names in os.walk(folder) for name in names if name.endswith(".lock")]
    for lock in locks:
        try:
            _, _, told = lock.read_text().partition("(process ")
        except FileNotFoundError:
            continue
        if told:
            found.add(int(told.split()[0]))
    return found


def test_builders_that_are_killed_at_any_moment_leave_no_broken_environment(
    builder, folder, log, package_index, tmp_path
):
    chance = random.Random(20)
    said, killed = [], set()
    builders = builder(*(number % 4 for number in range(32)))
    reading = threading.Thread(target=lambda: said.append(builders.communicate()[0]))
    reading.start()
    while reading.is_alive():
        time.sleep(chance.uniform(0, 0.3))
        building = sorted(holders(folder) & children(builders.pid) - killed)
        if building and len(killed) < 24:
            victim = chance.choice(building)
            killed.add(victim)
            os.kill(victim, signal.SIGKILL)
    [text] = said
    ends = dict(re.findall(r"^ended (\d+) (-?\d+)$", text, re.MULTILINE))
    assert len(ends) == 32, text
    assert {int(pid) for pid, code in ends.items() if code == "-9"} == killed
    assert {code for pid, code in ends.items() if int(pid) not in killed} == {"0"}, text
    assert len(killed) > 8
    quiet = logging.Logger("quiet", logging.CRITICAL)  # noqa: LOG001
    for number in range(4):
        found = find_requirements(tmp_path / f"pipeline{number}/orders.py", tmp_path)
        environment = ensure_environment(found, OWN, folder, quiet, index=package_index.url)
        assert (
            subprocess.check_output([environment.python, "-I", "-c", "import ours; print(ours.big[-1])"], text=True)
            == f"{number}\n"
        )
    prune(folder, 10**12, quiet)
    assert len(list_environments(folder)) == 4
    assert not [*folder.glob("*.building"), *folder.glob("locks/*.resolving")]
    assert len([*folder.glob("locks/*.txt")]) == 4
