"""`enforce_key: true`: the table has a unique index on its primary key, which the load makes."""

from __future__ import annotations

import pytest

from airflow_materialize.errors import MaterializeError

KEY = {"name": "id", "primary_key": True}
SECRET = {"name": "id", "primary_key": True, "sensitive": True}


def is_enforced(warehouse, *columns, name="raw.orders"):
    with warehouse.destination.session(read_only=True) as session:
        return session.has_unique_index(warehouse.table(name), columns or ["id"])


def load(warehouse, data, strategy="merge", columns=(KEY,), **options):
    return warehouse.load(data, strategy, columns=[*columns], enforce_key=True, **options)


@pytest.mark.parametrize("strategy", ["merge", "append", "create+replace", "truncate+insert", "delete+insert"])
def test_a_new_table_has_a_unique_index_on_its_key(warehouse, strategy):
    options = {"incremental_key": "v"} if strategy == "delete+insert" else {}
    report = load(warehouse, {"id": [1, 2], "v": ["a", "b"]}, strategy, **options)
    assert (report.rows_inserted, is_enforced(warehouse)) == (2, True)
    report = load(warehouse, {"id": [3], "v": ["c"]}, strategy, **options)
    assert (report.rows_inserted, is_enforced(warehouse)) == (1, True)


def test_nothing_makes_an_index_where_the_header_does_not_ask_for_one(warehouse):
    warehouse.load({"id": [1]}, "merge", columns=[KEY])
    assert not is_enforced(warehouse)


def test_a_table_that_lacks_the_index_gets_it_and_the_merge_goes_by_it(warehouse):
    warehouse.load({"id": [1, 2], "v": ["a", "b"]})
    report = load(warehouse, {"id": [2, 3], "v": ["B", "c"]})
    assert (report.rows_updated, report.rows_inserted, is_enforced(warehouse)) == (1, 1, True)
    assert warehouse.rows() == [(1, "a"), (2, "B"), (3, "c")]


def test_keys_of_several_columns_texts_and_any_name(warehouse):
    columns = [{"name": 'the "Größe"', "primary_key": True}, {"name": "day", "primary_key": True}]
    data = {'the "Größe"': ["é", "😀"], "v": [1, 2], "day": [1, 1]}
    name = "raw." + "long_" * 11 + "table"
    for _ in range(2):
        load(warehouse, data, columns=columns, name=name)
    assert is_enforced(warehouse, 'the "Größe"', "day", name=name)
    assert len(warehouse.rows(name)) == 2


def test_an_index_of_the_users_own_is_enough(warehouse):
    warehouse.load({"id": [1]})
    warehouse.run("CREATE UNIQUE INDEX one_of_each ON {i} (id)")
    load(warehouse, {"id": [1, 2]})
    assert warehouse.rows() == [(1,), (2,)]
    drop = {"mysql": "ALTER TABLE {t} DROP INDEX one_of_each", "sqlite": "DROP INDEX one_of_each"}
    warehouse.run(drop.get(warehouse.kind, "DROP INDEX raw.one_of_each"))
    assert not is_enforced(warehouse)


def test_a_table_with_a_key_twice_cannot_have_it_and_stays_as_it_is(warehouse):
    warehouse.load({"id": [1, 1], "v": ["a", "b"]})
    with pytest.raises(MaterializeError) as caught:
        load(warehouse, {"id": [2], "v": ["c"]})
    table = warehouse.destination.table("raw.orders")
    assert f"{table} cannot have a unique index on id: " in str(caught.value)
    assert "remove the rows that have a key twice, or leave enforce_key out" in str(caught.value)
    assert f"Nothing was changed in {table}." in str(caught.value)
    assert (warehouse.rows(), is_enforced(warehouse)) == ([(1, "a"), (1, "b")], False)


def test_the_key_that_stands_twice_is_not_shown_where_it_is_sensitive(warehouse):
    warehouse.load({"id": [424242, 424242]})
    with pytest.raises(MaterializeError) as caught:
        load(warehouse, {"id": [2]}, columns=[SECRET])
    assert "424242" not in str(caught.value)
    assert "cannot have a unique index on id" in str(caught.value)


def test_appending_a_key_again_is_refused_by_the_database(warehouse):
    load(warehouse, {"id": [1]}, "append")
    with pytest.raises(MaterializeError) as caught:
        load(warehouse, {"id": [1]}, "append")
    assert "Nothing was changed in" in str(caught.value)
    assert warehouse.rows() == [(1,)]


def test_a_load_that_fails_leaves_no_index_behind(warehouse):
    warehouse.load({"id": [1]})

    def refuse(_session, _table):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        load(warehouse, {"id": [2]}, before_commit=refuse)
    assert (warehouse.rows(), is_enforced(warehouse)) == ([(1,)], False)


def test_a_first_load_that_fails_leaves_no_table_behind(warehouse):
    def refuse(_session, _table):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        load(warehouse, {"id": [2]}, before_commit=refuse)
    assert warehouse.types() is None


def test_it_is_there_after_a_replace_by_other_columns(warehouse):
    load(warehouse, {"id": [1], "v": ["a"]}, "create+replace")
    for _ in range(2):
        load(warehouse, {"id": [1, 2], "w": [1.5, 2.5]}, "create+replace")
    assert (warehouse.rows(), is_enforced(warehouse)) == ([(1, 1.5), (2, 2.5)], True)


def test_a_table_that_gets_other_columns_gets_the_index_with_them_or_with_the_next_load(warehouse):
    warehouse.load({"id": [1], "v": ["a"]})
    for _ in range(2):
        load(warehouse, {"id": [1, 2], "w": [1.5, 2.5]}, "create+replace")
    assert (warehouse.rows(), is_enforced(warehouse)) == ([(1, 1.5), (2, 2.5)], True)


def test_null_matches_null_beside_it(warehouse):
    for value in ("a", "b"):
        load(warehouse, {"id": [None, 1], "v": [value, value]}, options={"on_null_key": "match"})
    assert warehouse.rows(columns="v") == [("b",), ("b",)]
    assert is_enforced(warehouse)


def test_a_history_has_none(warehouse):
    for value in ("a", "b"):
        load(warehouse, {"id": [1], "v": [value]}, "scd2_by_column")
    assert (len(warehouse.rows()), is_enforced(warehouse)) == (2, False)


def test_a_table_without_rows_has_it_too(warehouse):
    columns = [{"name": "id", "type": "integer", "primary_key": True}]
    warehouse.load_nothing("merge", columns=columns, enforce_key=True)
    assert (warehouse.rows(), is_enforced(warehouse)) == ([], True)
