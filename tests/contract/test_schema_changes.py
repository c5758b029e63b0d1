"""The table of `on_schema_change`: each value, by each kind of strategy, with each difference of columns."""

from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError

OLD = {"id": [1], "n": pa.array([1], pa.int32()), "v": ["a"]}
CHANGES = {
    "new": {"id": [2], "n": pa.array([2], pa.int32()), "v": ["b"], "w": ["x"]},
    "missing": {"id": [2], "n": pa.array([2], pa.int32())},
    "wider": {"id": [2], "n": [0.5], "v": ["b"]},
    "other": {"id": [2], "n": pa.array([2], pa.int32()), "v": [7]},
    "narrower": {"id": [2], "n": pa.array([2], pa.int8()), "v": ["b"]},
}
ADDED, SAME, DROPPED, REFUSED = ["id", "n", "v", "w"], ["id", "n", "v"], ["id", "n"], []
INTO_THE_TABLE = {
    "evolve": {"new": ADDED, "missing": SAME, "wider": SAME, "other": REFUSED, "narrower": SAME},
    "sync": {"new": ADDED, "missing": DROPPED, "wider": SAME, "other": REFUSED, "narrower": SAME},
    "ignore": {"new": SAME, "missing": SAME, "wider": REFUSED, "other": REFUSED, "narrower": SAME},
    "freeze": {"new": REFUSED, "missing": SAME, "wider": REFUSED, "other": REFUSED, "narrower": SAME},
}
AS_THE_RESULT = {
    "evolve": {"new": ADDED, "missing": DROPPED, "wider": SAME, "other": SAME, "narrower": SAME},
    "sync": {"new": ADDED, "missing": DROPPED, "wider": SAME, "other": SAME, "narrower": SAME},
    "ignore": INTO_THE_TABLE["ignore"],
    "freeze": INTO_THE_TABLE["freeze"] | {"missing": REFUSED},
}
STRATEGIES = {
    "create+replace": AS_THE_RESULT,
    "append": INTO_THE_TABLE,
}


@pytest.mark.parametrize("mode", INTO_THE_TABLE)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_becomes_of_the_columns(warehouse, strategy, mode):
    for change, data in CHANGES.items():
        name, expected = f"raw.{change}", STRATEGIES[strategy][mode][change]
        warehouse.load(OLD, name=name)
        if expected:
            changes(warehouse, name, change, expected, strategy=strategy, on_schema_change=mode)
            continue
        before, rows = warehouse.types(name), warehouse.rows(name)
        with pytest.raises(MaterializeError) as caught:
            warehouse.load(data, strategy, name=name, on_schema_change=mode)
        assert caught.value.unchanged == name
        assert (warehouse.types(name), warehouse.rows(name)) == (before, rows)


def changes(warehouse, name, change, expected, **options):
    before = warehouse.types(name)
    report = warehouse.load(CHANGES[change], name=name, **options)
    after = warehouse.types(name)
    assert sorted(after) == expected
    assert any(row[0] == 2 for row in warehouse.rows(name, "id"))
    changed = after != before or (change == "new" and options["on_schema_change"] == "ignore")
    assert bool(report.schema_changes) == changed
    assert all(f"{name}: {sentence}" in warehouse.said for sentence in report.schema_changes)
    if change == "wider":
        assert (2, 0.5) in warehouse.rows(name, "id, n")
