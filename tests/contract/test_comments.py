"""Descriptions of the header are comments in the database, where it has comments."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError

COLUMNS = [{"name": "id", "description": "the order's number"}, {"name": "v"}]
MOMENT = dt.datetime(2026, 4, 1, 12, 30)
ABOUT = 'Orders; it\'s "all" of them.\nSecond line -- $$'


def comments(warehouse):
    with warehouse.destination.session(read_only=True) as session:
        assert session.has_comments or session.comments(warehouse.table()) == {}
        return session.comments(warehouse.table()) if session.has_comments else None


def described(warehouse, about=ABOUT, **changes):
    plan = warehouse.plan(run=f"run {warehouse.loads}", columns=COLUMNS, **changes)
    return replace(plan, asset=plan.asset.model_copy(update={"description": about}))


def test_descriptions_become_comments_and_follow_the_header(warehouse):
    warehouse.load({"id": [1], "v": [1]}, plan=described(warehouse))
    expected = {"": ABOUT, "id": "the order's number"}
    assert comments(warehouse) in (expected, None)
    warehouse.load({"id": [2], "new": [1]}, plan=described(warehouse, "Others"))
    assert comments(warehouse) in (expected | {"": "Others"}, None)
    assert warehouse.rows(columns="id") == [(2,)]


def test_a_comment_that_no_header_describes_stays(warehouse):
    warehouse.load({"id": [1], "v": [1]}, plan=described(warehouse))
    if comments(warehouse) is not None:
        by_hand = "ALTER TABLE {t} MODIFY v {v} COMMENT 'by hand'".replace("{v}", warehouse.types()["v"])
        warehouse.run(by_hand if warehouse.kind == "mysql" else "COMMENT ON COLUMN {t}.v IS 'by hand'")
        warehouse.load({"id": [2], "v": [2]}, plan=described(warehouse, ""))
        assert comments(warehouse) == {"": ABOUT, "id": "the order's number", "v": "by hand"}


def test_no_data_comments_on_the_table_that_it_creates(warehouse):
    columns = [{"name": "id", "type": "bigint", "description": "a number"}]
    warehouse.load_nothing(columns=columns)
    assert comments(warehouse) in ({"id": "a number"}, None)


def test_descriptions_of_columns_of_every_type_change_nothing_but_comments(warehouse):
    data = {
        "id": [1], "text": ["it's COMMENT 'x'"], "json": pa.array([{"a": 1}]), "price": [Decimal("1.50")], "at": [MOMENT],
        "tail": ["x"],
    }  # fmt: skip
    columns = [
        {"name": "id", "primary_key": True, "nullable": False},
        {"name": "text", "default": "'CHECK (a) COMMENT ''b'' '", "nullable": False},
        *({"name": name} for name in ("json", "price", "at", "tail")),
    ]
    warehouse.load(data, columns=columns)
    rows, types = warehouse.rows(), warehouse.types()
    for about in ("first; 'quoted' \\ -- ", "second\nline é🦆"):
        told = {column["name"]: f"{about} of {column['name']}" for column in columns}
        warehouse.load(data, columns=[{**column, "description": told[column["name"]]} for column in columns])
        kept = {name: text.replace("🦆", "?" if warehouse.kind == "mysql" else "🦆") for name, text in told.items()}
        assert comments(warehouse) in (kept, None)
        assert (warehouse.rows(), warehouse.types()) == (rows, types)
    warehouse.run("INSERT INTO {t} (id) VALUES (2)")
    assert warehouse.rows(columns="text") == [("CHECK (a) COMMENT 'b' ",), ("it's COMMENT 'x'",)]


def test_a_comment_comes_with_other_columns_and_not_with_a_load_that_fails(warehouse):
    warehouse.load({"id": [1], "v": [1]}, plan=described(warehouse))
    warehouse.load({"id": [1], "v": ["text"]}, plan=described(warehouse, "Now texts"))
    expected = ({"": "Now texts", "id": "the order's number"}, None)
    assert comments(warehouse) in expected

    def refuse(_session, _table):
        raise MaterializeError("no")

    with pytest.raises(MaterializeError, match="no"):
        warehouse.load({"id": [1], "v": ["text"]}, plan=described(warehouse, "Never"), before_commit=refuse)
    assert comments(warehouse) in expected


def test_a_comment_that_is_too_long_is_cut_where_the_database_has_a_limit(warehouse):
    columns = [{"name": "id", "description": "x" * 5000}]
    for _ in range(2):
        warehouse.load({"id": [1]}, columns=columns)
    if (found := comments(warehouse)) is not None:
        assert found["id"] in ("x" * 5000, "x" * 1023 + "…")
