"""The header's statements around a load: in its transaction, and without harm to it."""

from __future__ import annotations

import pytest

from airflow_materialize.errors import MaterializeError


def table(warehouse, name="raw.orders"):
    return warehouse.written(name)


def joined(warehouse, text, value):
    return f"CONCAT('{text}', {value})" if warehouse.kind == "mysql" else f"'{text}' || {value}"


@pytest.fixture
def orders(warehouse):
    """A table with one row, beside a table for notes."""
    warehouse.load({"id": [1]})
    warehouse.load({"note": ["made"]}, name="raw.notes")
    return table(warehouse)


def note(warehouse, query):
    return f"INSERT INTO {table(warehouse, 'raw.notes')} SELECT {query}"


def test_hooks_run_before_the_first_change_and_after_the_last_row(warehouse, orders):
    warehouse.load(
        {"id": [2, 3]},
        hooks_pre=(note(warehouse, f"{joined(warehouse, 'before: ', 'count(*)')} FROM {orders}"),),
        hooks_post=(
            note(warehouse, f"{joined(warehouse, 'after: ', 'count(*)')} FROM {orders}"),
            note(warehouse, "'and then';  -- the last"),
        ),
    )
    assert warehouse.rows("raw.notes") == [("after: 2",), ("and then",), ("before: 1",), ("made",)]


def test_a_hook_may_make_the_table_and_clean_up_after_the_load(warehouse):
    name = table(warehouse)
    report = warehouse.load(
        {"id": [1, 2]},
        "append",
        hooks_pre=(f"CREATE TABLE IF NOT EXISTS {name} (id BIGINT CHECK (id < 9), made VARCHAR(9) DEFAULT 'by hand')",),
        hooks_post=(f"DELETE FROM {name} WHERE id = 1",),
    )
    assert warehouse.rows() == [(2, "by hand")]
    assert (report.rows_inserted, report.rows_total) == (2, 1)
    assert len(warehouse.ledger()) == 1


@pytest.mark.parametrize("when", ["hooks_pre", "hooks_post"])
def test_a_failing_hook_is_named_with_the_reason_and_nothing_is_changed(warehouse, orders, when):
    hooks = (note(warehouse, "'gone again'"), "DELETE FROM nowhere_at_all")
    with pytest.raises(MaterializeError) as caught:
        warehouse.load({"id": [2], "more": ["column"]}, **{when: hooks})
    text = str(caught.value)
    assert text.startswith(f"{when.replace('_', '.')}[1] failed: ")
    assert "nowhere_at_all" in text
    assert text.endswith("Nothing was changed in raw.orders.")
    assert (warehouse.rows(), warehouse.rows("raw.notes")) == ([(1,)], [("made",)])


@pytest.mark.parametrize("statement", [
    "COMMIT", "begin transaction", "START TRANSACTION", "END", "ROLLBACK", "SAVEPOINT s", "RELEASE s", "ABORT",
    "VACUUM", "PRAGMA foreign_keys = ON", "ATTACH 'other.db' AS other", "DETACH other", "CHECKPOINT",
    "FORCE CHECKPOINT", "/* no */ COMMIT", "PREPARE p AS COMMIT", "EXECUTE p", "EXPLAIN ANALYZE DELETE FROM t",
    "IMPORT DATABASE 'folder'",
])  # fmt: skip
def test_a_hook_does_not_end_or_leave_the_transaction(warehouse, orders, statement):
    with pytest.raises(MaterializeError, match=r"hooks.post\[0\] begins with .*no place in the transaction"):
        warehouse.load({"id": [2]}, hooks_pre=(note(warehouse, "'first'"),), hooks_post=(statement,))
    assert (warehouse.rows(), warehouse.rows("raw.notes")) == ([(1,)], [("made",)])


@pytest.mark.parametrize(("hook", "words"), [
    ("SELECT 1; SELECT 2", "has 2 statements"), ("", "is empty"), (" -- nothing", "is empty"),
    ("DELETE FROM raw._materialize_loads", "names _materialize_loads"),
    ('DROP TABLE "_MATERIALIZE_LOADS"', "names _materialize_loads"),
])  # fmt: skip
def test_a_hook_is_one_statement_and_leaves_the_ledger_alone(warehouse, orders, hook, words):
    with pytest.raises(MaterializeError, match=rf"hooks.pre\[1\] {words}"):
        warehouse.load({"id": [2]}, hooks_pre=("SELECT 1", hook))
    assert warehouse.rows() == [(1,)]


def test_a_semicolon_in_a_text_does_not_part_statements(warehouse, orders):
    warehouse.load({"id": [2]}, hooks_post=(note(warehouse, "'a;b'") + ";",))
    assert ("a;b",) in warehouse.rows("raw.notes")


def test_hooks_do_not_run_where_nothing_is_loaded(warehouse, orders, between):
    hooks = {"hooks_pre": (note(warehouse, "'pre'"),), "hooks_post": (note(warehouse, "'post'"),)}
    once = {"run": "once", "interval": between("2026-04-02", "2026-04-03"), "run_type": "scheduled"}
    file = warehouse.stage({"id": [2]})
    assert warehouse.load(file, **once).outcome == "loaded"
    assert warehouse.load(file, **once, **hooks).outcome == "already_loaded"
    earlier = {**once, "run": "earlier", "interval": between("2026-04-01", "2026-04-02")}
    assert warehouse.load({"id": [3]}, **earlier, **hooks).outcome == "superseded"
    warehouse.load_nothing(**hooks)
    assert warehouse.rows("raw.notes") == [("made",)]


def test_a_retry_after_a_failing_hook_loads_once(warehouse, orders):
    file = warehouse.stage({"id": [2]})
    plan = warehouse.plan("append", run="once", hooks_post=("DELETE FROM missing",))
    with pytest.raises(MaterializeError):
        warehouse.load(file, plan=plan)
    mended = warehouse.plan("append", run="once")
    assert [warehouse.load(file, plan=mended).outcome for _ in range(2)] == ["loaded", "already_loaded"]
    assert warehouse.rows() == [(1,), (2,)]


def test_a_table_that_a_hook_drops_before_the_load_is_made_anew(warehouse, orders):
    warehouse.load({"id": [2]}, "append")
    warehouse.load({"id": [3]}, "append", hooks_pre=(f"DROP TABLE {orders}",))
    assert warehouse.rows() == [(3,)]
    # The loads of the table that is gone count for nothing; the other is that of the notes.
    assert warehouse.ledger("run_id, asset") == [("run 2", "raw.notes"), ("run 4", "raw.orders")]


@pytest.mark.parametrize("change", ["DROP TABLE {t}", "ALTER TABLE {t} RENAME TO elsewhere"])
def test_a_load_whose_table_is_gone_after_its_hooks_is_taken_back(warehouse, orders, change):
    match = "After hooks.post there is no table raw.orders"
    if warehouse.kind == "mysql":
        match = r"hooks.post\[0\] begins with (DROP|ALTER), which commits by itself"
    with pytest.raises(MaterializeError, match=match):
        warehouse.load({"id": [2]}, "append", hooks_post=(change.replace("{t}", orders),))
    assert warehouse.rows() == [(1,)]


def test_a_view_that_a_hook_puts_in_place_of_the_table_is_refused(warehouse, orders):
    hooks = (f"DROP TABLE {orders}", f"CREATE VIEW {orders} AS SELECT 1 AS id")
    for when in ("hooks_pre", "hooks_post"):
        with pytest.raises(MaterializeError, match="raw.orders is a view"):
            warehouse.load({"id": [2]}, **{when: hooks})
    assert warehouse.rows() == [(1,)]


def test_a_hook_that_drops_the_staged_rows_fails_the_load(warehouse, orders):
    warehouse.load({"id": [2]}, hooks_pre=("CREATE TEMPORARY TABLE _materialize_staging (id BIGINT)",))
    assert warehouse.rows() == [(2,)]
