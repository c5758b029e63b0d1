"""Processes that are killed in the middle, and processes at the same table at once: the tables stay exact."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

# dice of a test

ROWS = 4000
OLD = list(range(ROWS))
NEW = list(range(ROWS // 2, ROWS + ROWS // 2))
KEPT = [(number, "old") for number in range(ROWS // 2)]
ADDED = [(number, "new") for number in NEW]
STRATEGIES = {
    "create+replace": ({}, ADDED),
    "append": ({}, [(number, "old") for number in OLD] + ADDED),
    "delete+insert": ({"incremental_key": "id"}, KEPT + ADDED),
    "merge": ({"columns": [{"name": "id", "primary_key": True}]}, KEPT + ADDED),
}
DONE = {"loaded", "already_loaded"}


def frame(numbers, word):
    return pa.table({"id": numbers, "v": [word] * len(numbers)})


@dataclass
class Load:
    """A load in a process of its own."""

    pid: int
    file: Path

    def kill(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            while True:
                os.kill(self.pid, 0)
                time.sleep(0.001)
        except ProcessLookupError:
            return

    def outcome(self):
        end = time.monotonic() + 60
        while not self.file.exists():
            assert time.monotonic() < end, "the load hangs"
            time.sleep(0.005)
        return self.file.read_text()


@pytest.fixture(scope="module")
def nursery():
    script = Path(__file__).with_name("load_once.py")
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


@pytest.fixture
def start(nursery, warehouse):
    count = iter(range(1000))

    def load(plan, file, number=1):
        outcome = warehouse.folder / f"{next(count)}.outcome"
        order = {"plan": plan.to_json(), "file": str(file.path), "try": number, "outcome": str(outcome)}
        print(json.dumps(order | {"url": warehouse.url}), file=nursery.stdin, flush=True)
        return Load(int(nursery.stdout.readline()), outcome)

    return load


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_load_that_is_killed_at_any_moment_and_retried_is_exact(warehouse, start, strategy):
    options, expected = STRATEGIES[strategy]
    expected = sorted(expected, key=repr)
    seed = int(os.environ.get("FAULT_SEED", random.randrange(10**6)))
    dice = random.Random(seed)
    for round_number in range(6):
        warehouse.load(frame(OLD, "old"))
        before = warehouse.rows()
        file = warehouse.stage(frame(NEW, "new"), batch_rows=500)
        plan = warehouse.plan(strategy, run=f"killed {round_number}", **options)
        killed = start(plan, file)
        time.sleep(dice.uniform(0, 0.2))
        killed.kill()
        after = warehouse.rows()
        assert after in (before, expected), f"seed {seed}: {len(after)} rows"
        outcome = start(plan, file, 2).outcome()
        assert outcome == ("loaded" if after == before else "already_loaded"), f"seed {seed}"
        assert warehouse.rows() == expected, f"seed {seed}"


def test_the_first_load_of_a_database_may_be_killed_too(warehouse, start):
    seed = int(os.environ.get("FAULT_SEED", random.randrange(10**6)))
    dice = random.Random(seed)
    for round_number in range(6):
        for path in [*warehouse.folder.glob("shop.db*")]:
            path.unlink()
        file = warehouse.stage(frame(NEW, "new"))
        plan = warehouse.plan("append", run=f"first {round_number}")
        killed = start(plan, file)
        time.sleep(dice.uniform(0, 0.12))
        killed.kill()
        assert start(plan, file, 2).outcome() in DONE, f"seed {seed}"
        assert warehouse.rows() == sorted(ADDED, key=repr), f"seed {seed}"


@pytest.mark.parametrize("strategy", ["append", "delete+insert", "merge"])
def test_loads_at_once_on_a_table_that_does_not_exist_are_exact(warehouse, start, strategy):
    options, _ = STRATEGIES[strategy]
    loads = []
    for number in range(6):
        file = warehouse.stage(frame(range(number * 100, number * 100 + 100), "x"))
        loads.append(start(warehouse.plan(strategy, run=f"at once {number}", **options), file))
    assert [load.outcome() for load in loads] == ["loaded"] * 6
    assert warehouse.rows() == sorted(((number, "x") for number in range(600)), key=repr)


def test_one_load_started_many_times_at_once_is_applied_once(warehouse, start):
    file, plan = warehouse.stage(frame(range(100), "x")), warehouse.plan("append")
    loads = [start(plan, file) for _ in range(4)]
    assert sorted(load.outcome() for load in loads) == ["already_loaded"] * 3 + ["loaded"]
    assert len(warehouse.rows()) == 100
