"""A header of the type `view`: readers see a view over the table that takes the rows."""

from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.loader import already_loaded
from airflow_materialize.load.views import target_of

VIEW = {"options": {"type": "view"}}
KEY = {"name": "id", "primary_key": True}


@pytest.mark.parametrize("name", ["raw.orders", "raw." + "ä" * 30])
def test_the_name_is_a_view_and_the_rows_are_below_it(warehouse, name):
    report = warehouse.load({"id": [1, 2], "v": ["a", "b"]}, name=name, **VIEW)
    assert warehouse.rows(name) == [(1, "a"), (2, "b")]
    assert (report.table, report.rows_total, report.materialized) == (name, 2, True)
    assert report.schema_changes == ["table created"]
    with warehouse.destination.session(read_only=True) as session:
        assert session.kind(warehouse.table(name)) == "view"


def test_the_rows_below_a_view_have_a_name_of_their_own_however_long_the_view_s_is(warehouse):
    names = {}
    for name in ("raw.orders", "raw." + "x" * 60 + "a", "raw." + "x" * 60 + "b"):
        below = target_of(warehouse.destination, warehouse.plan(name=name, **VIEW).asset)
        names[below.name] = len(below.name.encode())
        warehouse.load({"id": [1]}, name=name, **VIEW)
        with warehouse.destination.session(read_only=True) as session:
            assert session.kind(below) == "table"
    assert len(names) == 3
    assert max(names.values()) < 63


@pytest.mark.parametrize(("strategy", "expected"), [
    ("create+replace", [(2, "B"), (3, "c")]), ("append", [(1, "a"), (2, "B"), (2, "b"), (3, "c")]),
    ("merge", [(1, "a"), (2, "B"), (3, "c")]), ("delete+insert", [(1, "a"), (2, "B"), (3, "c")]),
])  # fmt: skip
def test_every_strategy_has_its_view(warehouse, strategy, expected):
    options = {"columns": [KEY], "incremental_key": "id", **VIEW}
    if strategy == "merge":
        options.pop("incremental_key")
    warehouse.load({"id": [1, 2], "v": ["a", "b"]}, strategy, **options)
    warehouse.load({"id": [2, 3], "v": ["B", "c"]}, strategy, **options)
    assert warehouse.rows() == expected


@pytest.mark.parametrize(("strategy", "changes"), [("create+replace", {}), ("append", {"on_schema_change": "sync"})])
def test_the_view_follows_its_columns(warehouse, strategy, changes):
    warehouse.load({"id": [1], "old": ["a"], "n": pa.array([1], pa.int32())}, strategy, **VIEW)
    warehouse.load({"id": [2], "n": [0.5], "new": ["b"]}, strategy, **VIEW, **changes)
    assert set(warehouse.types()) == {"id", "n", "new"}
    assert (2, 0.5, "b") in warehouse.rows(columns="id, n, new")


def test_a_view_that_was_dropped_comes_back(warehouse):
    warehouse.load({"id": [1]}, **VIEW)
    warehouse.run("DROP VIEW {t}")
    warehouse.load({"id": [2]}, **VIEW)
    assert warehouse.rows() == [(2,)]


def test_a_failed_load_leaves_the_view_as_it_was(warehouse):
    warehouse.load({"id": [1]}, **VIEW)

    def refuse(session, table):
        assert session.rows(f"SELECT id FROM {session.name_of(table)}") == [(2,)]
        raise MaterializeError("a check failed")

    with pytest.raises(MaterializeError, match="a check failed\nNothing was changed in raw.orders."):
        warehouse.load({"id": [2], "new": [1]}, before_commit=refuse, **VIEW)
    assert warehouse.rows() == [(1,)]


def test_a_table_in_the_place_of_a_view_is_named_and_a_view_in_that_of_a_table(warehouse):
    warehouse.load({"id": [1]})
    with pytest.raises(MaterializeError, match="raw.orders is a table, and its header's type is view"):
        warehouse.load({"id": [2]}, **VIEW)
    with pytest.raises(MaterializeError, match="raw.orders is a table, and its header's type is view"):
        warehouse.load_nothing(**VIEW)
    assert warehouse.rows() == [(1,)]
    warehouse.load({"id": [1]}, name="raw.other", **VIEW)
    with pytest.raises(MaterializeError, match="raw.other is a view"):
        warehouse.load({"id": [2]}, name="raw.other")


def test_a_retry_and_no_data_find_the_rows_below_the_view(warehouse):
    plan, file = warehouse.plan("append", **VIEW), warehouse.stage({"id": [1]})
    warehouse.load(file, plan=plan)
    assert warehouse.load(file, plan=plan).outcome == "already_loaded"
    assert already_loaded(warehouse.destination, plan, file.id, file.sha256).rows_total == 1
    assert warehouse.load_nothing("append", **VIEW).rows_total == 1


def test_no_data_creates_the_view_where_the_columns_declare_types(warehouse):
    assert warehouse.load_nothing(columns=[{"name": "id", "type": "bigint"}], **VIEW).materialized
    assert warehouse.rows() == []
