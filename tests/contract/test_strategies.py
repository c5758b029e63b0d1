from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError
from airflow_materialize.load import repeat

DAY = pa.date32()


def days(*values):
    return pa.array(values, pa.int32()).cast(DAY)


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_every_strategy_works_through_the_hook_of_airflow(make_warehouse, kind):
    warehouse = make_warehouse(kind, "hook")
    keys = [{"name": "id", "primary_key": True}]
    warehouse.load({"id": [1, 2], "v": ["a", "b"]})
    warehouse.load({"id": [3], "v": ["c"]}, "append")
    warehouse.load({"id": [2, 4], "v": ["B", "d"]}, "merge", columns=keys)
    warehouse.load({"id": [5], "v": ["a"]}, "delete+insert", incremental_key="v")
    assert warehouse.rows() == [(2, "B"), (3, "c"), (4, "d"), (5, "a")]
    assert warehouse.load_nothing().rows_total == 4


def test_create_replace_leaves_exactly_the_result(warehouse):
    warehouse.load({"id": [1, 2, 3], "name": ["a", "b", None]})
    report = warehouse.load({"id": [3, 4], "name": ["c", "d"]})
    assert warehouse.rows() == [(3, "c"), (4, "d")]
    assert (report.outcome, report.rows_in, report.rows_deleted, report.rows_inserted) == ("loaded", 2, 3, 2)
    assert (report.rows_total, report.materialized, report.table) == (2, True, "raw.orders")


def test_rows_are_counted_after_a_load_only_where_they_are_few(warehouse, monkeypatch):
    monkeypatch.setattr(repeat, "MOST_COUNTED", 2)
    rows = {"id": [1, 2], "name": ["a", "b"]}
    assert warehouse.load(rows, "append").rows_total == 2
    report = warehouse.load(rows, "append")
    if warehouse.kind not in {"sqlite", "postgres", "mysql"}:
        # DuckDB counts without a look at the rows; what has only a hook has no common word for the first of them.
        assert report.rows_total == 4
        assert "2 inserted, 4 in raw.orders" in str(report)
    else:
        assert report.rows_total is None
        assert "2 inserted, more than 100,000 in raw.orders" in str(report)
        assert warehouse.load_nothing().rows_total is None
    assert warehouse.load({"id": [1, 2, 3], "name": ["a", "b", "c"]}, "truncate+insert").rows_total == 3
    assert warehouse.load({"id": [1, 2, 3], "name": ["a", "b", "c"]}).rows_total == 3


def test_create_replace_keeps_the_table_object_while_its_columns_stay(warehouse):
    warehouse.load({"id": [1], "name": ["a"]})
    warehouse.run("CREATE UNIQUE INDEX one_of_each ON {i} (id)", "CREATE VIEW names AS SELECT name FROM {t}")
    report = warehouse.load({"name": ["b"], "id": [1]})
    assert report.schema_changes == []
    assert warehouse.rows(f"{warehouse.default_schema}names") == [("b",)]
    with pytest.raises(MaterializeError, match="(?i)unique|constraint"):
        warehouse.run("INSERT INTO {t} (id) VALUES (1)")


def test_create_replace_follows_changed_columns_and_views_survive(warehouse):
    warehouse.load({"id": [1], "name": ["a"]})
    warehouse.run("CREATE VIEW names AS SELECT name FROM {t}")
    report = warehouse.load({"id": [1.5], "name": ["b"], "city": ["x"]})
    assert warehouse.rows(columns="id, name, city") == [(1.5, "b", "x")]
    assert warehouse.rows(f"{warehouse.default_schema}names") == [("b",)]
    assert any("city added" in change for change in report.schema_changes)


def test_create_replace_with_no_rows_empties_the_table(warehouse):
    warehouse.load({"id": [1]})
    report = warehouse.load({"id": pa.array([], pa.int64())})
    assert warehouse.rows() == []
    assert report.materialized


def test_append_adds_and_a_new_dag_run_adds_again(warehouse):
    warehouse.load({"id": [1, 2]}, "append")
    report = warehouse.load({"id": [2, 3]}, "append")
    assert warehouse.rows() == [(1,), (2,), (2,), (3,)]
    assert (report.rows_inserted, report.rows_total) == (2, 4)


def test_delete_insert_replaces_the_values_of_the_result_and_null_is_one_of_them(warehouse):
    key = {"incremental_key": "day"}
    warehouse.load({"day": days(1, 1, 2, None), "v": [1, 2, 3, 4]}, "delete+insert", **key)
    report = warehouse.load({"day": days(1, None, 5), "v": [10, 40, 50]}, "delete+insert", **key)
    assert [v for (v,) in warehouse.rows(columns="v")] == [10, 3, 40, 50]
    assert (report.rows_deleted, report.rows_inserted) == (3, 3)


def test_delete_insert_without_null_in_the_result_leaves_rows_with_null(warehouse):
    key = {"incremental_key": "day"}
    warehouse.load({"day": days(None, 1), "v": [1, 2]}, "delete+insert", **key)
    warehouse.load({"day": days(1), "v": [3]}, "delete+insert", **key)
    assert [v for (v,) in warehouse.rows(columns="v")] == [1, 3]


def test_delete_insert_of_no_rows_changes_nothing(warehouse):
    key = {"incremental_key": "day"}
    warehouse.load({"day": days(1), "v": [1]}, "delete+insert", **key)
    report = warehouse.load({"day": days(), "v": pa.array([], pa.string())}, "delete+insert", **key)
    assert [v for (v,) in warehouse.rows(columns="v")] == [1]
    assert not report.materialized


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.date32()])
def test_delete_by_interval_replaces_the_half_open_interval(warehouse, between, kind):
    options = {"incremental_key": "at", "options": {"delete_by": "interval"}}
    moments = pa.array([0, 86400, 2 * 86400], pa.int64()).cast(pa.timestamp("s")).cast(pa.timestamp("us")).cast(kind)
    warehouse.load({"at": moments, "v": [1, 2, 3]}, "create+replace")
    day = between("1970-01-02", "1970-01-03")
    report = warehouse.load({"at": moments.slice(1, 1), "v": [20]}, "delete+insert", interval=day, **options)
    assert [v for (v,) in warehouse.rows(columns="v")] == [1, 20, 3]
    assert (report.rows_deleted, report.rows_inserted) == (1, 1)
    warehouse.load({"at": moments.slice(0, 0), "v": pa.array([], pa.int64())}, "delete+insert", interval=day, **options)
    assert [v for (v,) in warehouse.rows(columns="v")] == [1, 3]


def test_delete_by_interval_refuses_rows_outside_with_count_and_bounds(warehouse, between):
    options = {"incremental_key": "at", "options": {"delete_by": "interval"}}
    with pytest.raises(MaterializeError) as caught:
        warehouse.load(
            {"at": days(0, 1, 2, 3)}, "delete+insert", interval=between("1970-01-02", "1970-01-03"), **options
        )
    assert "3 rows of the result lie outside of the interval" in str(caught.value)
    assert "1970-01-01 to 1970-01-04" in str(caught.value)
    assert str(caught.value).endswith("Nothing was changed in raw.orders.")
    assert warehouse.types() is None


def test_delete_by_interval_of_hours_cannot_go_by_dates(warehouse, between):
    options = {"incremental_key": "at", "options": {"delete_by": "interval"}}
    hour = between("1970-01-02T05:00", "1970-01-02T06:00")
    with pytest.raises(MaterializeError, match="are no days"):
        warehouse.load({"at": days(1)}, "delete+insert", interval=hour, **options)


def test_merge_updates_matched_rows_and_inserts_the_others(warehouse):
    keys = [{"name": "id", "primary_key": True}]
    warehouse.load({"id": [1, 2], "v": ["a", "b"]}, "merge", columns=keys)
    report = warehouse.load({"id": [2, 3], "v": ["B", "c"]}, "merge", columns=keys)
    assert warehouse.rows() == [(1, "a"), (2, "B"), (3, "c")]
    assert (report.rows_updated, report.rows_inserted, report.rows_deleted) == (1, 1, 0)


def test_merge_by_several_keys(warehouse):
    keys = [{"name": "month", "primary_key": True}, {"name": "country", "primary_key": True}]
    warehouse.load({"country": ["DE", "FR"], "month": [1, 1], "v": [1, 2]}, "merge", columns=keys)
    warehouse.load({"country": ["DE", "DE"], "month": [1, 2], "v": [10, 3]}, "merge", columns=keys)
    assert warehouse.rows(columns="country, month, v") == [("DE", 1, 10), ("DE", 2, 3), ("FR", 1, 2)]


def test_merge_changes_only_columns_marked_update_on_merge(warehouse):
    columns = [{"name": "id", "primary_key": True}, {"name": "v", "update_on_merge": True}, "w"]
    warehouse.load({"id": [1], "v": ["a"], "w": ["a"]}, "merge", columns=columns)
    warehouse.load({"id": [1, 2], "v": ["b", "b"], "w": ["b", "b"]}, "merge", columns=columns)
    assert warehouse.rows() == [(1, "b", "a"), (2, "b", "b")]


def test_merge_keeps_the_values_of_columns_that_the_result_lacks(warehouse):
    keys = [{"name": "id", "primary_key": True}]
    warehouse.load({"id": [1], "v": ["a"], "w": ["a"]}, "merge", columns=keys)
    warehouse.load({"id": [1, 2], "v": ["b", "b"]}, "merge", columns=keys)
    assert warehouse.rows() == [(1, "b", "a"), (2, "b", None)]


def test_merge_with_an_incremental_key_takes_only_what_is_not_older(warehouse):
    keys = {"columns": [{"name": "id", "primary_key": True}], "incremental_key": "at"}
    warehouse.load({"id": [1, 2, 3, 4], "at": [5, 5, 5, None], "v": list("aaaa")}, "merge", **keys)
    report = warehouse.load({"id": [1, 2, 3, 4], "at": [4, 5, 6, 1], "v": list("bbbb")}, "merge", **keys)
    assert warehouse.rows(columns="id, v") == [(1, "a"), (2, "b"), (3, "b"), (4, "b")]
    assert report.rows_updated == 3


def test_merge_of_keys_alone_changes_nothing_that_is_there(warehouse):
    keys = [{"name": "id", "primary_key": True}]
    warehouse.load({"id": [1]}, "merge", columns=keys)
    report = warehouse.load({"id": [1, 2]}, "merge", columns=keys)
    assert warehouse.rows() == [(1,), (2,)]
    assert report.rows_inserted == 1


def test_merge_into_a_table_with_a_primary_key_constraint(warehouse):
    warehouse.load({"id": [1, 2], "v": ["a", "b"]})
    warehouse.run("CREATE UNIQUE INDEX one_of_each ON {i} (id)")
    warehouse.load({"id": [2, 3], "v": ["B", "c"]}, "merge", columns=[{"name": "id", "primary_key": True}])
    assert warehouse.rows() == [(1, "a"), (2, "B"), (3, "c")]


def test_duplicate_keys_in_a_merge_are_an_error_naming_five(warehouse):
    keys = [{"name": "id", "primary_key": True}]
    with pytest.raises(MaterializeError) as caught:
        warehouse.load({"id": [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6]}, "merge", columns=keys)
    text = str(caught.value)
    assert "6 primary keys (id) of the result stand in several rows" in text
    assert "1 2 times, 2 2 times, 3 2 times, 4 2 times, 5 2 times" in text
    assert text.endswith("Nothing was changed in raw.orders.")
    assert warehouse.types() is None


def test_null_keys_in_a_merge_are_an_error(warehouse):
    keys = [{"name": "a", "primary_key": True}, {"name": "b", "primary_key": True}]
    with pytest.raises(
        MaterializeError, match=r"1 row of the result has NULL in the primary key \(a, b\): \(2, NULL\)"
    ):
        warehouse.load({"a": [1, 2], "b": ["x", None]}, "merge", columns=keys)


def test_keys_of_sensitive_columns_are_not_shown(warehouse):
    keys = [{"name": "mail", "primary_key": True, "sensitive": True}]
    with pytest.raises(MaterializeError, match="not shown") as caught:
        warehouse.load({"mail": ["a@b.c", "a@b.c"]}, "merge", columns=keys)
    assert "a@b.c" not in str(caught.value)


def test_a_merge_into_doubled_rows_is_an_error(warehouse):
    warehouse.load({"id": [1, 1], "v": [1, 2]})
    with pytest.raises(MaterializeError, match=r"primary keys \(id\): 1 2 times"):
        warehouse.load({"id": [1], "v": [3]}, "merge", columns=[{"name": "id", "primary_key": True}])
    assert warehouse.rows() == [(1, 1), (1, 2)]


@pytest.mark.parametrize(("strategy", "options"), [
    ("merge", {"columns": [{"name": "idd", "primary_key": True}]}),
    ("delete+insert", {"incremental_key": "idd"}),
])  # fmt: skip
def test_a_key_that_the_result_lacks_is_named_with_the_nearest(warehouse, strategy, options):
    with pytest.raises(MaterializeError, match=r"lacks the .* 'idd'") as caught:
        warehouse.load({"id": [1]}, strategy, **options)
    assert "id" in caught.value.hint
    assert caught.value.unchanged == "raw.orders"


def test_an_empty_full_refresh_does_not_empty_a_table_of_another_strategy(warehouse):
    empty = {"id": pa.array([], pa.int64())}
    warehouse.load({"id": [1, 2]}, "append")
    plan = warehouse.plan("append", run="refresh", full_refresh=True)
    with pytest.raises(MaterializeError, match="empty result, and raw.orders has 2 rows"):
        warehouse.load(empty, plan=replace(plan, strategy="create+replace"))
    assert warehouse.rows() == [(1,), (2,)]
    allowed = warehouse.plan("append", run="refresh", full_refresh=True, allow_empty=True)
    warehouse.load(empty, plan=replace(allowed, strategy="create+replace"))
    assert warehouse.rows() == []


@pytest.mark.parametrize("strategy", ["append", "merge", "delete+insert", "create+replace"])
def test_no_data_leaves_the_table_alone(warehouse, strategy):
    warehouse.load({"id": [1]})
    report = warehouse.load_nothing(strategy)
    assert (report.outcome, report.materialized, report.rows_total) == ("no_data", False, 1)
    assert warehouse.rows() == [(1,)]


def test_no_data_creates_a_missing_table_whose_columns_declare_types(warehouse):
    columns = [{"name": "id", "type": "integer"}, {"name": "price", "type": "decimal(10, 2)"}]
    report = warehouse.load_nothing(columns=columns)
    assert report.materialized
    assert list(warehouse.types()) == ["id", "price"]
    assert not warehouse.load_nothing(columns=columns).materialized


def test_no_data_creates_nothing_where_a_type_is_missing(warehouse):
    report = warehouse.load_nothing(columns=[{"name": "id", "type": "integer"}, {"name": "price"}])
    assert not report.materialized
    assert warehouse.types() is None
    assert not warehouse.path.exists()


def test_a_view_in_the_way_is_named(warehouse):
    schema = "raw." if warehouse.destination.capabilities.schemas else ""
    name = 'raw."orders"' if schema else '"raw.orders"'
    warehouse.run(*(["CREATE SCHEMA raw"] if schema else []), f"CREATE VIEW {name} AS SELECT 1 AS id")
    with pytest.raises(MaterializeError, match="raw.orders is a view"):
        warehouse.load({"id": [1]})


def test_what_the_checks_say_before_the_commit_takes_the_load_back(warehouse):
    warehouse.load({"id": [1]})

    def refuse(session, table):
        assert session.rows(f"SELECT id FROM {session.name_of(table)}") == [(2,)]
        raise MaterializeError("a check failed")

    with pytest.raises(MaterializeError, match="a check failed\nNothing was changed in raw.orders."):
        warehouse.load({"id": [2]}, before_commit=refuse)
    assert warehouse.rows() == [(1,)]
    assert len(warehouse.ledger()) == 1
