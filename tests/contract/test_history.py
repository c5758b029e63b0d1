"""Strategies by which the result is all that there is: history of rows, and a table that keeps its columns."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError

KEY = {"name": "id", "primary_key": True}
BY_COLUMN = {"strategy": "scd2_by_column", "columns": [KEY]}
BY_TIME = {"strategy": "scd2_by_time", "columns": [KEY], "incremental_key": "at"}
EVER = "9999-12-31 23:59:59"


def days(*values, kind=None):
    kind = kind or pa.timestamp("us", "UTC")
    return pa.array([value and dt.datetime(2026, 4, value) for value in values], pa.timestamp("us")).cast(kind)


def versions(warehouse, columns="id, v"):
    """Each version with whether it is current and whether it is valid for ever, in the order in which they came."""
    for_ever = "substr(CAST(_valid_until AS VARCHAR), 1, 4) = '9999'"
    found = warehouse.rows(columns=f"{columns}, _is_current, {for_ever}")
    return [(*row[:-2], bool(row[-2]), bool(row[-1])) for row in found]


def validity(warehouse, columns="id"):
    until = [f"substr(CAST({name} AS VARCHAR), 1, 10)" for name in ("_valid_from", "_valid_until")]
    return warehouse.rows(columns=", ".join([columns, *until]))


def test_a_changed_row_stays_as_a_former_version_and_a_missing_one_ends(warehouse):
    first = warehouse.load({"id": [1, 2, 3], "v": ["a", "b", "c"]}, **BY_COLUMN)
    assert versions(warehouse) == [(1, "a", True, True), (2, "b", True, True), (3, "c", True, True)]
    assert (first.rows_updated, first.rows_inserted) == (0, 3)
    second = warehouse.load({"id": [1, 2, 4], "v": ["a", "B", "d"]}, **BY_COLUMN)
    assert versions(warehouse) == [
        (1, "a", True, True),
        (2, "B", True, True),
        (2, "b", False, False),
        (3, "c", False, False),
        (4, "d", True, True),
    ]
    assert (second.rows_updated, second.rows_inserted, second.rows_total) == (2, 2, 5)
    assert list(warehouse.types()) == ["id", "v", "_valid_from", "_valid_until", "_is_current"]


def test_a_version_is_valid_until_the_next_one_is(warehouse):
    for value in ("a", "b"):
        warehouse.load({"id": [1], "v": [value]}, **BY_COLUMN)
    former, current = warehouse.rows(columns="v, _valid_from, _valid_until")
    assert former[2] == current[1]
    assert former[1] < former[2]
    assert EVER in str(current[2])


def test_a_result_that_is_the_same_again_changes_nothing(warehouse):
    data = {"id": [1, 2], "v": pa.array(["a", None]), "w": pa.array([None, 1.5])}
    warehouse.load(data, **BY_COLUMN)
    before = warehouse.rows()
    report = warehouse.load(data, **BY_COLUMN)
    assert warehouse.rows() == before
    assert (report.materialized, report.rows_updated, report.rows_inserted) == (False, 0, 0)


def test_a_field_that_one_struct_has_is_no_change_of_the_others(warehouse):
    rows = [{"id": 1, "v": {"a": 1}}, {"id": 2, "v": {"a": 2}}]
    warehouse.load(pa.Table.from_pylist(rows), **BY_COLUMN)
    report = warehouse.load(pa.Table.from_pylist([*rows, {"id": 3, "v": {"a": 3, "b": "x"}}]), **BY_COLUMN)
    assert (report.rows_updated, report.rows_inserted) == (0, 1)
    assert [row[0] for row in warehouse.rows(columns="id")] == [1, 2, 3]


def test_null_is_a_value_that_a_version_may_have(warehouse):
    for value in (None, "a", None):
        warehouse.load({"id": [1], "v": pa.array([value], pa.string())}, **BY_COLUMN)
    assert versions(warehouse) == [(1, "a", False, False), (1, None, False, False), (1, None, True, True)]


def test_a_row_that_comes_back_is_current_again(warehouse):
    for ids in ([1, 2], [2], [1, 2]):
        warehouse.load({"id": ids, "v": ["x"] * len(ids)}, **BY_COLUMN)
    assert versions(warehouse) == [(1, "x", False, False), (1, "x", True, True), (2, "x", True, True)]


def test_history_goes_by_several_keys_and_by_null_where_the_header_says_so(warehouse):
    columns = [KEY, {"name": "country", "primary_key": True}]
    options = {"strategy": "scd2_by_column", "columns": columns, "options": {"on_null_key": "match"}}
    warehouse.load({"id": [1, 1], "country": ["DE", None], "v": ["a", "b"]}, **options)
    warehouse.load({"id": [1, 1], "country": [None, "DE"], "v": ["b", "A"]}, **options)
    assert versions(warehouse, "country, v") == [
        ("DE", "A", True, True),
        ("DE", "a", False, False),
        (None, "b", True, True),
    ]


def test_by_time_a_version_is_valid_from_its_own_moment(warehouse):
    warehouse.load({"id": [1, 2], "at": days(1, 1), "v": ["a", "b"]}, **BY_TIME)
    report = warehouse.load({"id": [1, 2], "at": days(3, 1), "v": ["A", "ignored"]}, **BY_TIME)
    assert versions(warehouse) == [(1, "A", True, True), (1, "a", False, False), (2, "b", True, True)]
    assert validity(warehouse, "v") == [
        ("A", "2026-04-03", "9999-12-31"),
        ("a", "2026-04-01", "2026-04-03"),
        ("b", "2026-04-01", "9999-12-31"),
    ]
    assert (report.rows_updated, report.rows_inserted) == (1, 1)


def test_by_time_a_row_that_the_result_lacks_ends_now_and_never_before_it_began(warehouse):
    future = pa.array([dt.datetime(2026, 4, 1), dt.datetime(2999, 1, 1)], pa.timestamp("us", "UTC"))
    warehouse.load({"id": [1, 2], "at": future, "v": ["a", "b"]}, **BY_TIME)
    warehouse.load({"id": [3], "at": days(1), "v": ["c"]}, **BY_TIME)
    assert versions(warehouse) == [(1, "a", False, False), (2, "b", False, False), (3, "c", True, True)]
    assert validity(warehouse)[1] == (2, "2999-01-01", "2999-01-01")


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us"), pa.timestamp("s"), pa.string()])
def test_by_time_goes_by_days_and_moments_in_utc(warehouse, kind):
    for day in (1, 3):
        warehouse.load({"id": [1], "at": days(day, kind=kind), "v": [str(day)]}, **BY_TIME)
    assert validity(warehouse, "v") == [("1", "2026-04-01", "2026-04-03"), ("3", "2026-04-03", "9999-12-31")]


@pytest.mark.parametrize(("moments", "found"), [
    (pa.array([1, 2]), "'at', row 1: 1 (int64) is not exactly timestamp"),
    (days(1, None), "'at' is NULL in 1 row, first in row 2"),
])  # fmt: skip
def test_by_time_needs_a_moment_in_each_row(warehouse, moments, found):
    with pytest.raises(MaterializeError) as caught:
        warehouse.load({"id": [1, 2], "at": moments}, **BY_TIME)
    assert found in str(caught.value)
    assert str(caught.value).endswith("Nothing was changed in raw.orders.")


def test_by_column_a_version_with_a_moment_of_its_own_ends_when_the_next_one_begins(warehouse):
    for day, values in ((1, ["a", "b", "c"]), (3, ["A", "b", "c"]), (2, ["older", "b", "c"])):
        moments = days(day, 1, 1)
        data = {"id": [1, 2, 3], "at": moments, "v": values}
        report = warehouse.load(data, **BY_COLUMN, incremental_key="at")
        assert (report.rows_updated, report.rows_inserted) == ((0, 3) if day == 1 else (1, 1))
    assert validity(warehouse, "v") == [
        ("A", "2026-04-03", "2026-04-03"),
        ("a", "2026-04-01", "2026-04-03"),
        ("b", "2026-04-01", "9999-12-31"),
        ("c", "2026-04-01", "9999-12-31"),
        ("older", "2026-04-03", "9999-12-31"),
    ]


@pytest.mark.parametrize("strategy", ["scd2_by_time", "scd2_by_column"])
def test_a_row_that_comes_back_is_not_valid_while_its_former_version_was(warehouse, strategy):
    options = {"strategy": strategy, "columns": [KEY, {"name": "k", "primary_key": True}], "incremental_key": "at"}
    for ids in ([1, 2], [2], [1, 2], [1, 2]):
        rows = {"id": ids, "k": pa.array([None] * len(ids), pa.string()), "at": days(*[1] * len(ids)), "v": ids}
        warehouse.load(rows, **options, options={"on_null_key": "match"})
    former, current = warehouse.rows(columns="id, _valid_until, _valid_from, _is_current")[:2]
    former, current = sorted((former, current), key=lambda row: row[3])
    assert (former[0], current[0], bool(former[3]), bool(current[3])) == (1, 1, False, True)
    assert former[1] == current[2]
    assert len(warehouse.rows()) == 3


@pytest.mark.parametrize("mode", ["evolve", "freeze", "ignore"])
def test_a_table_with_rows_of_no_known_validity_is_refused_until_a_full_refresh(warehouse, mode):
    warehouse.load({"id": [1], "v": ["a"]})
    with pytest.raises(MaterializeError, match="lacks _valid_from, _valid_until, _is_current.*\n.*full refresh"):
        warehouse.load({"id": [1], "v": ["b"]}, **BY_COLUMN, on_schema_change=mode)
    assert warehouse.rows() == [(1, "a")]
    plan = warehouse.plan("create+replace", declared="scd2_by_column", columns=[KEY], full_refresh=True)
    warehouse.load({"id": [1], "v": ["c"]}, plan=plan)
    assert versions(warehouse) == [(1, "c", True, True)]


def test_an_empty_table_becomes_one_of_history(warehouse):
    warehouse.load({"id": pa.array([], pa.int64()), "v": pa.array([], pa.string())})
    warehouse.load({"id": [1], "v": ["b"]}, **BY_COLUMN)
    assert versions(warehouse) == [(1, "b", True, True)]


def test_a_full_refresh_begins_history_anew(warehouse):
    for value in ("a", "b"):
        warehouse.load({"id": [1], "v": [value]}, **BY_COLUMN)
    plan = warehouse.plan("create+replace", declared="scd2_by_column", columns=[KEY], full_refresh=True)
    warehouse.load({"id": [1], "v": ["c"]}, plan=plan)
    assert versions(warehouse) == [(1, "c", True, True)]
    warehouse.load({"id": [1], "v": ["d"]}, **BY_COLUMN)
    assert versions(warehouse) == [(1, "c", False, False), (1, "d", True, True)]


def test_no_rows_end_every_version_and_no_data_ends_none(warehouse):
    columns = [KEY | {"type": "bigint"}, {"name": "v", "type": "varchar"}]
    warehouse.load_nothing("scd2_by_column", columns=columns)
    warehouse.load({"id": [1], "v": ["a"]}, "scd2_by_column", columns=columns)
    assert versions(warehouse) == [(1, "a", True, True)]
    warehouse.load_nothing("scd2_by_column", columns=columns)
    assert versions(warehouse) == [(1, "a", True, True)]
    warehouse.load({"id": pa.array([], pa.int64()), "v": pa.array([], pa.string())}, "scd2_by_column", columns=columns)
    assert versions(warehouse) == [(1, "a", False, False)]


def test_a_new_column_makes_new_versions_and_a_missing_one_does_not(warehouse):
    warehouse.load({"id": [1], "v": ["a"]}, **BY_COLUMN)
    warehouse.load({"id": [1], "v": ["a"], "w": ["x"]}, **BY_COLUMN)
    assert versions(warehouse, "id, v, w") == [(1, "a", "x", True, True), (1, "a", None, False, False)]
    report = warehouse.load({"id": [1], "v": ["a"]}, **BY_COLUMN)
    assert not report.materialized


def test_a_result_has_none_of_the_columns_of_history(warehouse):
    with pytest.raises(MaterializeError, match="The result has a column '_Valid_From', which the load fills"):
        warehouse.load({"id": [1], "_Valid_From": [1]}, **BY_COLUMN)
    warehouse.load({"id": [1], "_valid_from": [1]}, name="raw.other")


@pytest.mark.parametrize("options", [BY_COLUMN, BY_TIME])
def test_doubled_and_null_keys_have_no_history(warehouse, options):
    with pytest.raises(MaterializeError, match="1 primary key .* stands in several rows: 1 2 times"):
        warehouse.load({"id": [1, 1], "at": days(1, 2)}, **options)
    with pytest.raises(MaterializeError, match="1 row of the result has NULL in the primary key"):
        warehouse.load({"id": pa.array([None], pa.int64()), "at": days(1)}, **options)


def test_a_table_of_history_that_was_there_keeps_its_types(warehouse):
    kind = "VARCHAR" if warehouse.kind == "sqlite" else "TIMESTAMP"
    if warehouse.destination.capabilities.schemas:
        warehouse.run("CREATE SCHEMA raw")
    warehouse.run(
        f"CREATE TABLE {{t}} (_valid_from {kind}, id BIGINT, v VARCHAR(9), _valid_until {kind}, _is_current BOOLEAN)",
        f"INSERT INTO {{t}} VALUES ('2026-04-01 00:00:00', 1, 'a', '{EVER}', TRUE)",
    )
    before = warehouse.types()
    warehouse.load({"id": [1], "v": ["b"]}, **BY_COLUMN)
    assert versions(warehouse) == [(1, "a", False, False), (1, "b", True, True)]
    assert warehouse.types() == before


@pytest.mark.parametrize("strategy", ["truncate+insert", "scd2_by_column"])
def test_a_whole_result_of_an_older_interval_is_superseded(warehouse, between, strategy):
    options = {"strategy": strategy, "columns": [KEY], "run_type": "scheduled"}
    warehouse.load({"id": [2]}, interval=between("2026-04-02", "2026-04-03"), **options)
    report = warehouse.load({"id": [1]}, interval=between("2026-04-01", "2026-04-02"), **options)
    assert (report.outcome, warehouse.rows(columns="id")) == ("superseded", [(2,)])


def test_truncate_insert_leaves_the_rows_of_the_result_and_keeps_columns(warehouse):
    warehouse.load({"id": [1, 2], "old": ["a", "b"]})
    report = warehouse.load({"id": [3], "new": ["c"]}, "truncate+insert")
    assert warehouse.rows(columns="id, old, new") == [(3, None, "c")]
    assert (report.rows_deleted, report.rows_inserted, report.rows_total) == (2, 1, 1)
    assert [change.partition(" as ")[0] for change in report.schema_changes] == ["column new added"]
    warehouse.load({"id": pa.array([], pa.int64())}, "truncate+insert")
    assert warehouse.rows() == []


def test_truncate_insert_freezes_and_ignores_columns_as_other_strategies_do(warehouse):
    warehouse.load({"id": [1]}, "truncate+insert")
    with pytest.raises(MaterializeError, match="'v', which raw.orders lacks"):
        warehouse.load({"id": [2], "v": [3]}, "truncate+insert", on_schema_change="freeze")
    warehouse.load({"id": [2], "v": [3]}, "truncate+insert", on_schema_change="ignore")
    assert warehouse.rows() == [(2,)]
