from __future__ import annotations

import fcntl
import logging
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_materialize.execution.containment import Child
from airflow_materialize.execution.environments.cache import list_environments, prune, used
from airflow_materialize.execution.environments.environment import ensure_environment, use_environment
from airflow_materialize.execution.environments.requirements import Requirements
from airflow_materialize.execution.environments.turns import turn

OWN = platform.python_version().rpartition(".")[0]

PRUNER = """
import logging, sys
from pathlib import Path
from airflow_materialize.execution.environments.cache import prune
prune(Path(sys.argv[1]), 0, logging.getLogger())
"""

USER = """
import os, sys
from pathlib import Path
from airflow_materialize.execution.environments.cache import used
if os.geteuid() == 0:
    os.seteuid(65534)
path = Path(sys.argv[1])
with used(path):
    print("fine", os.listdir(path.parent))
"""


@pytest.fixture
def copies(plain_environment, folder):
    """Three environments, of which each was used an hour after the one before it."""
    folder.mkdir()
    paths = []
    for number in range(3):
        path = folder / f"{OWN}.0-{str(number) * 24}"
        subprocess.run(["cp", "-a", plain_environment.path, path], check=True)
        os.utime(path / "complete.json", (number * 3600, number * 3600))
        paths.append(path)
    return paths


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != "locks")


def test_the_list_tells_python_packages_size_and_use(copies, folder):
    with used(copies[0]):
        first, second, third = list_environments(folder)
    assert [first.path, second.path, third.path] == [copies[0], copies[2], copies[1]]
    assert (first.in_use, second.in_use, third.in_use) == (True, False, False)
    assert (datetime.now(UTC) - first.last_used).total_seconds() < 60
    assert second.last_used == datetime(1970, 1, 1, 2, tzinfo=UTC)
    assert (first.python, first.packages) == (f"{OWN}.0", 1)
    seen = subprocess.check_output(["find", copies[0], "-not", "-type", "d", "-printf", "%s\n"], text=True)
    link_to_a_folder = len("lib")  # lib64
    assert first.size == sum(map(int, seen.split())) - link_to_a_folder


def test_what_is_no_environment_is_neither_listed_nor_pruned(folder, log):
    for name in (".parsed", "mine", "3.11.7-short", "note.building", "note.pruned"):
        (folder / name).mkdir(parents=True)
    assert list_environments(folder) == prune(folder, 0, log) == []
    assert names(folder) == [".parsed", "3.11.7-short", "mine", "note.building", "note.pruned"]


def test_a_folder_that_does_not_exist_has_no_environments(folder, log):
    assert list_environments(folder) == prune(folder, 0, log) == []


def test_the_one_unused_for_longest_goes_first_until_the_rest_fits(copies, folder, log, records):
    size = list_environments(folder)[0].size
    removed = prune(folder, 2 * size + 1000, log)
    assert [environment.path for environment in removed] == [copies[0]]
    assert records.texts == [f"pruned the environment {copies[0]} ({size / 1e6:.1f} MB)"]
    assert names(folder) == [copies[1].name, copies[2].name]
    assert prune(folder, 2 * size + 1000, log) == []
    assert [environment.path for environment in prune(folder, 0, log)] == [copies[1], copies[2]]
    assert [*folder.iterdir()] == []


def test_one_in_use_stays_and_goes_when_it_is_not(copies, folder, log):
    with used(copies[0]), used(copies[0]):
        prune(folder, 0, log)
        assert names(folder) == [copies[0].name]
    prune(folder, 0, log)
    assert names(folder) == []


def test_a_prune_beside_an_asset_that_runs_leaves_it_its_packages(plain_environment, folder, run, log, tmp_path):
    folder.mkdir()
    subprocess.run(["cp", "-a", plain_environment.path, folder], check=True)
    sign = tmp_path / "pipeline" / "go"
    text = f"""
        import pathlib, time
        print("begun", flush=True)
        while not pathlib.Path({str(sign)!r}).exists():
            time.sleep(0.01)
        import pyarrow.compute, pyarrow.parquet
        print("imported")
    """
    seen = []
    with use_environment(Requirements(), OWN, folder, log) as environment:
        runner = threading.Thread(target=lambda: seen.append(run(environment, text, kind="script")))
        runner.start()
        subprocess.run([sys.executable, "-c", PRUNER, str(folder)], check=True)
        assert names(folder) == [environment.path.name]
        sign.touch()
        runner.join(60)
    assert not seen[0].failed
    subprocess.run([sys.executable, "-c", PRUNER, str(folder)], check=True)
    assert names(folder) == []


def test_a_prune_that_was_killed_half_way_is_finished_by_the_next(copies, folder, log):
    many = copies[0] / "many"
    many.mkdir()
    for number in range(20_000):
        (many / str(number)).touch()
    pruner = subprocess.Popen([sys.executable, "-c", PRUNER, str(folder)])
    while not list(folder.glob("*.pruned")):
        assert pruner.poll() is None
        time.sleep(0.001)
    os.kill(pruner.pid, signal.SIGKILL)
    pruner.wait()
    [left] = folder.glob("*.pruned")
    assert left.name.startswith(copies[0].name)
    assert names(folder) == sorted([left.name, copies[1].name, copies[2].name])
    # The others are whole, and what is left over of the first counts for nothing.
    assert [environment.path for environment in list_environments(folder)] == [copies[2], copies[1]]
    assert prune(folder, 10**12, log) == []
    assert names(folder) == [copies[1].name, copies[2].name]


def test_what_a_killed_build_left_goes_unless_its_lock_is_held(folder, log):
    name = f"{OWN}.0-{'0' * 24}"
    left = folder / f"{name}.abc.building"
    left.mkdir(parents=True)
    with used(folder / name):
        prune(folder, 0, log)
        assert left.exists()
    prune(folder, 0, log)
    assert not left.exists()


def test_a_prune_forgets_resolutions_that_nobody_asks_for_and_what_killed_ones_left(folder, log):
    locks = folder / "locks"
    locks.mkdir(parents=True)
    for name in ("old", "new", "busy"):
        (locks / f"{name}.txt").write_text("")
        (locks / f"{name}.lock").write_text("")
        (locks / f"{name}.x.resolving").mkdir()
    for name in ("old", "busy"):
        os.utime(locks / f"{name}.txt", (0, 0))
    with turn(locks / "busy.lock", "resolves", "", log, Child()):
        prune(folder, 0, log)
    left = sorted(path.name for path in locks.iterdir())
    assert left == ["busy.lock", "busy.txt", "busy.x.resolving", "new.lock", "new.txt"]


def test_a_build_prunes_what_was_there_but_not_itself(copies, folder, log, records):
    environment = ensure_environment(Requirements(), OWN, folder, log, max_size=0)
    assert names(folder) == [environment.path.name]
    assert [text.split(" (")[0] for text in records.texts if text.startswith("pruned")] == [
        f"pruned the environment {path}" for path in copies[:3]
    ]
    # What is there already is not looked at.
    ensure_environment(Requirements(), OWN, folder, log, max_size=0)
    assert names(folder) == [environment.path.name]


def test_who_uses_an_environment_while_others_prune_always_finds_it_whole(plain_environment, folder, tmp_path):
    folder.mkdir()
    name = plain_environment.path.name
    prunes, stop = [], threading.Event()
    quiet = logging.Logger("quiet", logging.CRITICAL)  # noqa: LOG001

    def prune_on():
        while not stop.is_set():
            prunes.extend(prune(folder, 0, quiet))

    pruner = threading.Thread(target=prune_on)
    pruner.start()
    try:
        deadline = time.monotonic() + 60
        rounds = 0
        while len(prunes) < 5 and time.monotonic() < deadline:
            rounds += 1
            with used(folder / name):
                if not (folder / name).exists():
                    staged = tmp_path / f"staged{rounds}"
                    (staged / "bin").mkdir(parents=True)
                    (staged / "complete.json").write_text("{}")
                    staged.rename(folder / name)
                for _ in range(20):
                    assert (folder / name / "complete.json").exists()
                    assert (folder / name / "bin").exists()
            time.sleep(0.001)
    finally:
        stop.set()
        pruner.join()
    assert len(prunes) >= 5


def test_an_environment_in_a_folder_that_cannot_be_written_can_be_used():
    # Root writes everywhere, so another user looks, who may enter the folder.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o555)
        environment = Path(folder, "3.12.1-0").as_posix()
        done = subprocess.run([sys.executable, "-c", USER, environment], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "fine []\n"), done.stderr
        Path(folder).chmod(0o700)


def test_who_waited_for_a_prune_holds_the_lock_that_the_next_prune_tries(folder, log):
    path = folder / f"{OWN}.0-{'0' * 24}"
    path.mkdir(parents=True)
    lock = path.with_name(f"{path.name}.used.lock")
    holds, done = threading.Event(), threading.Event()

    def use():
        with used(path):
            holds.set()
            done.wait(30)

    with lock.open("w") as pruning:
        fcntl.flock(pruning, fcntl.LOCK_EX)
        user = threading.Thread(target=use)
        user.start()
        assert not holds.wait(0.5)
        lock.unlink()
    assert holds.wait(30)
    assert prune(folder, -1, log) == []
    done.set()
    user.join()
    assert [environment.path for environment in prune(folder, -1, log)] == [path]
