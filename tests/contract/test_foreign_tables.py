"""Tables that somebody made by hand before the first load: what they say of their rows holds for each strategy."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError

KEY = {"name": "id", "primary_key": True}
IN_PLACE = ["append", "truncate+insert", "merge", "delete+insert"]
COMPUTED = {"postgres": "STORED", "mysql": "STORED", "sqlite": "VIRTUAL", "duckdb": "VIRTUAL"}
COUNTED = {
    "postgres": "sk BIGINT GENERATED ALWAYS AS IDENTITY",
    "mysql": "sk BIGINT AUTO_INCREMENT PRIMARY KEY",
    "sqlite": "sk INTEGER PRIMARY KEY AUTOINCREMENT",
    "duckdb": "sk BIGINT DEFAULT nextval('counted')",
}


def made(warehouse, columns, *rows):
    if warehouse.destination.capabilities.schemas:
        warehouse.run("CREATE SCHEMA raw")
    warehouse.run(f"CREATE TABLE {{t}} ({columns})", *rows)


def load(warehouse, strategy, data, **changes):
    options = {"incremental_key": "id"} if strategy == "delete+insert" else {}
    return warehouse.load(data, strategy, columns=[KEY], options=options, **changes)


@pytest.mark.parametrize("strategy", IN_PLACE)
def test_what_the_result_lacks_is_filled_by_the_table(warehouse, strategy):
    if warehouse.kind == "duckdb":
        warehouse.run("CREATE SEQUENCE counted")
    twice = f"twice BIGINT GENERATED ALWAYS AS (n * 2) {COMPUTED[warehouse.kind]}"
    made(
        warehouse,
        f"{COUNTED[warehouse.kind]}, id BIGINT UNIQUE, n BIGINT NOT NULL DEFAULT 7, s VARCHAR(9) DEFAULT 'none', {twice}",
        "INSERT INTO {t} (id, s) VALUES (1, 'a')",
    )
    ids = [2] if strategy == "append" else [1, 2]
    load(warehouse, strategy, {"id": ids, "s": ["b"] * len(ids)})
    first = "a" if strategy == "append" else "b"
    assert warehouse.rows(columns="id, n, s, twice") == [(1, 7, first, 14), (2, 7, "b", 14)]
    assert len({key for (key,) in warehouse.rows(columns="sk")}) == 2


@pytest.mark.parametrize("strategy", [*IN_PLACE, "create+replace"])
def test_a_row_that_the_table_refuses_leaves_it_as_it_was(warehouse, strategy):
    # Types as a result has them, so that a replacement too keeps the table.
    whole, text = ("INTEGER", "TEXT") if warehouse.kind == "sqlite" else ("BIGINT", "VARCHAR(9)")
    rules = "CONSTRAINT pos CHECK (n > 0), CONSTRAINT word UNIQUE (s)"
    made(
        warehouse,
        f"id {whole} PRIMARY KEY, n {whole} NOT NULL, s {text}, {rules}",
        "INSERT INTO {t} VALUES (1, 1, 'a')",
    )
    options = {"on_schema_change": "ignore"}
    for wrong in ({"n": [5, -5]}, {"s": ["b", "b"]}, {"n": pa.array([5, None], pa.int64())}):
        with pytest.raises(MaterializeError) as caught:
            load(warehouse, strategy, {"id": [2, 3], "n": [5, 5], "s": ["b", "c"], **wrong}, **options)
        assert str(caught.value).endswith("Nothing was changed in raw.orders.")
        assert warehouse.rows() == [(1, 1, "a")]
    load(warehouse, strategy, {"id": [2], "n": [5], "s": ["b"]}, **options)
    assert (2, 5, "b") in warehouse.rows()


@pytest.mark.parametrize("strategy", [*IN_PLACE, "create+replace"])
def test_views_over_the_table_are_read_with_its_new_columns(warehouse, strategy):
    made(warehouse, "id BIGINT PRIMARY KEY, v INTEGER", "INSERT INTO {t} VALUES (1, 1)")
    view = "raw.seen" if warehouse.destination.capabilities.schemas else "seen"
    warehouse.run(f"CREATE VIEW {view} AS SELECT id, v FROM {{t}}")
    load(warehouse, strategy, {"id": [2], "v": [2**40]})
    load(warehouse, strategy, {"id": [3], "v": [1.5], "new": ["x"]})
    former = [(1, 1), (2, 2**40)] if strategy in {"append", "merge", "delete+insert"} else []
    assert warehouse.rows(view) == [*former, (3, 1.5)]


def test_strategies_take_turns_on_one_table(warehouse):
    rows = {"id": [0, 1, 2], "v": [Decimal("0.5"), Decimal("1.5"), Decimal("2.5")]}
    load(warehouse, "append", rows)
    load(warehouse, "merge", {"v": [Decimal("10.25"), None], "id": [1, 7]})
    load(warehouse, "delete+insert", {"id": [7], "v": [Decimal(70)]})
    assert [(key, Decimal(value)) for key, value in warehouse.rows(columns="id, v")] == [
        (0, Decimal("0.5")), (1, Decimal("10.25")), (2, Decimal("2.5")), (7, Decimal(70)),
    ]  # fmt: skip
    load(warehouse, "truncate+insert", rows)
    load(warehouse, "create+replace", {"v": ["x"], "id": [1]})
    assert warehouse.rows(columns="id, v") == [(1, "x")]


def test_sync_leaves_what_the_table_computes(warehouse):
    if warehouse.kind == "duckdb":
        pytest.skip("DuckDB alters no table with a computed column")
    made(warehouse, f"id BIGINT, v BIGINT, twice BIGINT GENERATED ALWAYS AS (id * 2) {COMPUTED[warehouse.kind]}")
    report = warehouse.load({"id": [4]}, "append", on_schema_change="sync")
    assert (report.schema_changes, warehouse.rows(columns="id, twice")) == (["column v dropped"], [(4, 8)])


def test_a_table_that_allows_one_row_of_a_key_keeps_no_history(warehouse):
    made(warehouse, "id BIGINT PRIMARY KEY, v BIGINT")
    with pytest.raises(MaterializeError) as caught:
        warehouse.load({"id": [1], "v": [2]}, "scd2_by_column", columns=[KEY])
    assert str(caught.value) == (
        "scd2_by_column keeps several versions of a row in raw.orders, and a unique index on id allows one\n"
        "Hint: drop that primary key or index\n"
        "Nothing was changed in raw.orders."
    )


def test_a_column_that_sync_cannot_drop_is_named_with_a_way_out(make_warehouse):
    for kind, reason in (("duckdb", "an index depends on it"), ("sqlite", "error in index by_v")):
        warehouse = make_warehouse(kind)
        made(warehouse, "id BIGINT, v BIGINT", "CREATE INDEX by_v ON {i} (v)")
        with pytest.raises(MaterializeError) as caught:
            warehouse.load({"id": [1]}, "append", on_schema_change="sync")
        first, *rest = str(caught.value).splitlines()
        assert first.startswith("Column 'v' of raw.orders is not in the result, and cannot be dropped: ")
        assert reason in first
        assert rest == [
            "Hint: drop what depends on it first, or return the column, or take another on_schema_change than sync",
            "Nothing was changed in raw.orders.",
        ]
