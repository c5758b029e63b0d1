"""DuckDB joins keys once, and goes over the table in its order, whatever the order of the result."""

from __future__ import annotations

import random

import pytest
from recording import statements

from airflow_materialize.destinations.duckdb import bulk, deleting, listing, merging, pairing, parting
from airflow_materialize.destinations.duckdb.destination import DuckDBSession
from airflow_materialize.errors import MaterializeError

KEY = [{"name": "id", "primary_key": True}]
SETTING = "SELECT current_setting('disabled_optimizers')"


@pytest.fixture
def warehouse(make_warehouse):
    return make_warehouse("duckdb")


def with_disabled(session, sql):
    """A statement, and the optimizers that are disabled when it is executed."""
    [(disabled,)] = session._connection.cursor().execute(SETTING).fetchall()
    return sql, disabled


@pytest.fixture
def as_large(monkeypatch):
    """Do with few rows what is done with many."""
    for module in (deleting, listing):
        monkeypatch.setattr(module, "LISTED", 500)
        monkeypatch.setattr(module, "GROUP", 1)
    monkeypatch.setattr(deleting, "_MARKED", 0)
    monkeypatch.setattr(pairing, "_SORTED", 3000)
    monkeypatch.setattr(parting, "_KEYS", 700)
    monkeypatch.setattr(bulk, "part_rows", lambda batch: 300)


WAYS = {
    "deleted and inserted": ({}, ""),
    "updated by the key's index": ({}, "CREATE UNIQUE INDEX one_of_each ON {i} (id)"),
    "updated in one column": ({"columns": [*KEY, {"name": "v", "update_on_merge": True}]}, ""),
    "put together": ({"columns": [*KEY, {"name": "v", "update_on_merge": True}]}, "put together"),
}


@pytest.mark.usefixtures("as_large")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("way", WAYS)
def test_rows_in_any_order_are_merged_as_a_dictionary_would_be(warehouse, monkeypatch, way, seed):
    chance, (options, index) = random.Random(f"{way} {seed}"), WAYS[way]
    first = chance.sample(range(20_000), 12_000)
    expected = {key: (key % 3, f"text {key}") for key in first}
    warehouse.load({"id": first, "v": [expected[key][0] for key in first], "t": [expected[key][1] for key in first]})
    if index == "put together":
        monkeypatch.setattr(merging, "_CHANGED", -1)
    elif index:
        warehouse.run(index)
    changed = chance.sample(range(20_000), 6000)
    values = {key: (key % 2, f"new {key}" if key % 5 else f"text {key}") for key in changed}
    with statements(with_disabled) as said:
        result = {"id": changed, "v": [v for v, _ in values.values()], "t": [t for _, t in values.values()]}
        report = warehouse.load(result, "merge", **{"columns": KEY, **options})
    known = [key for key in changed if key in expected]
    marked = {key: (values[key][0], expected[key][1]) if options else values[key] for key in known}
    touched = sum(expected[key] != row for key, row in marked.items())
    assert (report.rows_updated, report.rows_inserted) == (touched, len(changed) - len(known))
    expected |= values | marked
    assert {key: (v, t) for key, v, t in warehouse.rows()} == expected
    assert warehouse.rows(columns="count(*)") == [(len(expected),)]
    joined = [disabled for sql, disabled in said if "AS source JOIN" in sql]
    assert len(joined) > 10
    assert set(joined) == {"join_order,build_side_probe_side"}


LARGE = {
    "an expression": ([{"name": "v", "merge_sql": "target.v + source.v"}], {}, ()),
    "an expression that looks at the table": (
        [{"name": "v", "merge_sql": "target.v + source.v + (SELECT min(id) FROM raw.orders)"}],
        {},
        (),
    ),
    "an expression by the key's index": (
        [{"name": "v", "merge_sql": "target.v + source.v"}],
        {},
        ("CREATE UNIQUE INDEX one_of_each ON {i} (id)",),
    ),
    "a predicate": ([{"name": "v", "update_on_merge": True}], {"incremental_predicate": "target.id >= 0"}, ()),
    "another unique index": ([], {}, ("CREATE UNIQUE INDEX another ON {i} (w)",)),
    "two unique indexes": (
        [],
        {},
        ("CREATE UNIQUE INDEX one_of_each ON {i} (id)", "CREATE UNIQUE INDEX another ON {i} (w)"),
    ),
}


@pytest.mark.usefixtures("as_large")
@pytest.mark.parametrize("case", LARGE)
def test_many_rows_that_have_to_be_merged_at_once_are_put_together_first(warehouse, case):
    chance, (columns, options, indexes) = random.Random(case), LARGE[case]
    expected = {key: (key % 7, key) for key in range(8000)}
    warehouse.load({"id": [*expected], "v": [v for v, _ in expected.values()], "w": [w for _, w in expected.values()]})
    warehouse.run(*indexes)
    ids = chance.sample(range(4000, 12_000), 6000)
    # What is unique goes from one row to another.
    others = chance.sample(ids, len(ids)) if indexes else ids
    with statements(with_disabled) as said:
        result = {"id": ids, "v": [1] * 6000, "w": others}
        report = warehouse.load(result, "merge", columns=[*KEY, *columns], **options)
    for key, other in zip(ids, others, strict=True):
        if key in expected and columns:
            expected[key] = (1 if options else expected[key][0] + 1, expected[key][1])
        else:
            expected[key] = (1, other)
    assert {key: (v, w) for key, v, w in warehouse.rows()} == expected
    assert report.rows_inserted == sum(key >= 8000 for key in ids)
    assert not any(sql.startswith("MERGE") for sql, _ in said)


@pytest.mark.usefixtures("as_large")
@pytest.mark.parametrize("fails", [False, True])
def test_what_the_connection_disables_itself_is_as_it_was_behind_a_merge(warehouse, fails):
    warehouse.load({"id": [*range(5000)], "v": [0] * 5000})
    warehouse.run("CREATE UNIQUE INDEX one_of_each ON {i} (id)")

    def look(session, table):
        seen.extend(session.rows(SETTING))
        if fails:
            raise MaterializeError("no")

    seen, opened = [], DuckDBSession.__init__

    def disabling(self, *args, **kwargs):
        opened(self, *args, **kwargs)
        self.execute("SET disabled_optimizers = 'expression_rewriter'")

    with pytest.MonkeyPatch.context() as patch, statements(with_disabled) as said:
        patch.setattr(DuckDBSession, "__init__", disabling)
        if fails:
            with pytest.raises(MaterializeError, match="no"):
                warehouse.load({"id": [*range(4000, 6000)], "v": [1] * 2000}, "merge", columns=KEY, before_commit=look)
        else:
            warehouse.load({"id": [*range(4000, 6000)], "v": [1] * 2000}, "merge", columns=KEY, before_commit=look)
    assert seen == [("expression_rewriter",)]
    during = {disabled for sql, disabled in said if sql.startswith('UPDATE "shop"."raw"."orders"')}
    assert during == {"expression_rewriter,join_order,build_side_probe_side"}
    assert warehouse.rows(columns="count(*), sum(v)") == [(5000, 0) if fails else (6000, 2000)]


@pytest.mark.usefixtures("as_large")
@pytest.mark.parametrize("strategy", ["merge", "scd2_by_column"])
def test_rows_that_a_hook_has_inserted_before_are_changed_too(warehouse, strategy):
    warehouse.load({"id": [*range(3000)], "v": [0] * 3000}, "append" if strategy == "merge" else strategy, columns=KEY)
    if strategy == "merge":
        warehouse.run("CREATE UNIQUE INDEX one_of_each ON {i} (id)")
        others = ""
    else:
        others = ", TIMESTAMPTZ '2026-01-01 00:00:00+00', NULL, TRUE"
    hook = f"INSERT INTO raw.orders SELECT i, 0{others} FROM range(3000, 5000) AS n(i)"
    ids = [*range(1000, 7000)]
    random.Random(3).shuffle(ids)
    report = warehouse.load({"id": ids, "v": [1] * 6000}, strategy, columns=KEY, hooks_pre=(hook,))
    if strategy == "merge":
        assert (report.rows_updated, report.rows_inserted) == (4000, 2000)
        assert warehouse.rows(columns="count(*), sum(v)") == [(7000, 6000)]
    else:
        # A thousand keys are gone, four thousand have other values.
        assert (report.rows_updated, report.rows_inserted) == (5000, 6000)
        sums = "count(*) FILTER (_is_current), sum(v) FILTER (_is_current), count(*)"
        assert warehouse.rows(columns=sums) == [(6000, 6000, 11_000)]


@pytest.mark.parametrize(("width", "parts"), [(0, 3), (96, 12), (10_000, 300)])
def test_the_longer_the_texts_of_a_key_the_fewer_are_joined_at_once(warehouse, monkeypatch, width, parts):
    monkeypatch.setattr(parting, "_KEYS", 100)
    warehouse.load({"Mail": [f"m{number}" for number in range(300)], "note": ["x"] * 300})
    with warehouse.destination.session() as session:
        session.text_widths = {"mail": width, "note": 1e6}
        found = session.key_parts(["Mail"], warehouse.table())
        counts = [session.rows(f"SELECT count(*) FROM raw.orders WHERE {part}")[0][0] for part in found]
    assert sum(counts) == 300
    assert len(found) == pytest.approx(parts, abs=1)
