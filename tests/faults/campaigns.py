"""What is done to loads, and the verdict on what their tables hold afterwards.

Each campaign is a function of a place, a number of trials and a seed, and returns verdicts: how often a row was lost,
doubled, unexpected or stale, by the set checker of a plain Python model. All zero, or the project breaks its promise.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from places import HISTORY, INDEXED, OPTIONS, Loading, Place, Row, after
from verdicts import Verdicts

from airflow_materialize.errors import MaterializeError

STRATEGIES = (*OPTIONS, HISTORY, INDEXED)
DONE = {"loaded", "already_loaded"}
ROWS = 100
REPLACING = ("merge", "delete+insert", HISTORY)
"""Strategies by which DuckDB goes other ways with many rows."""

FEWEST = 6
"""A load has at least as many kinds of boundaries."""


def rows_of(dice: random.Random, word: str) -> list[Row]:
    """Return rows whose keys overlap with those of other loads."""
    first = dice.randrange(0, 4 * ROWS)
    return [(key, word) for key in range(first, first + ROWS)]


def kills(place: Place, strategy: str, trials: int, seed: int) -> Verdicts:
    """Kill loads with SIGKILL, at each boundary in turn and at random moments, and try again."""
    dice, verdicts = random.Random(f"{seed} kills {strategy}"), Verdicts()
    boundaries, pause = measured(place, strategy, verdicts)
    order = _order(boundaries, dice)
    for trial in range(trials):
        refresh(place, strategy, trial, dice)
        run, note = f"{strategy} {trial}", f"seed {seed}, kills of {strategy}, trial {trial}"
        rows = rows_of(dice, run)
        plan, file = place.plan(strategy, run), place.stage(rows)
        expected = after(strategy, rows, place.model)
        if trial % 2:
            at = order[trial // 2 % len(order)]
            killed = place.start(plan, file, fault={"at": at})
            verdicts.struck[boundaries[at - 1]] += 1
            killed.outcome()
        else:
            killed = place.start(plan, file)
            time.sleep(dice.uniform(0, pause))
            verdicts.struck["at random"] += killed.alive()
            killed.kill()
        between = place.rows() or Counter()
        if between not in (place.model, expected):
            verdicts.judge(between, expected, f"{note}, after the kill")
        outcome = place.start(plan, file, number=2).outcome()
        # A server may still be at the COMMIT of a client that is dead: the retry finds it done.
        wanted = DONE if between == place.model else {"already_loaded"}
        if outcome["outcome"] not in wanted:
            verdicts.fail(f"{note}: the retry gave {outcome.get('error', outcome['outcome'])}")
        verdicts.judge(place.rows(), expected, note)
        place.model = expected
        verdicts.trials += 1
    look_around(place, verdicts)
    return verdicts


def first_loads(place: Place, trials: int, seed: int) -> Verdicts:
    """Kill the very first load of a database, which makes schema, ledger and table, and try again."""
    dice, verdicts = random.Random(f"{seed} first loads"), Verdicts()
    boundaries, _ = measured(place, "append", verdicts)
    for trial in range(trials):
        place.anew()
        run, rows = f"first {trial}", rows_of(dice, "first")
        plan, file = place.plan("append", run), place.stage(rows)
        # A load that creates has some more calls than the one that was measured.
        at = 1 + trial % (len(boundaries) + 8)
        if place.start(plan, file, fault={"at": at}).outcome()["outcome"] == "killed":
            verdicts.struck[f"boundary {at}"] += 1
        outcome = place.start(plan, file, number=2).outcome()
        if outcome["outcome"] not in DONE:
            verdicts.fail(f"seed {seed}, {run}: the retry gave {outcome.get('error', outcome['outcome'])}")
        place.model = Counter(rows)
        verdicts.judge(place.rows(), place.model, f"seed {seed}, {run}")
        verdicts.trials += 1
        place.tidy()
    look_around(place, verdicts)
    return verdicts


def zombies(place: Place, strategy: str, trials: int, seed: int) -> Verdicts:
    """Let loads stand still at a boundary, overtake them by another attempt with another result, and let them go on."""
    dice, verdicts = random.Random(f"{seed} zombies {strategy}"), Verdicts()
    boundaries, pause = measured(place, strategy, verdicts)
    order = _order(boundaries, dice)
    for trial in range(trials):
        refresh(place, strategy, trial, dice)
        run, note = f"zombie {strategy} {trial}", f"seed {seed}, zombies of {strategy}, trial {trial}"
        old, new = rows_of(dice, f"{run} old"), rows_of(dice, f"{run} new")
        plan, newer = place.plan(strategy, run), dice.choice([(1, 2), (2, 1)])
        same = strategy == "append" or dice.random() < 0.3
        first = place.stage(old)
        second = first if same else place.stage(new)
        at = order[trial % len(order)]
        verdicts.struck[boundaries[at - 1]] += 1
        zombie = place.start(plan, first, fault={"at": at, "signal": "SIGSTOP"})
        _wait(lambda z=zombie: z.stopped() or not z.alive(), 60)
        task, number = newer
        retry = place.start(plan, second, task=task, number=number)
        # A zombie that holds the lock keeps its retry waiting until it goes on, or is killed for good.
        _wait(lambda r=retry: not r.alive(), dice.choice([2 * pause, dice.uniform(0, pause)]))
        if dice.random() < 0.2:
            zombie.kill()
        else:
            zombie.signal(signal.SIGCONT)
        outcomes = [zombie.outcome(), retry.outcome()]
        if outcomes[1]["outcome"] not in DONE:
            verdicts.fail(f"{note}: the retry gave {outcomes[1].get('error', outcomes[1])}")
        if outcomes[0]["outcome"] == "refused" and "superseded" not in outcomes[0]["error"]:
            verdicts.fail(f"{note}: the zombie gave {outcomes[0]['error']}")
        first_applied = after(strategy, old, place.model)
        newest = after(strategy, old if same else new, place.model)
        # Where the zombie was through before its retry, both were applied, one after the other.
        both = newest if same else after(strategy, new, first_applied)
        found = place.rows() or Counter()
        if found not in (newest, both):
            verdicts.judge(found, newest, note, old)
        place.model = found
        verdicts.trials += 1
    look_around(place, verdicts)
    return verdicts


def intervals(place: Place, days: int, writers: int, seed: int) -> Verdicts:
    """Load each day twice, by many writers at once, on a table that does not exist; a tenth of the loads is killed."""
    dice, verdicts = random.Random(f"{seed} intervals"), Verdicts()
    strategy = "delete+insert"
    start = datetime(2026, 1, 1, tzinfo=UTC)
    waiting = [(day, again) for day in range(days) for again in (0, 1)]
    dice.shuffle(waiting)
    expected: Counter[Row] = Counter()
    running: list[tuple[Loading, int, int, int]] = []
    files = {}
    for day in range(days):
        rows = [(day, f"{day} {number}") for number in range(20)]
        expected += Counter(rows)
        files[day] = place.stage(rows)

    def begin(day: int, again: int, number: int) -> None:
        begins = start + timedelta(days=day)
        plan = place.plan(strategy, f"day {day} {again}", (begins, begins + timedelta(days=1)))
        fault = {"at": dice.randrange(1, 30)} if number == 1 and dice.random() < 0.1 else None
        running.append((place.start(plan, files[day], number=number, fault=fault), day, again, number))
        verdicts.trials += 1

    while waiting or running:
        while waiting and len(running) < writers:
            begin(*waiting.pop(), 1)
        for entry in [*running]:
            loading, day, again, number = entry
            if loading.alive():
                continue
            running.remove(entry)
            outcome = loading.outcome()
            if outcome["outcome"] == "killed":
                verdicts.struck["killed"] += 1
                begin(day, again, number + 1)
            elif outcome["outcome"] not in DONE:
                verdicts.fail(f"seed {seed}, day {day}: {outcome.get('error', outcome)}")
        time.sleep(0.002)
    verdicts.judge(place.rows(), expected, f"seed {seed}, intervals")
    place.model = expected
    look_around(place, verdicts)
    return verdicts


def reader(place: Place, replaces: int, seed: int) -> Verdicts:
    """Replace a table again and again while somebody reads it all the time: it is never missing, empty or mixed."""
    verdicts, over = Verdicts(), threading.Event()
    place.load("create+replace", [(key, "0") for key in range(ROWS)], "first")

    def read() -> None:
        while not over.is_set():
            try:
                found = place.rows()
            except MaterializeError as error:
                verdicts.fail(f"seed {seed}: the reader met {error}")
                continue
            verdicts.struck["reads"] += 1
            if found is None or sum(found.values()) != ROWS or len({word for _, word in found}) != 1:
                verdicts.unexpected += 1
                verdicts.note(f"seed {seed}: a reader saw {None if found is None else sum(found.values())} rows")
            time.sleep(0.001)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for number in range(replaces):
            outcome = place.load("create+replace", [(key, str(number)) for key in range(ROWS)], f"replace {number}")
            verdicts.trials += 1
            if outcome["outcome"] not in DONE:
                verdicts.fail(f"seed {seed}, replace {number}: {outcome}")
            if number % 100 == 0:
                place.tidy()
    finally:
        over.set()
        thread.join()
    verdicts.judge(place.rows(), place.model, f"seed {seed}, replaces")
    return verdicts


def programs(place: Place, trials: int, seed: int) -> Verdicts:
    """Run programs of all strategies at once on one table, and compare it with their commits one after the other."""
    dice, verdicts = random.Random(f"{seed} programs"), Verdicts()
    for trial in range(trials):
        loads: dict[str, tuple[str, list[Row]]] = {}
        running = []
        place.load("create+replace", rows_of(dice, f"base {trial}"), f"base {trial}")
        for number in range(dice.randrange(2, 6)):
            run, strategy = f"program {trial} {number}", dice.choice([*OPTIONS])
            # Appended keys of their own: a merge refuses a table that has a key twice, whoever made it so.
            rows = (
                rows_of(dice, run)
                if strategy != "append"
                else [(10**6 + 1000 * (10 * trial + number) + k, run) for k in range(ROWS)]
            )
            loads[run] = strategy, rows
            running.append((run, place.start(place.plan(strategy, run), place.stage(rows))))
        for run, loading in running:
            outcome = loading.outcome()
            if outcome["outcome"] not in DONE:
                verdicts.fail(f"seed {seed}, {run}: {outcome.get('error', outcome)}")
        expected = place.model
        for run in place.committed():
            if run in loads:
                expected = after(*loads[run], expected)
        verdicts.judge(place.rows(), expected, f"seed {seed}, programs, trial {trial}")
        place.model = expected
        verdicts.trials += 1
        place.tidy()
    look_around(place, verdicts)
    return verdicts


def at_once(place: Place, trials: int, seed: int) -> Verdicts:
    """Start the same load several times at once: it is applied once."""
    dice, verdicts = random.Random(f"{seed} at once"), Verdicts()
    for trial in range(trials):
        rows = rows_of(dice, f"at once {trial}")
        plan, file = place.plan("append", f"at once {trial}"), place.stage(rows)
        running = [place.start(plan, file) for _ in range(3)]
        outcomes = sorted(loading.outcome()["outcome"] for loading in running)
        if outcomes != ["already_loaded", "already_loaded", "loaded"]:
            verdicts.fail(f"seed {seed}, trial {trial}: {outcomes}")
        place.model = after("append", rows, place.model)
        verdicts.judge(place.rows(), place.model, f"seed {seed}, at once, trial {trial}")
        verdicts.trials += 1
    return verdicts


def _order(boundaries: list[str], dice: random.Random) -> list[int]:
    """Return the numbers of all boundaries: the last, the first, and the others in any order."""
    between = list(range(2, len(boundaries)))
    dice.shuffle(between)
    return [len(boundaries), 1, *between]


def measured(place: Place, strategy: str, verdicts: Verdicts) -> tuple[list[str], float]:
    """Load twice without a fault: the boundaries of a load, and how long one takes."""
    place.base(strategy, [(key, "base") for key in range(ROWS)], f"base of {strategy}")
    began = time.monotonic()
    rows = [(key, "measured") for key in range(ROWS // 2, ROWS // 2 + ROWS)]
    outcome = place.load(strategy, rows, f"measured {strategy}")
    if outcome["outcome"] != "loaded":
        verdicts.fail(f"a load without a fault gave {outcome}")
        raise AssertionError(verdicts.notes)
    if len(set(outcome["boundaries"])) < FEWEST:
        raise AssertionError(f"calls of a session are not seen any more: {outcome['boundaries']}")
    return outcome["boundaries"], 1.2 * (time.monotonic() - began)


def refresh(place: Place, strategy: str, trial: int, dice: random.Random) -> None:
    """Keep the table small, and the folder of files."""
    if trial % 50 == 0:
        place.tidy()
        place.base(strategy, rows_of(dice, f"{strategy} base {trial}"), f"{strategy} base {trial}")


def look_around(place: Place, verdicts: Verdicts) -> None:
    if found := place.leftovers():
        verdicts.left += len(found)
        verdicts.note(f"left in the database: {', '.join(sorted(found))}")
    place.tidy()


def _wait(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)


def seed_of_today() -> int:
    """Return the seed that was asked for, or a new one."""
    return int(os.environ.get("FAULT_SEED", random.randrange(10**6)))
