"""What hangs on a table when a replacement brings other columns: kept, or named."""

from __future__ import annotations

import pytest

from airflow_materialize.errors import MaterializeError


@pytest.fixture
def embedded(make_warehouse, request):
    return make_warehouse(request.param)


EMBEDDED = pytest.mark.parametrize("embedded", ["duckdb", "sqlite"], indirect=True)
TABLE = (
    'CREATE TABLE {t} (id INTEGER PRIMARY KEY, "a b" INTEGER UNIQUE, n INTEGER NOT NULL DEFAULT 3 CHECK (n > 0),'
    " v TEXT COLLATE NOCASE, old TEXT, CHECK (id < 1000), UNIQUE (id, old))"
)


def make(warehouse, *more):
    if warehouse.kind == "duckdb":
        warehouse.run("CREATE SCHEMA raw")
    warehouse.run(
        TABLE.replace("INTEGER", "BIGINT") if warehouse.kind == "duckdb" else TABLE,
        "INSERT INTO {t} VALUES (1, 1, 1, 'x', 'o')",
        *more,
    )


def refuses(warehouse, *statements):
    for statement in statements:
        with pytest.raises(MaterializeError, match="(?i)constraint"):
            warehouse.run(statement)


def insert(values):
    return f'INSERT INTO {{t}} (id, "a b", n, v) VALUES ({values})'


@EMBEDDED
def test_constraints_of_the_columns_that_stay_are_kept_and_the_others_named(embedded):
    make(embedded)
    report = embedded.load({"id": [1, 2], "a b": [1, 2], "n": [1, 2], "v": ["x", "y"], "new": [1.5, 2.5]})
    refuses(
        embedded, insert("1, 9, 9, 'z'"), insert("9, 1, 9, 'z'"), insert("9, 9, -1, 'z'"), insert("1000, 9, 9, 'z'")
    )
    refuses(embedded, insert("9, 9, NULL, 'z'"))
    embedded.run("INSERT INTO {t} (id) VALUES (3)")
    assert embedded.rows(columns="id, n, v = 'X'") == [(1, 1, True), (2, 2, False), (3, 3, None)]
    [lost] = [change for change in report.schema_changes if "could not be kept" in change]
    assert lost.replace('"', "") == "UNIQUE (id, old) could not be kept: it needs old, which the result lacks"
    assert f"raw.orders: {lost}" in embedded.said


@EMBEDDED
def test_a_check_of_a_column_that_changes_its_type_is_named(embedded):
    make(embedded)
    data = {"id": [1], "a b": [1], "n": ["many"], "v": ["x"], "old": ["o"]}
    report = embedded.load(data)
    lost = [change for change in report.schema_changes if "could not be kept" in change]
    check = "CHECK ((n > 0))" if embedded.kind == "duckdb" else "CHECK (n > 0)"
    assert [text.replace("DEFAULT (3)", "DEFAULT 3") for text in lost] == [
        "DEFAULT 3 of n could not be kept: n has another type",
        f"{check} could not be kept: n has another type",
    ]
    refuses(embedded, insert("1, 9, 'z', 'z'"), insert("1000, 9, 'z', 'z'"))


@EMBEDDED
def test_indexes_of_the_columns_that_stay_are_kept_and_the_others_named(embedded):
    make(
        embedded,
        'CREATE UNIQUE INDEX one_of_each ON {i} (n, "a b")',
        "CREATE INDEX by_text ON {i} (lower(v))",
        "CREATE INDEX by_old ON {i} (old)",
    )
    report = embedded.load({"id": [1], "a b": [1], "n": [1], "v": ["x"]})
    lost = [change for change in report.schema_changes if change.startswith("index")]
    assert lost == ["index by_old could not be kept: it needs old, which the result lacks"]
    with embedded.destination.session(read_only=True) as session:
        query = {
            "duckdb": "SELECT index_name FROM duckdb_indexes() ORDER BY 1",
            "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND name NOT LIKE '\\_%' ESCAPE '\\' ORDER BY 1",
        }[embedded.kind]
        assert session.rows(query) == [("by_text",), ("one_of_each",)]


@EMBEDDED
def test_views_are_read_as_before_and_those_that_cannot_be_are_named(embedded):
    make(embedded, "CREATE VIEW fine AS SELECT n FROM {t}", "CREATE VIEW broken AS SELECT old FROM {t}")
    report = embedded.load({"id": [1], "n": [2.5]})
    assert embedded.rows("fine" if embedded.kind == "sqlite" else "main.fine") == [(2.5,)]
    named = [change for change in report.schema_changes if "view" in change]
    assert named == ["the view broken cannot be read: it needs old, which the result lacks"]


def test_a_column_that_is_widened_in_sqlite_keeps_what_hangs_on_the_table(make_warehouse):
    warehouse = make_warehouse("sqlite")
    make(warehouse, 'CREATE INDEX by_both ON {i} (n, "a b")')
    report = warehouse.load({"id": [2], "a b": [2], "n": [2.5], "v": ["y"], "old": ["p"]}, "append")
    assert report.schema_changes == ["column n changed from INTEGER to REAL"]
    assert warehouse.rows(columns="id, n") == [(1, 1.0), (2, 2.5)]
    refuses(
        warehouse, insert("1, 9, 9, 'z'"), insert("9, 1, 9, 'z'"), insert("9, 9, -1, 'z'"), insert("9, 9, NULL, 'z'")
    )
    warehouse.run("INSERT INTO {t} (id) VALUES (3)")
    assert (3, 3.0) in warehouse.rows(columns="id, n")


@EMBEDDED
def test_equal_columns_lose_nothing(embedded):
    make(embedded, "CREATE INDEX by_old ON {i} (old)")
    kinds = embedded.types()
    report = embedded.load({"id": [2], "a b": [2], "n": [2], "v": ["x"], "old": ["o"]}, on_schema_change="ignore")
    assert (embedded.types(), report.schema_changes) == (kinds, [])
    refuses(embedded, insert("2, 9, 9, 'z'"))


def test_comments_of_duckdb_survive(make_warehouse):
    warehouse = make_warehouse("duckdb")
    make(warehouse, "COMMENT ON TABLE {t} IS 'it''s a table'", "COMMENT ON COLUMN {t}.n IS 'a number'")
    warehouse.load({"id": [1], "n": [1], "new": [1]})
    with warehouse.destination.session(read_only=True) as session:
        assert session.comments(warehouse.table()) == {"": "it's a table", "n": "a number"}


def test_triggers_of_sqlite_survive(make_warehouse):
    warehouse = make_warehouse("sqlite")
    make(
        warehouse,
        "CREATE TABLE seen (id INTEGER)",
        "CREATE TRIGGER see AFTER INSERT ON {i} BEGIN INSERT INTO seen VALUES (NEW.id); END",
    )
    warehouse.load({"id": [7], "new": [1]})
    assert warehouse.rows("seen") == [(7,)]


@pytest.mark.parametrize(("made", "lost"), [
    ("(id INTEGER PRIMARY KEY AUTOINCREMENT)", "autoincrementcolumnconstraint of id could not be kept: nothing here writes it"),
    ("(id INTEGER PRIMARY KEY) STRICT", "STRICT could not be kept: nothing here writes it"),
    ("(id INTEGER PRIMARY KEY) WITHOUT ROWID", "the constraints of raw.orders could not be kept: how it was made cannot be read"),
])  # fmt: skip
def test_options_of_tables_in_sqlite_are_named(make_warehouse, made, lost):
    warehouse = make_warehouse("sqlite")
    warehouse.run(f"CREATE TABLE {{t}} {made}")
    assert lost in warehouse.load({"id": [1], "new": [1]}).schema_changes


def test_a_table_that_others_refer_to_is_not_replaced_in_duckdb(make_warehouse):
    warehouse = make_warehouse("duckdb")
    make(warehouse, "CREATE TABLE raw.lines (id BIGINT REFERENCES raw.orders (id))")
    with pytest.raises(MaterializeError, match="(?i)foreign key|main key|dependen") as caught:
        warehouse.load({"id": [1], "new": [1]})
    assert caught.value.unchanged == "raw.orders"
    assert len(warehouse.types()) == 5
