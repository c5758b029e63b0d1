"""Staged files that are not what was written: every one of them is refused."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
from verdicts import Verdicts

from airflow_materialize.arrow_file import examine
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.run_plan import RunPlan
from airflow_materialize.staged_file import open_verified, part_path, seal

_PAGE = 4096


def damage(dice: random.Random, data: bytes, other: bytes) -> tuple[str, bytes]:
    """Return a file that differs in one of the ways in which disks, networks and people change files."""
    place = dice.randrange(len(data))
    flipped = bytes([data[place] ^ 1 << dice.randrange(8)])
    page = place - place % _PAGE
    ways = {
        "bit": data[:place] + flipped + data[place + 1 :],
        "page": data[:page] + bytes(min(_PAGE, len(data) - page)) + data[page + _PAGE :],
        "cut": data[:place],
        "more": data + dice.randbytes(dice.randrange(1, 100)),
        "swap": other,
        "empty": b"",
        "shift": data[place:] + data[:place],
    }
    return dice.choice([*ways.items()])


def mutations(folder: Path, trials: int, seed: int) -> Verdicts:
    """Change a sealed file in any way, and try to open it for a load."""
    dice, verdicts = random.Random(f"{seed} mutations"), Verdicts()
    plan = RunPlan(Asset(name="raw.orders"), "sales", "a.py", "0" * 64, "sales", "run", "manual", None, False, "", "wh")
    sealed = []
    for number in (1, 2):
        # Alike in size, schema and rows: only the sum tells them apart.
        table = pa.table({"id": pa.array(range(500)), "v": [f"{number}-{key:04}" for key in range(500)]})
        with pa.ipc.new_file(part_path(folder, plan, str(number)), table.schema) as writer:
            writer.write_table(table, max_chunksize=100)
        sealed.append(seal(folder, plan, str(number), examine))
    file, path = sealed[0], folder / sealed[0].path
    data, other = path.read_bytes(), (folder / sealed[1].path).read_bytes()
    path.chmod(0o600)
    for trial in range(trials):
        way, changed = damage(dice, data, other)
        if changed == data:
            continue
        path.write_bytes(changed)
        verdicts.struck[way] += 1
        verdicts.trials += 1
        try:
            open_verified(file, folder, plan)
            verdicts.unexpected += 1
            verdicts.note(f"seed {seed}, trial {trial}: a file with {way} was opened")
        except MaterializeError as error:
            if "Nothing was changed in raw.orders." not in str(error):
                verdicts.fail(f"seed {seed}, trial {trial}, {way}: {error}")
    return verdicts
