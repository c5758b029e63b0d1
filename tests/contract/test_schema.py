from __future__ import annotations

import datetime as dt
import json
from contextlib import suppress
from decimal import Decimal

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError

NONE_OF_TEXT = pa.array([None, None], pa.string())


def test_columns_match_by_name_and_never_by_position(warehouse):
    warehouse.load({"id": [1], "v": ["a"]}, "append")
    warehouse.load({"v": ["b"], "id": [2]}, "append")
    assert warehouse.rows() == [(1, "a"), (2, "b")]


def test_columns_match_whatever_their_case(warehouse):
    warehouse.load({"Id": [1]}, "append")
    warehouse.load({"ID": [2]}, "append")
    warehouse.load({"iD": [3]}, "merge", columns=[{"name": "id", "primary_key": True}])
    assert list(warehouse.types()) == ["Id"]
    assert warehouse.rows() == [(1,), (2,), (3,)]


def test_two_columns_that_differ_in_case_only_are_an_error(warehouse):
    with pytest.raises(MaterializeError, match="two columns of one name here: 'id' and 'ID'") as caught:
        warehouse.load({"id": [1], "ID": [2]})
    assert caught.value.unchanged == "raw.orders"


def test_a_result_without_columns_is_an_error(warehouse):
    with pytest.raises(MaterializeError, match="The result has no columns"):
        warehouse.load(pa.table({}))


@pytest.mark.parametrize("strategy", ["append", "merge", "delete+insert"])
def test_evolve_adds_columns(warehouse, strategy):
    options = {"columns": [{"name": "id", "primary_key": True}], "incremental_key": "id"}
    warehouse.load({"id": [1]}, strategy, **options)
    report = warehouse.load({"id": [2], "v": ["x"]}, strategy, **options)
    assert warehouse.rows() == [(1, None), (2, "x")]
    assert len(report.schema_changes) == 1
    assert report.schema_changes[0].startswith("column v added as ")
    assert f"raw.orders: {report.schema_changes[0]}" in warehouse.said


def test_a_column_that_the_result_lacks_stays_and_takes_null(warehouse):
    warehouse.load({"id": [1], "v": ["a"]}, "append")
    report = warehouse.load({"id": [2]}, "append")
    assert warehouse.rows() == [(1, "a"), (2, None)]
    assert report.schema_changes == []


def test_sync_adds_and_drops(warehouse):
    warehouse.load({"id": [1], "old": ["a"]}, "append")
    report = warehouse.load({"id": [2], "new": ["b"]}, "append", on_schema_change="sync")
    assert warehouse.rows(columns="id, new") == [(1, None), (2, "b")]
    assert "column old dropped" in report.schema_changes


@pytest.mark.parametrize("strategy", ["append", "create+replace"])
def test_freeze_refuses_a_new_column(warehouse, strategy):
    warehouse.load({"id": [1]})
    with pytest.raises(MaterializeError, match="'idd', which raw.orders lacks") as caught:
        warehouse.load({"id": [2], "idd": [3]}, strategy, on_schema_change="freeze")
    assert caught.value.unchanged == "raw.orders"
    assert warehouse.rows() == [(1,)]


def test_freeze_refuses_to_lose_a_column_in_a_replacement(warehouse):
    warehouse.load({"id": [1], "v": [1]})
    with pytest.raises(MaterializeError, match="lacks the columns v of raw.orders"):
        warehouse.load({"id": [2]}, on_schema_change="freeze")


@pytest.mark.parametrize("strategy", ["append", "create+replace"])
def test_ignore_leaves_new_columns_out(warehouse, strategy):
    warehouse.load({"id": [1]})
    report = warehouse.load({"id": [2], "v": [3]}, strategy, on_schema_change="ignore")
    assert list(warehouse.types()) == ["id"]
    assert report.schema_changes == ["column v of the result ignored"]


def test_integers_that_became_floats_go_back_into_their_column(warehouse):
    warehouse.load({"id": [1, 2**53 + 1]}, "append")
    before = warehouse.types()
    warehouse.load({"id": pa.array([3.0, None])}, "append")
    assert warehouse.types() == before
    assert warehouse.rows() == [(1,), (3,), (2**53 + 1,), (None,)] or set(warehouse.rows()) == {
        (1,), (3,), (2**53 + 1,), (None,)
    }  # fmt: skip


def test_a_column_widens_where_a_value_needs_it(warehouse):
    warehouse.load({"v": pa.array([1, 2], pa.int32())}, "append")
    report = warehouse.load({"v": [0.5]}, "append")
    assert warehouse.rows() == [(0.5,), (1.0,), (2.0,)]
    assert len(report.schema_changes) == 1
    assert report.schema_changes[0].lower().startswith("column v changed from int")


@pytest.mark.parametrize("strategy", ["append", "merge", "delete+insert", "truncate+insert", "scd2_by_column"])
def test_a_column_of_texts_gets_room_for_a_longer_one(warehouse, strategy):
    keys = {"columns": [{"name": "id", "primary_key": True}], "options": {"incremental_key": "id"}}
    if strategy == "scd2_by_column":
        keys["options"] = {}
    if warehouse.destination.capabilities.schemas:
        warehouse.run("CREATE SCHEMA raw")
    history = ", _valid_from TIMESTAMP, _valid_until TIMESTAMP, _is_current BOOLEAN" if not keys["options"] else ""
    warehouse.run(f"CREATE TABLE {{t}} (id BIGINT, v VARCHAR(3), c CHAR(4){history})")
    warehouse.load({"id": [1], "v": ["abc"], "c": ["abcd"]}, strategy, **keys)
    before = warehouse.types()
    longer = {"id": [2, 3], "v": [None, "é longer than it was"], "c": pa.array(["x", "longer"]).dictionary_encode()}
    if before["v"] not in {"VARCHAR", "TEXT"} and warehouse.kind != "sqlite":  # where the length counts
        with pytest.raises(MaterializeError, match="Column 'v' is .*: row 2 has a text of 20 characters"):
            warehouse.load(longer, strategy, **keys, on_schema_change="freeze")
    warehouse.load(longer, strategy, **keys)
    assert (3, "é longer than it was", "longer") in warehouse.rows(columns="id, v, c")
    again = warehouse.load(longer, strategy, **keys)
    assert not again.schema_changes


@pytest.mark.parametrize("strategy", ["append", "merge", "create+replace", "truncate+insert"])
@pytest.mark.parametrize("kind", ["postgres", "sqlite", "mysql"])
def test_a_column_that_the_database_computes_is_none_of_the_result(make_warehouse, kind, strategy):
    warehouse = make_warehouse(kind)
    if warehouse.destination.capabilities.schemas:
        warehouse.run("CREATE SCHEMA raw")
    warehouse.run('CREATE TABLE {t} (id BIGINT, n BIGINT, "Twice" BIGINT GENERATED ALWAYS AS (n * 2) STORED)')
    columns = [{"name": "id", "primary_key": True}]
    with pytest.raises(MaterializeError, match="The result has 'Twice', which raw.orders fills by itself"):
        warehouse.load({"id": [1], "n": [2], "Twice": [4]}, strategy, columns=columns)
    if strategy != "create+replace":
        warehouse.load({"id": [1], "n": [2]}, strategy, columns=columns)
        assert warehouse.rows() == [(1, 2, 4)]


@pytest.mark.parametrize("value", [Decimal("1234567890123456789.01"), "007", "1e5", " 7"])
def test_sqlite_makes_no_other_number_of_a_value(make_warehouse, value):
    warehouse = make_warehouse("sqlite")
    warehouse.run("CREATE TABLE {t} (id BIGINT, v DECIMAL(38,2), s STRING, d DATE)")
    column = "v" if isinstance(value, Decimal) else "s"
    with pytest.raises(MaterializeError, match=f"Column '{column}', row 2: SQLite would make another number"):
        warehouse.load({"id": [1, 2], column: [None, value]}, "append")
    assert warehouse.rows() == []
    fine = {"v": [Decimal("1.50"), Decimal("-3.00")], "s": ["7", "a7"], "d": [dt.date(2026, 4, 1)] * 2}
    warehouse.load({"id": [1, 2], **fine}, "append")
    assert warehouse.rows() == [(1, 1.5, 7, "2026-04-01"), (2, -3, "a7", "2026-04-01")]


def nested(warehouse, name="raw.orders"):
    """The rows of `id` and a nested `v`, without fields that are NULL: only some databases have these in every row."""

    def without_null(value):
        if isinstance(value, dict):
            return {key: without_null(item) for key, item in value.items() if item is not None}
        return [*map(without_null, value)] if isinstance(value, list) else value

    rows = warehouse.rows(name, "id, v")
    return [(key, without_null(json.loads(value) if isinstance(value, str) else value)) for key, value in rows]


@pytest.mark.parametrize("strategy", ["append", "merge", "delete+insert"])
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [value], lambda value: {"in": [value]}])
def test_a_field_that_is_new_within_nested_values_arrives(warehouse, strategy, wrap):
    keys = {"columns": [{"name": "id", "primary_key": True}], "options": {"incremental_key": "id"}}
    values = [{"a": 1}, {"b": "x", "a": 2}, {"b": "y"}, {"a": 1.5, "c": {"d": [1]}}]
    for number, value in enumerate(values):
        warehouse.load(pa.Table.from_pylist([{"id": number, "v": wrap(value)}]), strategy, **keys)
    assert nested(warehouse) == [(number, wrap(value)) for number, value in enumerate(values)]


def test_numbers_within_lists_are_not_rounded(make_warehouse):
    warehouse = make_warehouse("duckdb")
    warehouse.load({"id": [1], "v": pa.array([[0.5, float("nan")]], pa.list_(pa.float32()))})
    warehouse.load({"id": [2], "v": [[0.25, float("nan")]]}, "append")
    assert warehouse.types()["v"] == "FLOAT[]"
    warehouse.load({"id": [3], "v": [[0.1]]}, "append")
    assert warehouse.rows(columns="v[1]") == [(0.1,), (0.25,), (0.5,)]


@pytest.mark.parametrize("mode", ["freeze", "ignore"])
def test_a_nested_field_without_a_place_is_never_lost(warehouse, mode):
    warehouse.load(pa.Table.from_pylist([{"id": 1, "v": {"a": 1}}]))
    expected = [(1, {"a": 1}), (2, {"a": 2, "b": "x"})]
    with suppress(MaterializeError):
        warehouse.load(pa.Table.from_pylist([{"id": 2, "v": {"a": 2, "b": "x"}}]), "append", on_schema_change=mode)
    assert nested(warehouse) in (expected, expected[:1])


def test_a_column_does_not_widen_where_that_would_change_a_value(warehouse):
    warehouse.load({"v": [2**53 + 1]}, "append")
    with pytest.raises(MaterializeError) as caught:
        warehouse.load({"v": [1.0, 0.5]}, "append")
    assert "row 2: 0.5 (double) is not exactly int64" in str(caught.value)
    assert str(caught.value).endswith("Nothing was changed in raw.orders.")
    assert warehouse.rows() == [(2**53 + 1,)]


def test_text_does_not_become_a_number_nor_a_number_text(warehouse):
    warehouse.load({"v": [1]}, "append")
    with pytest.raises(MaterializeError, match="Column 'v' is .* in raw.orders and .* in the result"):
        warehouse.load({"v": ["007"]}, "append")
    warehouse.load({"w": ["x"]}, "append", name="raw.texts")
    with pytest.raises(MaterializeError, match="Column 'w' is .* in raw.texts"):
        warehouse.load({"w": [1]}, "append", name="raw.texts")


@pytest.mark.parametrize("enforced", [True, False])
@pytest.mark.parametrize("values", [[25, None, -(2**40)], [Decimal("1.50"), None, Decimal("-0.05")]])
def test_exact_numbers_become_texts_where_the_header_declares_text(warehouse, values, enforced):
    columns = [{"name": "id", "primary_key": True}]
    warehouse.load({"id": [1, 2, 3], "age": values}, "merge", columns=columns)
    texts = {"id": [6, 7], "age": ["UNKNOWN", "45"]}
    if warehouse.types()["age"] != "TEXT":  # as SQLite keeps decimals
        with pytest.raises(MaterializeError, match="Column 'age' is .*\n.*Hint: declare it as varchar"):
            warehouse.load(texts, "merge", columns=columns)
    declared = [*columns, {"name": "age", "type": "varchar"}]
    warehouse.load(texts, "merge", columns=declared, enforce_schema=enforced)
    found = [(1, str(values[0])), (2, None), (3, str(values[2])), (6, "UNKNOWN"), (7, "45")]
    assert warehouse.rows(columns="id, age") == found


def test_freeze_does_not_widen(warehouse):
    warehouse.load({"v": pa.array([1], pa.int32())}, "append")
    with pytest.raises(MaterializeError, match="Column 'v' is (?i:int)"):
        warehouse.load({"v": [0.5]}, "append", on_schema_change="freeze")


def test_a_column_of_nothing_but_null_may_become_anything(warehouse):
    warehouse.load({"id": [1, 2], "v": pa.nulls(2)}, "append")
    warehouse.load({"id": [3], "v": [1.5]}, "append")
    assert warehouse.rows(columns="id, v") == [(1, None), (2, None), (3, 1.5)]


def test_nothing_but_null_fits_every_column(warehouse):
    warehouse.load({"id": [1], "v": [1]}, "append")
    before = warehouse.types()
    warehouse.load({"id": [2], "v": pa.nulls(1)}, "append")
    warehouse.load({"id": [3], "v": pa.array([None], pa.string())}, "append")
    assert warehouse.types() == before


def test_a_replacement_by_nothing_but_null_keeps_the_type(warehouse):
    warehouse.load({"v": [1]})
    before = warehouse.types()
    warehouse.load({"v": pa.nulls(3)})
    assert warehouse.types() == before
    assert warehouse.rows() == [(None,)] * 3


def test_no_rows_change_no_column(warehouse):
    warehouse.load({"id": [1]}, "append")
    report = warehouse.load({"id": pa.array([], pa.string()), "v": pa.array([], pa.string())}, "append")
    assert list(warehouse.types()) == ["id"]
    assert not report.materialized


def test_declared_types_are_used_for_columns_of_null_and_for_empty_tables(warehouse):
    columns = [{"name": "id", "type": "bigint"}, {"name": "price", "type": "double"}]
    warehouse.load({"id": [1], "price": pa.nulls(1)}, columns=columns)
    filled = warehouse.types()
    warehouse.load({"id": pa.array([], pa.string()), "price": pa.nulls(0)}, name="raw.empty", columns=columns)
    assert warehouse.types("raw.empty") == filled
    assert filled["price"] in {"DOUBLE", "REAL", "double precision"}


def test_enforce_schema_makes_declared_types_the_tables(warehouse):
    columns = [
        {"name": "id", "type": "integer"}, {"name": "day", "type": "date"}, {"name": "price", "type": "numeric(10, 2)"},
        {"name": "ok", "type": "boolean"}, {"name": "at", "type": "timestamp"}, {"name": "note", "type": "varchar(3)"},
    ]  # fmt: skip
    data = {
        "id": ["1", "2"], "day": ["2026-04-01", None], "price": [0.1 + 0.2, 5.0],
        "ok": ["true", "false"], "at": ["2026-04-01T10:00:00+02:00", None], "note": ["abc", None],
    }  # fmt: skip
    warehouse.load(data, columns=columns, enforce_schema=True)
    text = "CAST(day AS VARCHAR), CAST(price AS VARCHAR), ok, CAST(note AS VARCHAR)"
    assert warehouse.rows(columns=f"id, {text}") == [(1, "2026-04-01", "0.30", 1, "abc"), (2, None, "5.00", 0, None)]


@pytest.mark.parametrize(("kind", "values", "found"), [
    ("integer", ["1", "x"], "row 2: 'x' (string) is not exactly int64"),
    ("integer", [1.0, 2.5], "row 2: 2.5 (double) is not exactly int64"),
    ("date", ["2026-02-28", "2026-02-30"], "row 2: '2026-02-30' (string) is not exactly date32[day]"),
    ("decimal(5,2)", ["1.25", "1.255"], "row 2: '1.255' (string) is not exactly decimal128(5, 2)"),
    ("decimal(5,2)", [1.25, 1.255], "row 2: 1.255 (double) is not exactly decimal128(5, 2)"),
    ("boolean", [1, 2], "row 2: 2 (int64) is not exactly bool"),
    ("varchar(3)", ["abc", "abcd"], "row 2: 'abcd' (string) is not exactly a text of at most 3 characters"),
    ("json", ['{"a": [1, null]}', "[NaN]"], "row 2: '[NaN]' (string) is not exactly JSON"),
    ("timestamp", [1, 2], "row 1: 1 (int64) is not exactly timestamp[us, tz=UTC]"),
])  # fmt: skip
def test_what_does_not_parse_is_an_error_with_column_row_and_value(warehouse, kind, values, found):
    with pytest.raises(MaterializeError) as caught:
        warehouse.load({"v": values}, columns=[{"name": "v", "type": kind}], enforce_schema=True)
    assert f"Column 'v', {found}" in str(caught.value)
    assert str(caught.value).endswith("Nothing was changed in raw.orders.")
    assert warehouse.types() is None


def test_rows_are_counted_over_all_batches(warehouse):
    values = [str(number) for number in range(70_000)]
    values[66_000] = "many"
    file = warehouse.stage({"v": values}, batch_rows=25_000)
    plan = warehouse.plan(columns=[{"name": "v", "type": "bigint"}], enforce_schema=True)
    with pytest.raises(MaterializeError, match="Column 'v', row 66001: 'many'"):
        warehouse.load(file, plan=plan)


def test_sensitive_values_are_not_shown(warehouse):
    columns = [{"name": "v", "type": "integer", "sensitive": True}]
    with pytest.raises(MaterializeError, match="row 1: its value") as caught:
        warehouse.load({"v": ["4111-1111"]}, columns=columns, enforce_schema=True)
    assert "4111" not in str(caught.value)


def test_an_unknown_declared_type_is_named(warehouse):
    with pytest.raises(MaterializeError, match="'v' has the type 'intege', which enforce_schema does not know"):
        warehouse.load({"v": [1]}, columns=[{"name": "v", "type": "intege"}], enforce_schema=True)


def test_a_missing_column_that_must_not_be_null_is_named(warehouse):
    if warehouse.destination.capabilities.schemas:
        warehouse.run("CREATE SCHEMA raw")
    warehouse.run("CREATE TABLE {t} (id BIGINT, v VARCHAR NOT NULL, w VARCHAR NOT NULL DEFAULT 'x')")
    with pytest.raises(MaterializeError, match="lacks v, which raw.orders does not let be NULL"):
        warehouse.load({"id": [1]}, "append")
    warehouse.load({"id": [1], "v": ["a"]}, "append")
    assert warehouse.rows() == [(1, "a", "x")]


HOSTILE = [
    'a"b',
    "a'b",
    "select",
    "Order",
    "a; DROP TABLE x; --",
    "with space",
    "ä.ö",
    "日本",
    "a]b",
    "a`b",
    "%s",
    "?",
    "$1",
    "x" * 300,
]


def test_hostile_column_names_are_columns(warehouse):
    data = {name: [index] for index, name in enumerate(HOSTILE)}
    keys = [{"name": HOSTILE[0], "primary_key": True}]
    warehouse.load(data)
    warehouse.load(data, "append")
    warehouse.load(data, "delete+insert", incremental_key=HOSTILE[1])
    warehouse.load(data | {"/*": [1]}, "merge", columns=keys)
    with warehouse.destination.session(read_only=True) as session:
        assert list(warehouse.types()) == [*map(session.spelled, HOSTILE), "/*"]
    assert warehouse.rows() == [(*range(len(HOSTILE)), 1)]


@pytest.mark.parametrize(
    "name", ["order", "Order.Select", "größe.日本", "select", "_materialize_staging", "temp.t", "main.t", "shop.shop"]
)
def test_tables_may_bear_reserved_and_foreign_words(warehouse, name):
    if name == "temp.t" and warehouse.kind == "duckdb":
        pytest.skip("the schema of temporary tables")
    warehouse.load({"id": [1]}, name=name)
    warehouse.load({"id": [2]}, "append", name=name)
    assert warehouse.rows(name) == [(1,), (2,)]


def test_a_column_name_that_no_database_can_hold_is_an_error(warehouse):
    with pytest.raises(MaterializeError, match="is no name"):
        warehouse.load({"a\0b": [1]})
    with pytest.raises(MaterializeError, match="is no name"):
        warehouse.load({"": [1]})
