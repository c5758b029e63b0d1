"""What is true of MySQL and MariaDB alone: a server that commits every change of a table at once."""

from __future__ import annotations

import datetime as dt
import tempfile
import threading

import pyarrow as pa
import pytest

from airflow_materialize.connections import resolve
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.destinations.discretion import PassingError, RepeatableError
from airflow_materialize.destinations.mysql import session as mysql_session
from airflow_materialize.destinations.mysql.changes import Changes
from airflow_materialize.destinations.reading import ReadOnlyError
from airflow_materialize.destinations.stopping import limited
from airflow_materialize.errors import MaterializeError, TransientError

KEY = [{"name": "id", "primary_key": True}]


@pytest.fixture
def warehouse(make_warehouse):
    return make_warehouse("mysql")


def ask(warehouse, statement):
    with warehouse.destination.session() as session:
        return session.rows(statement)


def tables(warehouse):
    found = ask(warehouse, "SELECT TABLE_NAME, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'raw'")
    return dict(found)


# Other columns in place of all rows.


def test_other_columns_come_by_one_rename_and_leave_nothing_behind(warehouse):
    warehouse.load({"id": [1, 2], "v": ["a", "b"]})
    warehouse.run("CREATE UNIQUE INDEX one_of_each ON {t} (id)", "CREATE INDEX words ON {t} (v(10))")
    warehouse.run("CREATE TRIGGER raw.counted AFTER INSERT ON {t} FOR EACH ROW SET @n = 1")
    report = warehouse.load({"id": [3], "w": [1.5]})
    assert warehouse.rows() == [(3, 1.5)]
    assert tables(warehouse) == {"orders": "", "_materialize_loads": ""}
    assert report.rows_total == 1
    lost = [change for change in report.schema_changes if "could not be kept" in change]
    assert [change.partition(" could")[0] for change in lost] == ["index words", "trigger counted"]
    assert f"raw.orders: {lost[1]}" in warehouse.said
    with pytest.raises(MaterializeError, match="a unique constraint"):
        warehouse.run("INSERT INTO {t} VALUES (3, 2.5)")


def test_nobody_sees_other_columns_before_the_load_is_through(warehouse):
    warehouse.load({"id": [1]})

    def look(session, table):
        assert session.rows(f"SELECT id, w FROM {session.name_of(table)}") == [(2, "x")]
        assert list(session.columns(table)) == ["id", "w"]
        assert warehouse.rows() == [(1,)]
        assert list(warehouse.types()) == ["id"]
        raise MaterializeError("a check failed")

    with pytest.raises(MaterializeError, match="a check failed\nNothing was changed in raw.orders."):
        warehouse.load({"id": [2], "w": ["x"]}, before_commit=look)
    assert (warehouse.rows(), list(warehouse.types())) == ([(1,)], ["id"])
    assert tables(warehouse) == {"orders": "", "_materialize_loads": ""}


def test_a_load_that_dies_between_the_rename_and_its_ledger_row_is_settled_by_the_next(warehouse, monkeypatch):
    warehouse.load({"id": [1]})
    plan, file = warehouse.plan(run="killed"), warehouse.stage({"id": [2], "v": ["x"]})
    whole = Changes.swap_now

    def dies(self, ledger, row):
        whole(self, ledger, row)
        self._undo.clear()
        raise SystemExit

    monkeypatch.setattr(Changes, "swap_now", dies)
    with pytest.raises(SystemExit):
        warehouse.load(file, plan=plan)
    monkeypatch.setattr(Changes, "swap_now", whole)
    assert warehouse.rows() == [(2, "x")]
    assert warehouse.ledger("run_id") == [("run 1",)]
    assert len(tables(warehouse)) == 3
    report = warehouse.load(file, plan=plan)
    assert (report.outcome, report.rows_in, report.rows_inserted) == ("already_loaded", 1, 1)
    assert warehouse.ledger("run_id") == [("killed",), ("run 1",)]
    assert tables(warehouse) == {"orders": "", "_materialize_loads": ""}
    assert any("cut short" in sentence for sentence in warehouse.said)


def test_another_dag_run_settles_it_too_and_loads_on(warehouse, monkeypatch):
    warehouse.load({"id": [1]})
    whole = Changes.swap_now

    def dies(self, ledger, row):
        whole(self, ledger, row)
        self._undo.clear()
        raise SystemExit

    monkeypatch.setattr(Changes, "swap_now", dies)
    with pytest.raises(SystemExit):
        warehouse.load({"id": [2], "v": ["x"]}, run="killed")
    monkeypatch.setattr(Changes, "swap_now", whole)
    warehouse.load({"id": [3], "v": ["y"]}, "append", run="next")
    assert warehouse.rows() == [(2, "x"), (3, "y")]
    assert warehouse.ledger("run_id") == [("killed",), ("next",), ("run 1",)]


@pytest.mark.parametrize("outcome", ["kept", "lost"])
def test_other_columns_come_once_where_the_answer_of_the_commit_is_lost(warehouse, monkeypatch, outcome):
    warehouse.load({"id": [1]})
    losses, whole = iter([True]), mysql_session.MySQLSession.commit

    def commit(self):
        lost = self._changes._later and next(losses, False)
        if not lost or outcome == "kept":
            whole(self)
        if lost:
            ask(warehouse, f"KILL {self._number}")
            raise RepeatableError("the connection is gone")

    monkeypatch.setattr(mysql_session.MySQLSession, "commit", commit)
    report = warehouse.load({"id": [2], "v": ["x"]}, run="once")
    assert (report.outcome, report.rows_inserted) == ("loaded" if outcome == "kept" else "already_loaded", 1)
    assert warehouse.rows() == [(2, "x")]
    assert warehouse.ledger("run_id") == [("once",), ("run 1",)]
    warehouse.load({"id": [3], "v": ["y"]}, "append")
    assert tables(warehouse) == {"orders": "", "_materialize_loads": ""}


def test_a_load_that_dies_before_the_rename_is_cleaned_up_after_by_the_next_and_nothing_else_is(warehouse, monkeypatch):
    warehouse.load({"id": [1]})
    warehouse.run("CREATE TABLE raw.orders__new_mine (id INT)", "CREATE TABLE raw.orders__old_mine (id INT)")
    whole = Changes._keep_rules

    def dies(self, table, new):
        self._undo.clear()
        raise SystemExit

    monkeypatch.setattr(Changes, "_keep_rules", dies)
    with pytest.raises(SystemExit):
        warehouse.load({"id": [2], "v": ["x"]})
    assert len(tables(warehouse)) == 5
    monkeypatch.setattr(Changes, "_keep_rules", whole)
    assert warehouse.rows() == [(1,)]
    warehouse.load({"id": [3]}, "append")
    assert warehouse.rows() == [(1,), (3,)]
    assert {*tables(warehouse)} == {"orders", "_materialize_loads", "orders__new_mine", "orders__old_mine"}


def test_a_table_that_foreign_keys_lead_to_keeps_its_columns(warehouse):
    warehouse.load({"id": [1]})
    warehouse.run("ALTER TABLE {t} ADD PRIMARY KEY (id)")
    warehouse.run("CREATE TABLE raw.items (id BIGINT, FOREIGN KEY (id) REFERENCES raw.orders (id))")
    with pytest.raises(MaterializeError, match=r"foreign keys of raw\.items lead to it") as caught:
        warehouse.load({"id": [1], "v": ["x"]})
    assert caught.value.unchanged == "raw.orders"
    warehouse.load({"id": [1]})


# What a load that fails takes back.


def refuse(_session, _table):
    raise MaterializeError("a check failed")


@pytest.mark.parametrize(("data", "options"), [
    ({"id": [2], "new": ["x"]}, {}),
    ({"id": [0.5]}, {}),
    ({"w": [1]}, {"on_schema_change": "sync"}),
])  # fmt: skip
def test_changes_of_columns_are_taken_back_where_the_load_fails(warehouse, data, options):
    warehouse.run("CREATE SCHEMA raw", "CREATE TABLE {t} (id INT NOT NULL DEFAULT 7 COMMENT 'one, two')")
    warehouse.run("INSERT INTO {t} VALUES (1)")
    before = ask(warehouse, "SHOW CREATE TABLE raw.orders")
    with pytest.raises(MaterializeError, match="Nothing was changed in raw.orders."):
        warehouse.load(data, "append", before_commit=refuse, **options)
    assert (warehouse.rows(), ask(warehouse, "SHOW CREATE TABLE raw.orders")) == ([(1,)], before)


def test_changes_of_columns_are_taken_back_where_the_load_is_stopped(warehouse):
    warehouse.load({"x": list(range(1000))})

    def never_ends(session, table):
        name = session.name_of(table)
        session.rows(f"SELECT sum(a.x * b.x % 7 + c.x * d.x) FROM {name} a, {name} b, {name} c, {name} d")

    with pytest.raises(MaterializeError, match="it took longer than 0.5 s"), limited("load of raw.orders", 0.5):
        warehouse.load({"x": [0.5], "new": [1]}, "append", before_commit=never_ends)
    assert warehouse.types() == {"x": "BIGINT"}
    assert warehouse.rows(columns="count(*)") == [(1000,)]


def test_a_column_keeps_its_rules_when_it_widens(warehouse):
    warehouse.run("CREATE SCHEMA raw", "CREATE TABLE {t} (id INT NOT NULL DEFAULT 7 COMMENT 'one, two')")
    warehouse.load({"id": [2**40]}, "append")
    [(_, statement)] = ask(warehouse, "SHOW CREATE TABLE raw.orders")
    assert "`id` bigint(20) NOT NULL DEFAULT 7 COMMENT 'one, two'" in statement


def test_a_column_that_must_not_be_null_may_be_dropped(warehouse):
    warehouse.run("CREATE SCHEMA raw", "CREATE TABLE {t} (id INT, old INT NOT NULL)", "INSERT INTO {t} VALUES (1, 1)")
    report = warehouse.load({"id": pa.array([2], pa.int32())}, "append", on_schema_change="sync")
    assert warehouse.rows() == [(1,), (2,)]
    assert report.schema_changes == ["column old dropped"]


# Values.


def test_without_load_data_local_rows_go_in_by_insert_and_the_log_says_what_it_costs(warehouse):
    data = {
        "id": [1, 2, 3], "v": ["a'\\\"%s\n", "😀\0", None], "b": [b"\x00\xff'", None, b""], "f": [0.1, -0.0, None],
        "t": [dt.time(1, 2, 3, 4), None, dt.time()], "at": [dt.datetime(2026, 4, 1, 1, 2, 3, 4), None, None],
        "%s": [True, False, None],
    }  # fmt: skip
    warehouse.load(data)
    by_file = warehouse.rows()
    ask(warehouse, "SET GLOBAL local_infile = 0")
    try:
        warehouse.load(data)
    finally:
        ask(warehouse, "SET GLOBAL local_infile = 1")
    assert warehouse.rows() == by_file
    assert any("five times as long; SET GLOBAL local_infile = ON mends it" in sentence for sentence in warehouse.said)


@pytest.mark.parametrize(("column", "values", "words"), [
    ("VARCHAR(3)", ["abc", "abcd"], "Column 'v' is VARCHAR(3) in raw.orders and LONGTEXT in the result: row 2 has a text"),
    ("VARCHAR(9) CHARACTER SET latin1", ["abc", "日"], "would not store the values as they are: Incorrect string value"),
    ("VARCHAR(9) CHARACTER SET utf8mb3", ["abc", "😀"], "would not store the values as they are: Incorrect string value"),
    ("ENUM('a', 'B')", ["a", "c"], "would not store the values as they are: Data truncated for column 'v' at row 2"),
])  # fmt: skip
def test_what_a_column_would_cut_short_or_replace_is_an_error(warehouse, column, values, words):
    warehouse.run("CREATE SCHEMA raw", f"CREATE TABLE {{t}} (v {column})")
    with pytest.raises(MaterializeError) as caught:
        warehouse.load({"v": values}, "append", on_schema_change="ignore")
    assert words in str(caught.value)
    assert caught.value.unchanged == "raw.orders"
    warehouse.load({"v": values[:1]}, "append", on_schema_change="ignore")
    assert warehouse.rows() == [(values[0],)]


def test_a_column_of_whole_seconds_takes_no_parts_of_one(warehouse):
    warehouse.run("CREATE SCHEMA raw", "CREATE TABLE {t} (v DATETIME)")
    warehouse.load({"v": [dt.datetime(2026, 4, 1, 1, 2, 3)]}, "append")
    with pytest.raises(MaterializeError, match="is not exactly timestamp"):
        warehouse.load({"v": [dt.datetime(2026, 4, 1, 1, 2, 3, 600_000)]}, "append", on_schema_change="freeze")
    assert warehouse.rows() == [(dt.datetime(2026, 4, 1, 1, 2, 3),)]


def test_texts_that_are_not_the_same_are_not_equal(warehouse):
    words = ["a", "A", "ä", "a ", "a\t", "\uff41", ""]
    warehouse.load({"id": words, "v": range(len(words))}, "merge", columns=KEY)
    warehouse.load({"id": words, "v": range(10, 10 + len(words))}, "merge", columns=KEY)
    assert {*warehouse.rows()} == {(word, 10 + number) for number, word in enumerate(words)}


def test_a_key_of_texts_has_255_characters_and_says_so(warehouse):
    warehouse.load({"id": ["é" * 255]}, "merge", columns=KEY)
    assert warehouse.types() == {"id": "VARCHAR(255)"}
    with pytest.raises(MaterializeError, match="row 1: the column takes 255 characters, and the longest value has 256"):
        warehouse.load({"id": ["é" * 256]}, "merge", columns=KEY)


@pytest.mark.parametrize(("longest", "kind"), [(4, "VARCHAR(16)"), (600, "VARCHAR(1024)"), (2000, "LONGTEXT")])
def test_a_text_of_limited_length_stays_one_where_it_can(warehouse, longest, kind):
    made = "v VARCHAR(3) CHARACTER SET latin1 NOT NULL DEFAULT 'x' COMMENT 'of v'"
    warehouse.run("CREATE SCHEMA raw", f"CREATE TABLE {{t}} (id BIGINT, {made})", "INSERT INTO {t} (id) VALUES (1)")
    warehouse.load({"id": [2], "v": ["é" * longest]}, "append")
    warehouse.load({"id": [3]}, "append")
    assert warehouse.rows() == [(1, "x"), (2, "é" * longest), (3, "x")]
    assert warehouse.types()["v"] == kind


def test_a_replacement_keeps_checks_and_names_what_a_changed_column_loses(warehouse):
    rules = "CONSTRAINT pos CHECK (n > 0), CONSTRAINT `a``b` CHECK (v <> 'no'), CONSTRAINT gone CHECK (old > 0)"
    made = "v VARCHAR(9) NOT NULL DEFAULT 'x' COMMENT 'of v', n BIGINT DEFAULT 7 CHECK (n < 100), j JSON, old INT"
    warehouse.run("CREATE SCHEMA raw", f"CREATE TABLE {{t}} (id BIGINT, {made}, {rules})")
    report = warehouse.load({"id": [1], "v": ["a"], "n": [5], "j": ["text"], "new": [1]})
    lost = [change for change in report.schema_changes if "could not be kept" in change]
    assert lost[0] == "NOT NULL DEFAULT 'x' of v could not be kept: v has another type"
    assert lost[1].startswith("CHECK (`old` > 0) could not be kept: MariaDB: ")
    assert len(lost) == 2
    for wrong in ({"v": ["no"], "n": [5]}, {"v": ["a"], "n": [0]}, {"v": ["a"], "n": [100]}):
        with pytest.raises(MaterializeError, match="CONSTRAINT .* failed"):
            warehouse.load({"id": [2], **wrong}, "append")
    assert warehouse.rows(columns="id, v, n") == [(1, "a", 5)]


def test_a_column_of_json_without_values_may_become_text(warehouse):
    warehouse.run("CREATE SCHEMA raw", "CREATE TABLE {t} (id BIGINT, v JSON)", "INSERT INTO {t} VALUES (1, NULL)")
    warehouse.load({"id": [2], "v": ["no JSON"]}, "append")
    assert warehouse.rows() == [(1, None), (2, "no JSON")]


def test_zero_stays_zero_in_a_column_that_counts_by_itself(warehouse):
    warehouse.run("CREATE SCHEMA raw", "CREATE TABLE {t} (id BIGINT AUTO_INCREMENT PRIMARY KEY, v TEXT)")
    warehouse.load({"id": [0, 5], "v": ["a", "b"]}, "append")
    warehouse.load({"v": ["c"]}, "append")
    assert warehouse.rows() == [(0, "a"), (5, "b"), (6, "c")]


# Merges.


def test_a_merge_by_a_unique_index_changes_equal_rows_not_at_all(warehouse):
    warehouse.load({"id": [1, 2], "v": ["a", "b"], "w": [1, 1]}, "merge", columns=KEY)
    warehouse.run("ALTER TABLE {t} ADD PRIMARY KEY (id)")
    report = warehouse.load({"id": [1, 2, 3], "v": ["a", "B", "c"], "w": [1, 1, 1]}, "merge", columns=KEY)
    assert warehouse.rows() == [(1, "a", 1), (2, "B", 1), (3, "c", 1)]
    assert (report.rows_updated, report.rows_inserted) == (1, 1)


def test_a_merge_never_goes_by_another_unique_index_than_that_of_its_key(warehouse):
    warehouse.load({"id": [1, 2], "v": [10, 20]}, "merge", columns=KEY)
    warehouse.run("ALTER TABLE {t} ADD PRIMARY KEY (id)", "CREATE UNIQUE INDEX values_once ON {t} (v)")
    with pytest.raises(MaterializeError, match="a unique constraint"):
        warehouse.load({"id": [3], "v": [10]}, "merge", columns=KEY)
    warehouse.load({"id": [1, 3], "v": [11, 30]}, "merge", columns=KEY)
    assert warehouse.rows() == [(1, 11), (2, 20), (3, 30)]


@pytest.mark.parametrize("strategy", ["merge", "delete+insert", "scd2_by_column"])
def test_no_load_joins_row_by_row_where_the_table_has_no_index(warehouse, monkeypatch, strategy):
    whole, plans = mysql_session.MySQLSession.execute, []

    def execute(self, sql, parameters=()):
        if sql.startswith(("INSERT", "UPDATE", "DELETE")) and " JOIN " in sql:
            plans.extend(str(row) for row in self.rows(f"EXPLAIN {sql}", parameters))
        return whole(self, sql, parameters)

    monkeypatch.setattr(mysql_session.MySQLSession, "execute", execute)
    options = {"incremental_key": "id"} if strategy == "delete+insert" else {"columns": KEY}
    for start in (0, 1000):
        ids = range(start, start + 3000)
        warehouse.load({"id": ids, "v": [f"{start} {number}" for number in ids]}, strategy, **options)
    assert plans
    assert not [plan for plan in plans if "join buffer" in plan]


# What is refused.


def test_a_table_without_transactions_is_refused_with_the_statement_that_mends_it(warehouse):
    warehouse.run("CREATE SCHEMA raw", "CREATE TABLE {t} (id BIGINT) ENGINE = MyISAM")
    with pytest.raises(MaterializeError) as caught:
        warehouse.load({"id": [1]}, "append")
    assert "raw.orders is kept by MyISAM, which knows no transactions" in str(caught.value)
    assert caught.value.hint == "ALTER TABLE `raw`.`orders` ENGINE = InnoDB"
    warehouse.run(caught.value.hint)
    warehouse.load({"id": [1]}, "append")
    assert warehouse.rows() == [(1,)]


def test_a_missing_right_is_told_as_the_grant_to_run(warehouse):
    warehouse.load({"id": [1]})
    warehouse.run("CREATE USER loader@localhost", "GRANT SELECT, CREATE TEMPORARY TABLES ON raw.* TO loader@localhost")
    poor = for_connection(resolve("poor", {"poor": warehouse.url.replace("root@", "loader@")}))
    rich, hints = warehouse.destination, []
    try:
        for _ in range(4):
            warehouse.destination = poor
            with pytest.raises(MaterializeError, match="Nothing was changed in raw.orders") as caught:
                warehouse.load({"id": [2]})
            hints.append(caught.value.hint)
            warehouse.destination = rich
            warehouse.run(caught.value.hint)
        warehouse.destination = poor
        warehouse.load({"id": [2]})
        assert warehouse.rows() == [(2,)]
    finally:
        warehouse.destination = rich
        warehouse.run("DROP USER loader@localhost")
    assert hints == [
        f"GRANT {right} ON `raw`.`{name}` TO 'loader'@'localhost'"
        for name in ("orders", "_materialize_loads")
        for right in ("DELETE", "INSERT")
    ]


@pytest.mark.parametrize("name", ["a" * 65, "raw." + "a" * 65, "a.b.c", "raw.", ""])
def test_a_name_that_no_table_can_have_is_refused(warehouse, name):
    with pytest.raises(MaterializeError, match=r"is no table name in MySQL|has 65 characters"):
        warehouse.table(name)


def test_columns_of_long_names_stay_apart(warehouse):
    long = "x" * 64
    warehouse.load({long + "a": [1], long + "b": [2]})
    warehouse.load({long + "a": [3], long + "b": [4]}, "append")
    assert warehouse.rows() == [(1, 2), (3, 4)]
    assert all(len(name) == 64 for name in warehouse.types())


# Waiting.


def test_a_load_that_waits_for_another_names_it(warehouse, monkeypatch):
    monkeypatch.setattr(mysql_session, "QUEUE_SECONDS", 0.1)
    warehouse.load({"id": [1]})
    with warehouse.destination.session() as other, other.transaction():
        other.lock(warehouse.table())
        with pytest.raises(
            TransientError, match=r"raw.orders is being loaded by connection \d+ \(root@localhost:\d+, "
        ):
            warehouse.load({"id": [2]})
    warehouse.load({"id": [2]})


def test_a_row_that_somebody_holds_is_waited_for_and_who_holds_it_is_named(warehouse, monkeypatch):
    monkeypatch.setattr(mysql_session, "FOREIGN_SECONDS", 0.1)
    warehouse.load({"id": [1]})
    with warehouse.destination.session() as other, other.transaction():
        other.execute("UPDATE raw.orders SET id = 5")
        with pytest.raises(
            TransientError, match=r"oldest open transaction is that of connection \d+ \(root@"
        ) as caught:
            warehouse.load({"id": [2]})
        assert caught.value.unchanged == "raw.orders"
    monkeypatch.setattr(mysql_session, "FOREIGN_SECONDS", 60.0)
    with warehouse.destination.session() as other, other.transaction():
        other.execute("UPDATE raw.orders SET id = 6")
        loading = threading.Thread(target=warehouse.load, args=[{"id": [3]}])
        loading.start()
        loading.join(0.5)
        assert loading.is_alive()
    loading.join()
    assert warehouse.rows() == [(3,)]


# Statements of user code.


@pytest.fixture
def reader(warehouse):
    warehouse.load({"id": [1, 2], "v": ["a", "b"]})
    with warehouse.destination.session(read_only=True) as session:
        yield session.reader()


def rows(reader, sql, parameters=()):
    return pa.Table.from_batches(list(reader.batches(sql, parameters))).to_pylist()


@pytest.mark.parametrize("value", ["TIME '30:00:00'", "ST_GeomFromText('POINT(1 1)')"])
def test_a_value_that_its_column_cannot_be_read_as_is_named_with_what_to_do(reader, value):
    with pytest.raises(MaterializeError, match="column 'far' has values that are no ") as caught:
        rows(reader, f"SELECT {value} AS far")
    assert "CAST it to another type" in caught.value.hint


def test_a_statement_reads_with_values_by_place_and_by_name(reader):
    assert rows(reader, "SELECT id, v, '?%' AS p FROM raw.orders WHERE id > ?", [1]) == [{"id": 2, "v": "b", "p": "?%"}]
    assert rows(reader, "SELECT id FROM raw.orders WHERE v = :v AND id % 2 = 1", {"v": "a"}) == [{"id": 1}]
    assert rows(reader, "SELECT id FROM raw.orders WHERE v = ?", ["' OR 1 = 1 --"]) == []


def test_columns_have_their_types_before_the_first_row(reader):
    query = (
        "SELECT CAST(1 AS UNSIGNED) AS u, CAST('1.50' AS DECIMAL(50, 2)) AS d, CAST('10:00' AS TIME) AS t, x'00' AS b,"
        " CAST('2026-04-01' AS DATE) AS day, NOW(6) AS at, NULL AS nothing, 1.5e0 AS f, 'ä' AS s LIMIT 0"
    )
    [batch] = reader.batches(query)
    kinds = {field.name: field.type for field in batch.schema}
    assert kinds["u"] in {pa.int32(), pa.uint32(), pa.uint64()}
    assert kinds["d"] == pa.decimal256(50, 2)
    assert [kinds[name] for name in ("t", "b", "day", "at", "nothing", "f", "s")] == [
        pa.time64("us"), pa.binary(), pa.date32(), pa.timestamp("us"), pa.null(), pa.float64(), pa.string(),
    ]  # fmt: skip


@pytest.mark.parametrize("statement", [
    "DELETE FROM raw.orders", "INSERT INTO raw.orders VALUES (1, 'x')", "DROP TABLE raw.orders", "CALL p()", "SET @a = 1",
    "SELECT 1; DELETE FROM raw.orders", "SELECT * FROM raw.orders INTO OUTFILE '/tmp/x'", "SELECT 1 INTO @a",
    "SELECT * FROM raw.orders FOR UPDATE", "SELECT LOAD_FILE('/etc/passwd')", "SELECT GET_LOCK('x', 1)", "KILL 1",
    "SELECT 1 /*! INTO OUTFILE '/tmp/x' */", "SELECT 1 /*M! INTO OUTFILE '/tmp/x' */", "COMMIT", "", "LOCK TABLES t READ",
    "SELECT * FROM raw.orders LOCK IN SHARE MODE", "SELECT SLEEP(100)", "WITH x AS (SELECT 1) DELETE FROM raw.orders",
])  # fmt: skip
def test_a_statement_does_nothing_but_read(warehouse, reader, statement):
    with pytest.raises(MaterializeError) as caught:
        list(reader.batches(statement))
    assert isinstance(caught.value, ReadOnlyError) or "READ ONLY" in str(caught.value) or "1064" in str(caught.value)
    assert warehouse.rows() == [(1, "a"), (2, "b")]


def test_a_connection_is_good_for_the_next_statement_after_one_that_was_left_amid_its_rows(reader):
    batches = reader.batches("SELECT a.COLUMN_NAME FROM information_schema.COLUMNS a, raw.orders b")
    next(batches)
    next(batches)
    batches.close()
    assert rows(reader, "SELECT count(*) AS n FROM raw.orders") == [{"n": 2}]


def test_what_is_lost_with_the_server_may_pass(warehouse):
    with warehouse.destination.session() as session:
        session.interrupt()
        [(number,)] = session.rows("SELECT CONNECTION_ID()")
        ask(warehouse, f"KILL {number}")
        with pytest.raises(PassingError, match=r"MariaDB: .* \(error 20\d\d\)"):
            session.rows("SELECT 1")


@pytest.mark.parametrize(("url", "words"), [
    ("mysql://root@127.0.0.1:1/shop", "cannot be opened: MySQL: Can't connect"),
    ("/nowhere", "cannot be opened: MySQL: Unknown database 'nowhere'"),
    ("nobody:secret@", "cannot be opened: MySQL: Access denied for user 'nobody'"),
])  # fmt: skip
def test_a_connection_that_cannot_be_opened_is_named_with_the_reason(warehouse, url, words):
    whole = warehouse.url
    if url.startswith("/"):
        whole = whole.rpartition("/")[0] + url
    whole = url if url.startswith("mysql:") else whole.replace("root@", url) if "@" in url else whole
    with (
        pytest.raises(MaterializeError) as caught,
        for_connection(resolve("shop", {"shop": whole})).session(read_only=True),
    ):
        raise AssertionError
    assert f"Connection 'shop' {words}" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_rows_on_their_way_leave_nothing_in_the_folder_for_temporary_files(make_warehouse, monkeypatch, tmp_path):
    warehouse = make_warehouse("mysql")
    warehouse.load({"id": [1]})
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    seen = []

    def batches():
        seen.append(sorted((tmp_path / "t").iterdir()))
        yield pa.record_batch({"id": [2]})

    with warehouse.destination.session() as session, session.transaction():
        assert session.bulk(warehouse.table("raw.orders"), pa.schema([("id", pa.int64())]), batches()) == 1
    assert (seen, sorted((tmp_path / "t").iterdir())) == ([[]], [])
