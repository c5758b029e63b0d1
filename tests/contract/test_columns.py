"""What the header says of single columns: NULL, defaults and collations."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError

REQUIRED = {"name": "v", "nullable": False}


def test_a_column_that_must_not_be_null_is_created_so(warehouse):
    warehouse.load({"id": [1], "v": ["a"]}, columns=["id", REQUIRED])
    with pytest.raises(MaterializeError, match="(?i)not.null"):
        warehouse.run("INSERT INTO {t} (id) VALUES (2)")
    warehouse.run("INSERT INTO {t} (v) VALUES ('b')")


def test_no_data_creates_the_columns_as_declared(warehouse):
    columns = [
        {"name": "id", "type": "bigint", "nullable": False},
        {"name": "v", "type": "varchar", "default": "'x'", "collation": warehouse.caseless},
    ]
    warehouse.load_nothing(columns=columns)
    warehouse.run("INSERT INTO {t} (id) VALUES (1)")
    assert warehouse.rows(columns="id, v, v = 'X'") == [(1, "x", True)]
    with pytest.raises(MaterializeError, match="(?i)not.null"):
        warehouse.run("INSERT INTO {t} (v) VALUES ('b')")


@pytest.mark.parametrize("strategy", ["create+replace", "append", "merge", "delete+insert"])
def test_null_where_there_must_be_none_is_refused_with_count_and_first_row(warehouse, strategy):
    keys = {"columns": [{"name": "id", "primary_key": True}, REQUIRED], "incremental_key": "id"}
    warehouse.load({"id": [1], "v": ["a"]})
    file = warehouse.stage({"id": [1, 2, 3, 4, 5], "v": ["b", "c", None, "d", None]}, batch_rows=2)
    with pytest.raises(MaterializeError) as caught:
        warehouse.load(file, strategy, **keys)
    text = str(caught.value)
    assert "NULL where there must be none: 'v' is NULL in 2 rows, first in row 3" in text
    assert text.endswith("Nothing was changed in raw.orders.")
    assert warehouse.rows() == [(1, "a")]


def test_all_columns_with_null_are_named_at_once(warehouse):
    columns = [REQUIRED, {"name": "w", "nullable": False}]
    with pytest.raises(MaterializeError, match="'v' is NULL in 1 row, first in row 1; 'w' is NULL in 1 row"):
        warehouse.load({"v": pa.array([None], pa.string()), "w": pa.array([None], pa.int64())}, columns=columns)
    assert warehouse.types() is None


@pytest.mark.parametrize("strategy", ["create+replace", "append"])
def test_a_result_that_lacks_a_column_that_must_not_be_null_is_refused(warehouse, strategy):
    for _ in range(2):
        with pytest.raises(MaterializeError, match="The result lacks v, which must not be NULL"):
            warehouse.load({"id": [1]}, strategy, columns=["id", REQUIRED])
        warehouse.load({"id": [1], "v": ["a"]})
    assert warehouse.rows() == [(1, "a")]


def test_a_new_column_that_must_not_be_null_needs_a_value_for_the_rows_that_are_there(warehouse):
    warehouse.load({"id": [1]}, "append")
    with pytest.raises(MaterializeError, match="'v' is new in raw.orders and must not be NULL"):
        warehouse.load({"id": [2], "v": ["b"]}, "append", columns=[REQUIRED])
    warehouse.load({"id": [2], "v": ["b"]}, "append", columns=[{**REQUIRED, "default": "'old'"}])
    assert warehouse.rows() == [(1, "old"), (2, "b")]
    with pytest.raises(MaterializeError, match="(?i)not.null"):
        warehouse.run("INSERT INTO {t} (id, v) VALUES (3, NULL)")


@pytest.mark.parametrize(("kind", "default", "value"), [
    ("integer", "7", 7), ("bigint", "-12", -12), ("double", "1.5", 1.5), ("double", "1e3", 1000.0),
    ("varchar", "'it''s; --'", "it's; --"), ("varchar", "5", "5"), ("integer", "'5'", 5), ("varchar", "''", ""),
])  # fmt: skip
def test_a_result_that_lacks_a_column_gets_its_default(warehouse, kind, default, value):
    columns = ["id", {"name": "v", "type": kind, "default": default}]
    for strategy in ("create+replace", "append", "create+replace", "append"):
        report = warehouse.load({"id": [1]}, strategy, columns=columns)
    assert warehouse.rows(columns="id, v") == [(1, value), (1, value)]
    assert report.schema_changes == []
    warehouse.run("INSERT INTO {t} (id) VALUES (1)")
    assert warehouse.rows(columns="id, v") == [(1, value)] * 3


def test_defaults_are_stored_as_values_of_their_type_are(warehouse):
    columns = [
        {"name": "price", "type": "decimal(10, 2)", "default": "1.5"}, {"name": "ok", "type": "boolean", "default": "TRUE"},
        {"name": "day", "type": "date", "default": "'2026-04-01'"},
        {"name": "moment", "type": "timestamp", "default": "'2026-04-01T10:00:00+02:00'"},
    ]  # fmt: skip
    given = pa.table({
        "id": [2],
        "price": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
        "ok": [True],
        "day": pa.array(["2026-04-01"]).cast(pa.date32()),
        "moment": pa.array(["2026-04-01T08:00:00"]).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
    })  # fmt: skip
    warehouse.load({"id": [1]}, columns=columns)
    warehouse.load(given, "append", columns=columns)
    names = "price, ok, day, moment"
    texts = ", ".join(f"CAST({name} AS VARCHAR)" for name in names.split(", "))
    first, second = warehouse.rows(columns=texts)
    assert first == second
    assert list(warehouse.types()) == ["id", "price", "ok", "day", "moment"]


@pytest.mark.parametrize("kind", ["timestamp", "timestamp_ntz", "date", "varchar"])
@pytest.mark.parametrize("default", ["CURRENT_TIMESTAMP", "now()", "CURRENT_DATE"])
def test_today_and_now_are_defaults_in_utc(warehouse, kind, default):
    columns = ["id", {"name": "moment", "type": kind, "default": default}]
    warehouse.load({"id": [1]}, columns=columns)
    warehouse.run("INSERT INTO {t} (id) VALUES (2)")
    own = {"sqlite": "strftime('%Y-%m-%d', 'now')", "mysql": "utc_date()"}
    near = own.get(warehouse.kind, "CAST(now() AT TIME ZONE 'UTC' AS DATE)")
    day = "substr(CAST(moment AS VARCHAR), 1, 10)"
    assert warehouse.rows(columns=f"id, {day} = CAST({near} AS VARCHAR)") == [(1, True), (2, True)]
    typed = {"timestamp": pa.timestamp("us", "UTC"), "timestamp_ntz": pa.timestamp("us"), "date": pa.date32()}
    if kind in typed:
        moment = pa.array([0], pa.int64() if kind != "date" else pa.int32()).cast(typed[kind])
        warehouse.load({"id": [3], "moment": moment}, "append", columns=columns)
        lengths = {length for (length,) in warehouse.rows(columns="length(CAST(moment AS VARCHAR))")}
        assert warehouse.kind != "sqlite" or len(lengths) == 1


def test_a_default_that_is_no_value_of_the_column_is_refused(warehouse):
    for kind, default in (("integer", "'many'"), ("integer", "1.5"), ("boolean", "7"), ("integer", "now()")):
        columns = ["id", {"name": "v", "type": kind, "default": default}]
        with pytest.raises(MaterializeError, match="Column 'v': its default .* is not exactly"):
            warehouse.load({"id": [1]}, columns=columns)
    assert warehouse.types() is None


def test_a_default_without_a_type_fills_a_column_that_is_there(warehouse):
    warehouse.load({"id": [1], "v": [1]}, "append")
    warehouse.load({"id": [2]}, "append", columns=[{"name": "V", "default": "9"}])
    assert warehouse.rows() == [(1, 1), (2, 9)]


@pytest.mark.parametrize(("mode", "columns"), [
    ("evolve", ["id", "v"]), ("sync", ["id", "v"]), ("ignore", ["id"]), ("freeze", ["id"]),
])  # fmt: skip
def test_a_declared_column_with_a_default_is_added_where_columns_may_be(warehouse, mode, columns):
    warehouse.load({"id": [1]}, "append")
    column = {"name": "v", "type": "integer", "default": "9"}
    warehouse.load({"id": [2]}, "append", columns=[column], on_schema_change=mode)
    assert list(warehouse.types()) == columns
    assert warehouse.rows() == ([(1, 9), (2, 9)] if len(columns) > 1 else [(1,), (2,)])


def test_a_merge_gives_new_rows_the_default_and_leaves_the_others(warehouse):
    columns = [{"name": "id", "primary_key": True}, {"name": "v", "type": "integer", "default": "9"}]
    warehouse.load({"id": [1], "v": [1]}, "merge", columns=columns)
    warehouse.load({"id": [1, 2]}, "merge", columns=columns)
    assert warehouse.rows() == [(1, 1), (2, 9)]


def test_a_column_widens_beside_columns_with_rules(warehouse):
    columns = [
        {"name": "id", "nullable": False},
        {"name": "v", "type": "varchar", "default": "'x'", "collation": warehouse.caseless},
    ]
    warehouse.load({"id": [1], "n": [1]}, "append", columns=columns)
    warehouse.load({"id": [2], "n": [1.5]}, "append", columns=columns)
    assert warehouse.rows(columns="id, n, v = 'X'") == [(1, 1.0, True), (2, 1.5, True)]
    with pytest.raises(MaterializeError, match="(?i)not.null"):
        warehouse.run("INSERT INTO {t} (n) VALUES (3)")


def test_texts_with_a_collation_compare_by_it(warehouse):
    keys = [{"name": "name", "primary_key": True, "collation": warehouse.caseless}]
    warehouse.load({"name": ["Ann", "Bob"], "v": [1, 2]}, "merge", columns=keys)
    warehouse.load({"name": ["ANN", "cyd"], "v": [3, 4]}, "merge", columns=keys)
    assert sorted((name.lower(), v) for name, v in warehouse.rows()) == [("ann", 3), ("bob", 2), ("cyd", 4)]
    with pytest.raises(MaterializeError, match="1 primary key"):
        warehouse.load({"name": ["dan", "DAN"], "v": [3, 4]}, "merge", columns=keys)
    warehouse.load({"name": ["BOB"], "v": [9]}, "delete+insert", columns=keys, incremental_key="name")
    assert ("BOB", 9) in warehouse.rows()
    assert ("Bob", 2) not in warehouse.rows()


def test_an_unknown_collation_is_named_with_its_column(warehouse):
    columns = [{"name": "v", "collation": "klingon"}]
    with pytest.raises(MaterializeError, match=r"cannot have these collations \(v: klingon\): .*ollation"):
        warehouse.load({"v": ["a"]}, columns=columns)
    with pytest.raises(MaterializeError, match=r"cannot have these collations \(v: klingon\)"):
        warehouse.load_nothing(columns=[{**columns[0], "type": "varchar"}])
    assert warehouse.types() is None


def test_a_collation_is_for_texts(warehouse):
    with pytest.raises(
        MaterializeError, match=f"'v': its collation {warehouse.caseless} is for texts, and it holds int64"
    ):
        warehouse.load({"v": [1]}, columns=[{"name": "v", "collation": warehouse.caseless}])
