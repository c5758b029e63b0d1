"""Descriptions of the header are comments in the database, where it has comments."""

from __future__ import annotations

from dataclasses import replace

COLUMNS = [{"name": "id", "description": "the order's number"}, {"name": "v"}]
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
        warehouse.run("COMMENT ON COLUMN {t}.v IS 'by hand'")
        warehouse.load({"id": [2], "v": [2]}, plan=described(warehouse, ""))
        assert comments(warehouse) == {"": ABOUT, "id": "the order's number", "v": "by hand"}


def test_no_data_comments_on_the_table_that_it_creates(warehouse):
    columns = [{"name": "id", "type": "bigint", "description": "a number"}]
    warehouse.load_nothing(columns=columns)
    assert comments(warehouse) in ({"id": "a number"}, None)
