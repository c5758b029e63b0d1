"""Campaigns against servers: replies of COMMIT that never arrive, and servers that are killed."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from campaigns import DONE, look_around, measured, refresh, rows_of
from places import Place, after
from verdicts import Verdicts

if TYPE_CHECKING:
    from proxy import BreakingProxy
    from servers import Server

STRATEGIES = ("append", "create+replace", "delete+insert", "merge")
MANY = 20_000


def dropped_commits(place: Place, proxy: BreakingProxy, trials: int, seed: int) -> Verdicts:
    """Break the connection off at COMMIT, half of the times when the server has done it already."""
    dice, verdicts = random.Random(f"{seed} dropped commits"), Verdicts()
    for strategy in STRATEGIES:
        measured(place, strategy, verdicts)
    for trial in range(trials):
        strategy = STRATEGIES[trial % len(STRATEGIES)]
        refresh(place, strategy, trial, dice)
        rows, run = rows_of(dice, f"dropped {trial}"), f"dropped {trial}"
        note = f"seed {seed}, dropped COMMIT of {strategy}, trial {trial}"
        proxy.moment = dice.choice(["before", "after"])
        verdicts.struck[f"{proxy.moment} COMMIT"] += 1
        struck = proxy.struck
        outcome = place.start(place.plan(strategy, run), place.stage(rows), url=proxy.url).outcome()
        if proxy.struck == struck:
            verdicts.fail(f"{note}: no COMMIT was seen")
        if outcome["outcome"] not in DONE:
            verdicts.fail(f"{note}: {outcome.get('error', outcome)}")
        place.model = after(strategy, rows, place.model)
        verdicts.judge(place.rows(), place.model, note)
        verdicts.trials += 1
    look_around(place, verdicts)
    return verdicts


def dead_servers(place: Place, server: Server, trials: int, seed: int) -> Verdicts:
    """Kill the server amid a load, and start it again."""
    dice, verdicts = random.Random(f"{seed} dead servers"), Verdicts()
    place.load("create+replace", [(key, "base") for key in range(MANY)], "base")
    began = time.monotonic()
    place.load("merge", [(key, "measured") for key in range(MANY)], "measured")
    pause = 1.1 * (time.monotonic() - began)
    for trial in range(trials):
        strategy = STRATEGIES[trial % len(STRATEGIES)]
        run, first = f"dead server {trial}", dice.randrange(MANY)
        rows = [(key, run) for key in range(first, first + MANY)]
        if strategy == "append":
            place.load("create+replace", [(key, "base") for key in range(MANY)], f"base {trial}")
        plan, file = place.plan(strategy, run), place.stage(rows, 2000)
        loading = place.start(plan, file)
        time.sleep(dice.uniform(0.02, pause))
        verdicts.struck["amid a load"] += loading.alive()
        server.kill()
        server.start()
        outcome = loading.outcome()
        if outcome["outcome"] == "refused" and outcome["kind"] != "MaterializeError":
            outcome = place.start(plan, file, number=2).outcome()
        if outcome["outcome"] not in DONE:
            verdicts.fail(f"seed {seed}, {run} ({strategy}): {outcome.get('error', outcome)}")
        place.model = after(strategy, rows, place.model)
        verdicts.judge(place.rows(), place.model, f"seed {seed}, {run} ({strategy})")
        verdicts.trials += 1
        place.tidy()
    look_around(place, verdicts)
    return verdicts
