"""Replacements by other columns, killed at each boundary: the table is the old one or the new one, with its own columns."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from campaigns import DONE, look_around, rows_of
from verdicts import Verdicts

from airflow_materialize.connections import resolve
from airflow_materialize.destinations.base import for_connection

if TYPE_CHECKING:
    from places import Place, Row


def swaps(place: Place, trials: int, seed: int) -> Verdicts:
    """Kill replacements that bring another column, at each boundary in turn, and try again."""
    dice, verdicts = random.Random(f"{seed} swaps"), Verdicts()
    place.load("create+replace", rows_of(dice, "base"), "base")
    plan = place.plan("create+replace", "measured")
    boundaries = place.start(plan, _with(place, rows_of(dice, "measured"), "first")).outcome()["boundaries"]
    order = list(range(1, len(boundaries) + 1))
    dice.shuffle(order)
    before, columns = Counter(place.rows()), {"id", "v", "first"}
    for trial in range(trials):
        run, name = f"swap {trial}", f"extra_{trial}"
        rows, note = rows_of(dice, run), f"seed {seed}, swaps, trial {trial}"
        plan, file = place.plan("create+replace", run), _with(place, rows, name)
        at = order[trial % len(order)]
        verdicts.struck[boundaries[at - 1]] += 1
        place.start(plan, file, fault={"at": at}).outcome()
        found, is_new = place.rows() or Counter(), _columns(place) == {"id", "v", name}
        if (found, _columns(place)) not in ((before, columns), (Counter(rows), {"id", "v", name})):
            verdicts.judge(
                found, Counter(rows) if is_new else before, f"{note}, after the kill at {boundaries[at - 1]}"
            )
        outcome = place.start(plan, file, number=2).outcome()
        if outcome["outcome"] not in (DONE if is_new else {"loaded"}):
            verdicts.fail(f"{note}: the retry gave {outcome.get('error', outcome['outcome'])}")
        before, columns = Counter(rows), {"id", "v", name}
        verdicts.judge(place.rows(), before, note)
        if _columns(place) != columns:
            verdicts.fail(f"{note}: the columns are {sorted(_columns(place))}")
        look_around(place, verdicts)
        verdicts.trials += 1
    return verdicts


def _with(place: Place, rows: list[Row], name: str) -> Path:
    """Stage rows with another column."""
    path = place.stage(rows)
    with pa.ipc.open_file(path.read_bytes()) as reader:
        table = reader.read_all()
    table = table.append_column(name, pa.array([1.5] * table.num_rows))
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=25)
    return path


def _columns(place: Place) -> set[str]:
    destination = for_connection(resolve("warehouse", {"warehouse": place.url}))
    with destination.session(read_only=True) as session:
        return {*(session.columns(destination.table(place.name)) or ())}
