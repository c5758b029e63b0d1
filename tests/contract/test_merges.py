"""What the header says of a merge: expressions, doubled and NULL keys, the predicate."""

from __future__ import annotations

from itertools import product

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError

KEY = {"name": "id", "primary_key": True}


def merge(warehouse, data, columns, **options):
    return warehouse.load(data, "merge", columns=[KEY, *columns], **options)


def test_merge_sql_computes_what_matched_rows_get(warehouse):
    warehouse.load({"id": [1, 2], "score": [5, 5], "name": ["a", "b"]})
    columns = [{"name": "score", "merge_sql": "GREATEST(target.SCORE, source.score) + 100"}, {"name": "name"}]
    report = merge(warehouse, {"id": [1, 2, 3], "score": [4, 9, 7], "name": ["A", "B", "C"]}, columns)
    assert warehouse.rows(columns="id, score, name") == [(1, 105, "a"), (2, 109, "b"), (3, 7, "C")]
    assert (report.rows_updated, report.rows_inserted) == (2, 1)


def test_merge_sql_stands_beside_update_on_merge(warehouse):
    warehouse.load({"id": [1], "n": [5], "v": ["a"], "kept": ["k"]})
    columns = [{"name": "n", "merge_sql": "target.n + source.n"}, {"name": "v", "update_on_merge": True}]
    merge(warehouse, {"id": [1], "n": [2], "v": ["b"], "kept": ["x"]}, columns)
    assert warehouse.rows(columns="id, n, v, kept") == [(1, 7, "b", "k")]


def test_merge_sql_wins_over_update_on_merge_and_sees_the_old_row(warehouse):
    warehouse.load({"id": [1], "old": [1], "new": [2]})
    columns = [
        {"name": "new", "update_on_merge": True, "merge_sql": "source.new * 10"},
        {"name": "old", "merge_sql": "target.new"},
    ]
    merge(warehouse, {"id": [1], "old": [0], "new": [3]}, columns)
    assert warehouse.rows(columns="old, new") == [(2, 30)]


def test_merge_sql_may_count_in_a_column_that_the_result_lacks(warehouse):
    columns = [{"name": "visits", "type": "integer", "default": "1", "merge_sql": "target.visits + 1"}, {"name": "v"}]
    for ids in ([1], [1, 2], [1]):
        merge(warehouse, {"id": ids, "v": ["x"] * len(ids)}, columns)
    assert warehouse.rows(columns="id, visits") == [(1, 3), (2, 1)]


def test_merge_sql_may_ask_with_a_query(warehouse):
    warehouse.load({"bonus": [40]}, name="raw.bonus")
    with warehouse.destination.session(read_only=True) as session:
        bonus = session.name_of(warehouse.table("raw.bonus"))
    warehouse.load({"id": [1], "v": [1]})
    columns = [{"name": "v", "merge_sql": f"source.v + (SELECT max(b.bonus) AS most FROM {bonus} AS b)"}]
    merge(warehouse, {"id": [1], "v": [2]}, columns)
    assert warehouse.rows() == [(1, 42)]


def test_merge_sql_takes_hostile_names(warehouse):
    warehouse.load({"id": [1], 'a"; DROP': [1]})
    columns = [{"name": 'a"; DROP', "merge_sql": 'target."a""; DROP" + source."A""; drop"'}]
    merge(warehouse, {"id": [1], 'a"; DROP': [2]}, columns)
    assert warehouse.rows() == [(1, 3)]


@pytest.mark.parametrize(("text", "words"), [
    ("v + 1", "v may be the table's or the result's"), ("target.w", "the table has no column 'w'"),
    ("source.w", "the result has no column 'w'"), ("target.v; DELETE FROM t", "has 2 statements"),
    ("SELECT 1", "is a statement"), ("DELETE FROM t", "is no"), ("target.v, id = 7", "is no expression"),
    ("target.v WHERE 1 = 1", "is no expression"), ("target.v AS x", "no part of one"), ("target.*", "no part of one"),
    ("target.v + ?", "no part of one"), ("-- nothing", "is empty"), ("target.v) + (1", "is no expression"),
])  # fmt: skip
def test_merge_sql_is_one_expression_of_known_columns(warehouse, text, words):
    warehouse.load({"id": [1], "v": [1]})
    if text == "DELETE FROM t":
        words = "no part of one"
    with pytest.raises(MaterializeError) as caught:
        merge(warehouse, {"id": [1], "v": [2]}, [{"name": "v", "merge_sql": text}])
    assert str(caught.value).startswith("merge_sql of the column 'v'")
    assert words in str(caught.value)
    assert warehouse.rows() == [(1, 1)]


def test_merge_sql_needs_a_column_to_change(warehouse):
    with pytest.raises(MaterializeError, match="merge_sql of the column 'w' has nothing to change"):
        merge(warehouse, {"id": [1], "v": [2]}, [{"name": "w", "merge_sql": "target.v"}])
    assert warehouse.types() is None


def test_the_last_row_of_a_key_wins_in_the_order_of_the_file(warehouse):
    warehouse.load({"id": [1], "v": ["old"]})
    ids = [1, 2] * 500 + [3, 1]
    file = warehouse.stage({"id": ids, "v": [f"row {number}" for number in range(len(ids))]}, batch_rows=7)
    report = merge(warehouse, file, [], options={"on_duplicate_key": "last"})
    assert warehouse.rows() == [(1, "row 1001"), (2, "row 999"), (3, "row 1000")]
    assert (report.rows_in, report.rows_updated, report.rows_inserted, report.rows_doubled) == (1002, 1, 2, 999)
    assert report.rows_in == report.rows_updated + report.rows_inserted + report.rows_doubled
    assert any("999 rows of the result gave way" in sentence for sentence in warehouse.said)
    assert list(warehouse.types()) == ["id", "v"]


def test_the_last_row_wins_whatever_a_column_is_called(warehouse):
    data = {"id": [1, 1], "_materialize_row": [9, 8]}
    merge(warehouse, data, [], options={"on_duplicate_key": "last"})
    assert warehouse.rows() == [(1, 8)]


@pytest.mark.parametrize("duplicates", ["error", "last"])
def test_a_full_refresh_of_a_merge_keeps_keys_apart_too(warehouse, duplicates):
    options = {"on_duplicate_key": duplicates}
    file = warehouse.stage({"id": [1, 1, 2], "v": [1, 2, 3]})
    refresh = warehouse.plan("create+replace", declared="merge", columns=[KEY], full_refresh=True, options=options)
    if duplicates == "error":
        with pytest.raises(MaterializeError, match="1 primary key .* stands in several rows: 1 2 times"):
            warehouse.load(file, plan=refresh)
    else:
        report = warehouse.load(file, plan=refresh)
        assert warehouse.rows() == [(1, 2), (2, 3)]
        assert (report.rows_inserted, report.rows_doubled) == (2, 1)


def test_null_keys_match_where_the_header_says_so(warehouse):
    columns, options = [{"name": "country", "primary_key": True}], {"on_null_key": "match"}
    first = {"id": [1, 1, None], "country": ["DE", None, None], "v": [1, 2, 3]}
    merge(warehouse, first, columns, options=options)
    second = {"id": [1, None, None, 2], "country": [None, None, "FR", None], "v": [20, 30, 40, 50]}
    report = merge(warehouse, second, columns, options=options)
    assert warehouse.rows() == [(1, "DE", 1), (1, None, 20), (2, None, 50), (None, "FR", 40), (None, None, 30)]
    assert (report.rows_updated, report.rows_inserted) == (2, 2)


@pytest.mark.parametrize("extra", [{"incremental_key": "v"}, {"columns": [{"name": "v", "update_on_merge": True}]}])
def test_null_keys_match_in_every_kind_of_merge(warehouse, extra):
    columns = [KEY, *extra.pop("columns", [])]
    for value in (1, 2):
        data = {"id": pa.array([None, 7], pa.int64()), "v": [value, value], "w": [value, value]}
        warehouse.load(data, "merge", columns=columns, options={"on_null_key": "match", **extra})
    assert warehouse.rows(columns="id, v") == [(7, 2), (None, 2)]


def test_two_rows_with_a_null_key_are_doubled(warehouse):
    data = {"id": pa.array([None, None], pa.int64()), "v": [1, 2]}
    with pytest.raises(
        MaterializeError, match=r"1 primary key \(id\) of the result stands in several rows: NULL 2 times"
    ):
        merge(warehouse, data, [], options={"on_null_key": "match"})
    merge(warehouse, data, [], options={"on_null_key": "match", "on_duplicate_key": "last"})
    assert warehouse.rows() == [(None, 2)]


def test_a_predicate_narrows_the_rows_that_a_merge_reads(warehouse):
    warehouse.load({"id": [1, 2], "day": [10, 20], "v": ["a", "b"]})
    for updated in ([], [{"name": "v", "update_on_merge": True}]):
        data = {"id": [2, 3], "day": [20, 30], "v": ["B", "C"]}
        merge(warehouse, data, updated, incremental_predicate="target.Day >= 15")
        assert warehouse.rows(columns="id, v") == [(1, "a"), (2, "B"), (3, "C")]


@pytest.mark.parametrize("predicate", ["target.day > 15", "target.day = source.day", "target.day > NULL"])
def test_a_predicate_that_hides_a_key_of_the_result_is_refused(warehouse, predicate):
    warehouse.load({"id": [1, 2], "day": [10, 20]})
    with pytest.raises(MaterializeError) as caught:
        merge(warehouse, {"id": [1, 3], "day": [11, 30]}, [], incremental_predicate=predicate)
    text = str(caught.value)
    assert "leaves out rows of raw.orders that have 1 primary key (id) of the result: 1" in text
    assert text.endswith("Nothing was changed in raw.orders.")
    assert warehouse.rows() == [(1, 10), (2, 20)]


def test_a_predicate_is_an_expression_too(warehouse):
    with pytest.raises(MaterializeError, match="incremental_predicate: day may be the table's or the result's"):
        merge(warehouse, {"id": [1], "day": [11]}, [], incremental_predicate="day > 3")


VARIANTS = {
    "plain": {},
    "newer wins": {"incremental_key": "at"},
    "marked": {"columns": [{"name": "v", "update_on_merge": True}]},
    "expression": {"columns": [{"name": "v", "merge_sql": "source.v"}]},
    "predicate": {"incremental_predicate": "target.id > 0"},
    "null keys": {"options": {"on_null_key": "match"}},
}


def key_in(warehouse, unique):
    if unique == "index":
        warehouse.run("CREATE UNIQUE INDEX one_of_each ON {i} (id)")
    elif unique == "primary key":
        kind = "INTEGER" if warehouse.kind == "sqlite" else "BIGINT"
        text = warehouse.types()["v"]
        warehouse.run("DROP TABLE {t}", f'CREATE TABLE {{t}} (id {kind} PRIMARY KEY, "at" {kind}, v {text})')


@pytest.mark.parametrize("unique", ["", "index", "primary key"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_that_stay_the_same_are_not_touched(warehouse, unique, variant):
    options = dict(VARIANTS[variant])
    columns = options.pop("columns", [])
    first = {"id": [1, 2, 3], "at": [1, 1, 1], "v": pa.array(["a", None, "c"])}
    warehouse.load(first)
    key_in(warehouse, unique)
    merge(warehouse, first, columns, **options)
    again = merge(warehouse, first, columns, **options)
    assert (again.materialized, again.rows_updated, again.rows_inserted) == (False, 0, 0)
    data = {"id": [3, 2, 1, 4], "at": [1, 1, 1, 1], "v": pa.array(["c", "b", None, "d"])}
    report = merge(warehouse, data, columns, **options)
    assert (report.rows_updated, report.rows_inserted, report.rows_deleted) == (2, 1, 0)
    assert warehouse.rows(columns="id, v") == [(1, None), (2, "b"), (3, "c"), (4, "d")]


@pytest.mark.parametrize("unique", ["", "index"])
def test_texts_that_only_their_collation_takes_for_equal_are_changes(warehouse, unique):
    columns = [{"name": "v", "collation": warehouse.caseless}]
    warehouse.load({"id": [1], "v": ["a"]}, columns=columns)
    key_in(warehouse, unique)
    assert merge(warehouse, {"id": [1], "v": ["A"]}, columns).rows_updated == 1
    assert warehouse.rows() == [(1, "A")]


@pytest.mark.parametrize("unique", ["", "index"])
def test_a_merge_by_several_keys_finds_its_index_whatever_their_order(warehouse, unique):
    columns = [{"name": "b", "primary_key": True}]
    warehouse.load({"id": [1, 1], "b": ["x", "y"], "v": [1, 2]})
    if unique:
        warehouse.run("CREATE UNIQUE INDEX one_of_each ON {i} (b, id)")
    report = merge(warehouse, {"v": [1, 20, 30], "b": ["x", "y", "z"], "id": [1, 1, 1]}, columns)
    assert (report.rows_updated, report.rows_inserted) == (1, 1)
    assert warehouse.rows(columns="id, b, v") == [(1, "x", 1), (1, "y", 20), (1, "z", 30)]


@pytest.mark.parametrize("strategy", ["merge", "scd2_by_column"])
def test_rows_of_a_thousand_columns_are_compared(warehouse, strategy):
    values = {f"c{place}": pa.array([place, place], pa.int16()) for place in range(1000)}
    keys = [{"name": "id", "primary_key": True}]
    warehouse.load({"id": [1, 2], **values}, strategy, columns=keys)
    report = warehouse.load({"id": [1, 2], **values, "c999": [999, 0]}, strategy, columns=keys)
    assert (report.rows_updated, warehouse.rows(columns="c999").count((999,))) == (1, 1 + (strategy != "merge"))


def test_the_load_key_names_the_load_that_changed_a_row(warehouse):
    columns = [{"name": "_materialize_load_key", "type": "varchar"}]
    merge(warehouse, {"id": [1, 2], "v": ["a", "b"]}, columns)
    merge(warehouse, {"id": [1, 2], "v": ["a", "B"]}, columns)
    assert len({key for (key,) in warehouse.rows(columns="_materialize_load_key")}) == 2


@pytest.mark.parametrize("unique", ["", "index"])
@pytest.mark.parametrize("names", [["RowId"], ["_rowid_", "rowid"], ["oid", "rowid", "_rowid_"], ["ctid_"]])
def test_columns_that_are_called_like_the_number_of_a_row_are_columns(warehouse, names, unique):
    warehouse.load({"id": [1, 2, 3], "v": ["a", "b", "c"], **{name: ["x", "x", None] for name in names}})
    key_in(warehouse, unique)
    data = {"id": [1, 2, 3, 4], "v": ["a", "B", "C", "D"], **{name: ["x"] * 4 for name in names}}
    report = merge(warehouse, data, [])
    assert (report.rows_updated, report.rows_inserted) == (2, 1)
    assert warehouse.rows(columns="id, v") == [(1, "a"), (2, "B"), (3, "C"), (4, "D")]


@pytest.mark.parametrize("options", [{}, {"incremental_key": "at"}])
def test_a_merge_by_another_key_takes_no_row_away_that_refers_to_the_rows_it_changes(warehouse, options):
    schemas = warehouse.destination.capabilities.schemas
    children, parent = ("raw.children", "raw.orders") if schemas else ("children", '"raw.orders"')
    cascade = "" if warehouse.kind == "duckdb" else " ON DELETE CASCADE"
    warehouse.load({"code": [0], "at": [0], "n": [0], "v": ["x"]})
    whole, text = (warehouse.types()[name] for name in ("n", "v"))
    warehouse.run(
        "DROP TABLE {t}",
        f'CREATE TABLE {{t}} (n {whole} PRIMARY KEY, code {whole}, "at" {whole}, v {text})',
        f"CREATE TABLE {children} (n {whole}, FOREIGN KEY (n) REFERENCES {parent} (n){cascade})",
        "INSERT INTO {t} VALUES (1, 10, 1, 'a'), (2, 20, 1, 'b')",
        f"INSERT INTO {children} VALUES (1), (2)",
    )
    columns = [{"name": "code", "primary_key": True}]
    data = {"code": [10, 20, 30], "at": [2, 2, 2], "n": [1, 2, 3], "v": ["A", "B", "C"]}
    if warehouse.kind == "duckdb":
        # It takes each change of a column with an index for a deletion.
        with pytest.raises(MaterializeError, match="still referenced by a foreign key"):
            warehouse.load(data, "merge", columns=columns, **options)
        assert warehouse.rows(columns="code, v") == [(10, "a"), (20, "b")]
    else:
        report = warehouse.load(data, "merge", columns=columns, **options)
        assert (report.rows_updated, report.rows_inserted) == (2, 1)
        assert warehouse.rows(columns="code, v") == [(10, "A"), (20, "B"), (30, "C")]
    assert warehouse.rows(children) == [(1,), (2,)]


@pytest.mark.parametrize("unique", ["", "index"])
@pytest.mark.parametrize("marked", [(), ("v",), ("at", "v")])
@pytest.mark.parametrize("nulls", [False, True])
def test_each_row_of_a_merge_is_newer_or_not_whatever_is_null(warehouse, unique, marked, nulls):
    moments, before, result = [None, 1, 2], {}, {}
    for key, (there, here, value) in enumerate(
        product([*moments, "none"], [*moments, "none"], ["same", "other", None])
    ):
        if there != "none":
            before[key] = (there, "same")
        if here != "none":
            result[key] = (here, value)
    if nulls:
        before[None], result[None] = (1, "same"), (2, "other")
    expected, updated = dict(before), 0
    for key, (at, v) in result.items():
        old = before.get(key)
        if old is None:
            expected[key] = (at, v)
        elif old[0] is None or (at is not None and at >= old[0]):
            expected[key] = (at if marked != ("v",) else old[0], v)
            updated += expected[key] != old
    whole = pa.schema([("id", pa.int64()), ("at", pa.int64()), ("v", pa.string())])
    tables = [
        pa.Table.from_pylist([{"id": key, "at": at, "v": v} for key, (at, v) in rows.items()], schema=whole)
        for rows in (before, result)
    ]
    warehouse.load(tables[0])
    key_in(warehouse, unique)
    options = {"on_null_key": "match"} if nulls else {}
    report = merge(warehouse, tables[1], [{"name": name, "update_on_merge": True} for name in marked],
                   incremental_key="at", options=options)  # fmt: skip
    assert (report.rows_updated, report.rows_inserted) == (updated, len({*result} - {*before}))
    found = {key: (at, v) for key, at, v in warehouse.rows(columns='id, "at", v')}
    assert found == expected


@pytest.mark.parametrize("changed", [[5], [3], []])
@pytest.mark.parametrize("variant", ["plain", "newer wins", "marked", "expression", "predicate", "null keys"])
def test_a_merge_into_a_table_that_has_a_key_of_the_result_twice_is_refused(warehouse, variant, changed):
    warehouse.load({"id": [*range(1, 11), 5], "at": [1] * 11, "v": ["a"] * 11})
    before, options = warehouse.rows(), dict(VARIANTS[variant])
    columns = options.pop("columns", [])
    values = ["b" if key in changed else "a" for key in range(1, 12)]
    with pytest.raises(MaterializeError) as caught:
        merge(warehouse, {"id": [*range(1, 12)], "at": [1] * 11, "v": values}, columns, **options)
    assert str(caught.value) == (
        f"{warehouse.table()} has several rows for some of the result's primary keys (id): 5 2 times\n"
        "Hint: remove the doubled rows, or rebuild the table by a full refresh\n"
        f"Nothing was changed in {warehouse.table()}."
    )
    assert warehouse.rows() == before


def test_a_sensitive_key_that_a_table_has_twice_is_not_shown(warehouse):
    warehouse.load({"id": [41, 42, 42]})
    with pytest.raises(MaterializeError, match=r"keys \(id\) \(not shown: a key column is sensitive\)\n") as caught:
        warehouse.load({"id": [41, 42]}, "merge", columns=[{**KEY, "sensitive": True}])
    assert "42" not in str(caught.value)
