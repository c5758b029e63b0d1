from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from airflow_materialize.connections import resolve
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.interval import Interval
from airflow_materialize.sdk import get_connection, query
from airflow_materialize.sdk.exceptions import ConnectionNotFoundError, ConnectionTypeError, QueryError

APRIL_1 = Interval(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 4, 2, tzinfo=UTC), "test")


def test_a_statement_gives_a_frame_of_each_library(warehouse):
    sql = f"SELECT id, country FROM {warehouse.orders} ORDER BY id"
    with warehouse.answering():
        plain, arrow, polars = query(sql), query.arrow(sql), query.polars(sql)
    assert isinstance(plain, pd.DataFrame)
    assert plain["id"].tolist() == [1, 2, 3, 4]
    assert isinstance(polars, pl.DataFrame)
    assert polars["country"].to_list() == ["DE", "FR", None, "DE"]
    assert isinstance(arrow, pa.Table)
    assert arrow.schema.types == [pa.int64(), pa.string()]


def test_batches_have_as_many_rows_as_asked_for(warehouse):
    sql = f"SELECT id FROM {warehouse.orders} ORDER BY id"
    with warehouse.answering():
        assert [batch.to_pydict() for batch in query.arrow(sql, batches=3)] == [{"id": [1, 2, 3]}, {"id": [4]}]
        assert [len(frame) for frame in query(sql, batches=2)] == [2, 2]
        assert list(query.pandas(f"{sql} LIMIT 0", batches=2)) == []
        with pytest.raises(QueryError, match="at least 1"):
            query(sql, batches=0)


def test_no_rows_are_a_frame_with_columns(warehouse):
    with warehouse.answering():
        assert query.arrow(f"SELECT id FROM {warehouse.orders} WHERE id > 9").column_names == ["id"]


def test_values_are_bound_by_place_and_by_name(warehouse):
    named = "$id" if warehouse.kind == "duckdb" else ":id"
    hostile = "'; DROP TABLE orders; --"
    with warehouse.answering():
        found = query.arrow(f"SELECT id FROM {warehouse.orders} WHERE country = ? AND id > ?", params=["DE", 1])
        assert found.to_pydict() == {"id": [4]}
        sql = f"SELECT amount FROM {warehouse.orders} WHERE id = {named}"
        assert query.arrow(sql, params={"id": 2}).to_pydict() == {"amount": [3.0]}
        assert query.arrow("SELECT ? AS said", params=(hostile,)).to_pydict() == {"said": [hostile]}
        with pytest.raises(QueryError, match="params is a list"):
            query("SELECT ?", params="DE")
        with pytest.raises(QueryError, match="of type object cannot be bound"):
            query("SELECT ?", params=[object()])


def test_values_keep_their_types(lake):
    values = [
        True, 7, 1.5, "x", None, b"\0\1", date(2026, 4, 1), datetime(2026, 4, 1, 5, 6, 7, 8), Decimal("1.10"),
        UUID(int=5), timedelta(seconds=3),
    ]  # fmt: skip
    sql = "SELECT " + ", ".join(f"? AS c{place}" for place in range(len(values)))
    with lake.answering():
        [row] = query.arrow(sql, params=values).to_pylist()
        aware = datetime(2026, 4, 1, 5, tzinfo=UTC)
        assert query.arrow("SELECT epoch(?::TIMESTAMPTZ) AS at", params=[aware])["at"][0].as_py() == aware.timestamp()
        assert query.arrow("SELECT count(*) AS n WHERE 2 IN ?", params=[[1, 2]])["n"][0].as_py() == 1
    found = list(row.values())
    assert [str(value) for value in found[:9]] == [str(value) for value in values[:9]]
    assert found[9] == "00000000-0000-0000-0000-000000000005"
    assert found[10].nanoseconds == 3_000_000_000


def test_sqlite_takes_values_as_its_columns_hold_them(shelf):
    with shelf.answering():
        found = query.arrow(f"SELECT id FROM {shelf.orders} WHERE day = ?", params=[date(2026, 4, 2)])
        assert found.to_pydict() == {"id": [3]}
        [row] = query.arrow("SELECT ? AS d, ? AS n", params=[Decimal("1.10"), UUID(int=5)]).to_pylist()
        assert row == {"d": "1.10", "n": "00000000-0000-0000-0000-000000000005"}


def test_sums_of_integers_are_integers_in_frames(lake):
    sql = "SELECT sum(id) AS total FROM raw.orders"
    with lake.answering():
        assert query.arrow(sql).schema.types == [pa.decimal128(38, 0)]
        assert query(sql)["total"].dtype == "int64"
        assert query.polars(sql)["total"].dtype == pl.Int64
        huge = query("SELECT 170141183460469231731687303715884105727::HUGEINT // 10 AS total")
    assert huge["total"][0] == Decimal((2**127 - 1) // 10)


def test_integers_and_fractions_of_sqlite_are_one_column(shelf):
    values = ", ".join("(NULL)" if number < 300 else f"({number})" for number in range(3000))
    shelf.change(f"CREATE TABLE mixed (x); INSERT INTO mixed VALUES {values}, (1.5)")
    with shelf.answering():
        column = query.arrow("SELECT x FROM mixed")["x"]
        assert (column.type, column.null_count, column[-1].as_py()) == (pa.float64(), 300, 1.5)
        shelf.change("INSERT INTO mixed VALUES ('text')")
        with pytest.raises(QueryError, match="CAST it to one type"):
            query.arrow("SELECT x FROM mixed")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE stolen AS SELECT 1",
        "CREATE TEMPORARY TABLE t AS SELECT 1",
        "INSERT INTO {orders} SELECT * FROM {orders}",
        "INSERT INTO {orders} (id) VALUES (9) RETURNING id",
        "UPDATE {orders} SET id = 0",
        "DELETE FROM {orders}",
        "DROP TABLE {orders}",
        "SELECT 1; SELECT 2",
        "BEGIN",
        "ATTACH 'other.db' AS other",
        "PRAGMA user_version = 7",
    ],
)
def test_a_statement_that_does_more_than_read_is_refused_and_changes_nothing(warehouse, sql):
    before = warehouse.content()
    with warehouse.answering(), pytest.raises(QueryError, match="query\\(\\) only reads") as caught:
        query(sql.format(orders=warehouse.orders))
    assert "return the rows from materialize()" in str(caught.value)
    assert warehouse.content() == before


@pytest.mark.parametrize(
    ("number", "type_"),
    [
        ("n * 1.5", pa.decimal128(6, 1)),
        ("n / 8.0", pa.decimal128(25, 20)),
        ("CASE WHEN n < 500 THEN NULL ELSE n END", pa.decimal128(5, 0)),
        ("CASE WHEN n < 500 THEN 1 ELSE 1e50 END", pa.decimal256(51, 0)),
    ],
)
def test_numbers_of_any_digits_are_one_column_however_many_rows_there_are(warehouse, number, type_):
    if warehouse.kind != "postgres":
        pytest.skip("the others' columns have digits of their own")
    sql = f"SELECT n, ({number})::numeric AS d FROM generate_series(1, 40000) AS n ORDER BY n"
    with warehouse.answering():
        found = query.arrow(sql)
    assert (found.num_rows, found.schema.field("d").type.scale) == (40_000, type_.scale)
    assert type(found.schema.field("d").type) is type(type_)
    with warehouse.session() as session:
        assert [*zip(*found.to_pydict().values(), strict=True)] == session.rows(sql)


def test_large_rows_are_fetched_one_by_one(warehouse):
    if warehouse.kind == "duckdb":
        pytest.skip("it gives its own vectors")
    large = "printf('%.*c', 9000000, 'x')" if warehouse.kind == "sqlite" else "repeat('x', 9000000)"
    sql = f"SELECT {large} AS large FROM {warehouse.orders}"
    with for_connection(resolve("warehouse", warehouse.urls)).session(read_only=True) as session:
        assert [batch.num_rows for batch in session.reader().batches(sql)] == [0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT $\u00a0$ ' $\u00a0$ AS a; COMMIT; CREATE TABLE stolen AS SELECT 1 --'\n",
        "SELECT $\u00a0$ {# $\u00a0$ AS a; COMMIT; CREATE TABLE stolen AS SELECT 1 --#}\n, 1",
        "SELECT {#\n d '2026-04-01'} INTO OUTFILE '{stolen}' FROM #}\n dual",
        "SELECT {#\n d '2026-04-01'}, load_file('/etc/hostname') #}\n , 1",
        "SELECT 1 --\u00a0, load_file('/etc/hostname')\n FROM (SELECT 1 AS \u00a0) AS t",
    ],
)
def test_nothing_hides_in_what_only_the_worker_takes_for_a_text_or_a_comment(warehouse, sql, tmp_path):
    before, seen, stolen = warehouse.content(), [], tmp_path / "stolen"
    # Its folder is open to the server.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o777)
    with warehouse.answering(), suppress(QueryError):
        seen = query.arrow(sql.replace("{stolen}", str(stolen))).column_names
    assert len(seen) < 2
    assert (warehouse.content(), stolen.exists()) == (before, False)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM '{secret}.csv'",
        "SELECT * FROM glob('{secret}*')",
        "SELECT * FROM read_blob('/proc/self/environ')",
        "SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{secret}.out'",
        "COPY (SELECT 1) TO '{secret}.out'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SELECT * FROM duckdb_secrets()",
    ],
)
def test_a_statement_reaches_no_file_of_the_worker(lake, tmp_path, sql):
    secret = tmp_path / "secret"
    secret.write_text("canary-in-the-mine")
    (tmp_path / "secret.csv").write_text("a\ncanary-in-the-mine\n")
    with lake.answering(), pytest.raises(QueryError) as caught:
        query(sql.format(secret=secret))
    assert "canary" not in str(caught.value)
    assert not (tmp_path / "secret.out").exists()


def test_a_credential_among_the_settings_of_a_connection_is_not_there(lake, log):
    from airflow_materialize.destinations.duckdb.reading import DuckDBReader

    with duckdb.connect(str(lake.file), read_only=True) as connection:
        connection.execute("SET http_proxy_password = 'canary-in-the-mine'")
        reader = DuckDBReader(connection, lambda name: f'"{name}"', {"http_proxy_password": "canary-in-the-mine"})
        [_, batch] = reader.batches("SELECT value FROM duckdb_settings() WHERE name = 'http_proxy_password'")
    assert "canary" not in str(batch.to_pylist())


def test_sqlite_runs_no_function_that_can_hang_or_load(shelf):
    with shelf.answering():
        for sql in ("SELECT 'a' REGEXP '(a+)+b'", "SELECT load_extension('/tmp/x.so')"):
            with pytest.raises(QueryError, match="not authorized"):
                query(sql)


def test_a_connection_that_the_header_does_not_list_is_refused_with_the_line_to_add(warehouse):
    with warehouse.answering(), pytest.raises(ConnectionNotFoundError, match="connections: \\[other\\]"):
        query("SELECT 1", connection="other")


def test_a_connection_that_the_header_lists_is_read(warehouse, tmp_path, log):
    (tmp_path / "other").mkdir()
    other = type(warehouse)("duckdb", tmp_path / "other", log)
    other.change(f"DELETE FROM {other.orders} WHERE id > 1")
    urls = {"archive": other.urls["warehouse"]}
    with warehouse.answering(header={"connections": ["archive"]}, urls=urls) as desk:
        sql = f"SELECT id FROM {other.orders}"
        assert (len(query(sql, "archive")), len(query(f"SELECT id FROM {warehouse.orders}"))) == (1, 4)
        assert query("SELECT 1 AS x", connection="archive")["x"].tolist() == [1]
        assert get_connection("archive").query(sql)["id"].tolist() == [1]
    assert desk.reads() == ["materialize://archive/raw.orders", "raw.orders"]


def test_a_connection_that_is_no_secret_has_neither_fields_nor_client(warehouse):
    with warehouse.answering(), get_connection("warehouse") as connection:
        assert connection.query("SELECT 1 AS x")["x"].tolist() == [1]
        for name in ("raw", "client"):
            with pytest.raises(ConnectionTypeError, match="secrets: \\[\\{key: warehouse\\}\\]"):
                getattr(connection, name)
        with pytest.raises(AttributeError):
            connection.nothing  # noqa: B018


def test_the_worker_says_of_which_type_a_connection_is_that_is_no_secret(warehouse):
    with warehouse.answering():
        connection = get_connection("warehouse")
        assert repr(connection) == "Connection(name='warehouse', of the worker)"
        assert connection.type == warehouse.kind


def test_a_declared_secret_does_what_the_worker_does_not(lake, monkeypatch):
    monkeypatch.setenv("BRUIN_CONNECTION_TYPES", '{"warehouse": "duckdb", "other": "duckdb"}')
    for name in ("warehouse", "other"):
        monkeypatch.setenv(name, f'{{"path": "{lake.file}"}}')
    with lake.answering():
        assert query("CREATE TABLE kept AS SELECT 5 AS x").shape == (1, 1)
        assert query("SELECT x FROM kept")["x"].tolist() == [5]
        assert query("SELECT x FROM kept", connection="other")["x"].tolist() == [5]
        with pytest.raises(QueryError, match="connections: \\[other\\]"):
            query("SELECT ?", connection="other", params=[1])


def test_a_statement_that_fails_says_what_the_database_says(warehouse):
    with (
        warehouse.answering(),
        pytest.raises(QueryError, match=r"(?i)(duckdb|sqlite|postgresql|mysql|mariadb): .*nope"),
    ):
        query("SELECT * FROM nope")


@pytest.mark.parametrize("amid", ["0", "CASE WHEN i < 900000 THEN '1' ELSE 'canary' END"])
def test_a_statement_that_fails_amid_its_rows_fails_as_a_whole(lake, amid):
    sql = f"SELECT CAST({amid if amid != '0' else chr(39) + 'x' + chr(39)} AS INT) FROM range(1000000) t(i)"
    with lake.answering():
        with pytest.raises(QueryError, match="Could not convert"):
            query(sql)
        assert query("SELECT 1 AS x")["x"].tolist() == [1]


def test_secrets_are_masked_in_errors_and_in_the_log(warehouse, records):
    with warehouse.answering(secrets=["hunter22"]), pytest.raises(QueryError) as caught:
        query("SELECT hunter22 FROM nope")
    assert "hunter22" not in str(caught.value)
    assert "hunter22" not in str(records.lines)
    assert "failed in" in str(records.lines)


def test_values_of_a_sensitive_column_stand_in_no_error(lake):
    header = {"columns": [{"name": "country", "sensitive": True}]}
    with lake.answering(header=header), pytest.raises(QueryError, match="country is sensitive") as caught:
        query("SELECT CAST(country AS INT) FROM raw.orders")
    assert "DE" not in str(caught.value).replace("Desk", "")


def test_each_statement_is_logged_with_rows_and_time(warehouse, records):
    with warehouse.answering():
        query(f"SELECT id\n  FROM {warehouse.orders}")
        query("SELECT 1")
    [first, second] = [text for text in records.texts if text.startswith("query on")]
    assert first.startswith("query on warehouse: 4 rows, 0.0 MB in 0.")
    assert first.endswith(f"s: SELECT id FROM {warehouse.orders}")
    assert second.startswith("query on warehouse: 1 row, ")


def test_what_was_read_is_collected_once(warehouse):
    with warehouse.answering() as desk:
        for _ in range(2):
            query(f"WITH o AS (SELECT * FROM {warehouse.orders}) SELECT * FROM o")
        query("SELECT 1")
        with pytest.raises(QueryError):
            query("SELECT * FROM failed")
    assert desk.reads() == ["raw.orders"]


def test_a_day_between_itself_is_warned_of_once(warehouse, records):
    with warehouse.answering(interval=APRIL_1):
        for day in ("2026-04-01", "2026-04-01", "2026-04-02"):
            query(f"SELECT id FROM {warehouse.orders} WHERE day BETWEEN '{day}' AND '{day}'")
        query(f"SELECT id FROM {warehouse.orders} WHERE day BETWEEN '2026-04-01' AND '2026-04-02'")
    warnings = [text for level, text in records.lines if level == "WARNING"]
    assert len(warnings) == 1
    assert "start_timestamp" in warnings[0]


@pytest.mark.parametrize(("place", "values"), [("%s", [2]), ("%(id)s", {"id": 2})])
def test_placeholders_of_a_driver_are_answered_with_those_that_count(warehouse, place, values):
    with warehouse.answering(), pytest.raises(QueryError, match=r"placeholders are `\?`, or with names `:name`"):
        query(f"SELECT id FROM {warehouse.orders} WHERE id = {place}", params=values)


def test_half_a_character_in_a_statement_is_named_with_its_place(lake):
    with lake.answering(), pytest.raises(QueryError, match=r"half a character, '\\ud800', at place 9: no database"):
        query("SELECT '\ud800'")


def test_a_statement_in_the_log_moves_no_cursor(lake, records):
    with lake.answering():
        query("SELECT 1 AS a -- \x1b[2J\u202e")
    assert records.texts[-1].endswith("SELECT 1 AS a -- \\x1b[2J\\u202e")


def test_bounds_hold_for_what_is_loaded_whole(warehouse, records):
    sql = f"SELECT id FROM {warehouse.orders}"
    with warehouse.answering(max_rows="3", warn_rows=1):
        with pytest.raises(QueryError, match="max_rows: 3") as caught:
            query(sql)
        assert "select() and where(), or read in parts with batches" in str(caught.value)
        assert sum(len(frame) for frame in query(sql, batches=4)) == 4
        assert not [text for level, text in records.lines if level == "WARNING" and "whole" in text]
        query(f"{sql} LIMIT 2")
    assert "2 rows are loaded whole, more than parameters.warn_rows: 1" in str(records.lines)
    with warehouse.answering(max_bytes="20 B"), pytest.raises(QueryError, match="max_bytes: 20 bytes"):
        query(sql)
    with warehouse.answering(warn_bytes=1):
        query(sql)
    assert "more than parameters.warn_bytes" in str(records.lines)


@pytest.mark.parametrize(("name", "value"), [("max_rows", "many"), ("max_bytes", "-1"), ("warn_rows", 0)])
def test_a_bound_that_is_no_number_is_refused_before_anything_runs(lake, name, value):
    with pytest.raises(MaterializeError, match=f"parameters.{name}"):
        lake.desk(**{name: value})


def test_threads_take_turns(warehouse):
    answers = []

    def ask(number):
        answers.append((number, query.arrow("SELECT ? AS x", params=[number])["x"][0].as_py()))

    with warehouse.answering():
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == [(number, number) for number in range(8)]


def test_a_load_is_not_kept_waiting_by_rows_that_nobody_has_read_yet(warehouse):
    with warehouse.answering():
        batches = query.arrow(f"SELECT id FROM {warehouse.orders} ORDER BY id", batches=1)
        assert next(batches).to_pydict() == {"id": [1]}
        warehouse.change(f"DELETE FROM {warehouse.orders}")
        assert [batch["id"][0].as_py() for batch in batches] == [2, 3, 4]


def test_no_result_stays_on_the_disk(warehouse):
    with warehouse.answering():
        batches = query.arrow(f"SELECT id FROM {warehouse.orders}", batches=1)
        next(batches)
        assert list(warehouse.spool.iterdir()) == []
        table = query.arrow("SELECT 1 AS x")
        assert list(warehouse.spool.iterdir()) == []
    assert table["x"][0].as_py() == 1


def test_descriptors_are_closed_when_rows_are_read_or_dropped(warehouse):
    before = len([*Path("/proc/self/fd").iterdir()])
    with warehouse.answering():
        query.arrow("SELECT 1")
        list(query.arrow(f"SELECT id FROM {warehouse.orders}", batches=1))
        abandoned = query.arrow(f"SELECT id FROM {warehouse.orders}", batches=1)
        next(abandoned)
        abandoned.close()
        with pytest.raises(QueryError):
            query("SELECT * FROM nope")
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_a_statement_waits_for_a_load_and_no_longer_than_anybody_waits_for_it(lake):
    holder = duckdb.connect(str(lake.file))
    from airflow_materialize.destinations.waiting import queue

    failures = []

    def ask():
        try:
            query("SELECT 1")
        except QueryError as error:
            failures.append(str(error))

    with holder, queue(lake.file, shared=False, limit=1), lake.answering():
        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.2)
        assert asking.is_alive()
        began = time.monotonic()
    asking.join(5)
    assert time.monotonic() - began < 5
    assert failures
    assert not [thread for thread in threading.enumerate() if thread.name == "materialize-queries"]


ENDLESS = (
    "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 1000) "
    "SELECT count(*) AS endless FROM n a, n b, n c, n d, n e"
)
RUNNING = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'FETCH FORWARD%' AND datname = current_database() AND pid <> pg_backend_pid()"
    " AND state = 'active'",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%AS endless%'"
    " AND id <> connection_id()",
}


@pytest.mark.parametrize("kind", RUNNING)
def test_a_statement_that_nobody_waits_for_is_cancelled_on_its_server(warehouse, kind):
    def running():
        with warehouse.session() as session:
            return session.rows(RUNNING[kind])[0][0]

    failures = []

    def ask():
        with pytest.raises(QueryError) as caught:
            query(ENDLESS)
        failures.append(str(caught.value))

    asking = threading.Thread(target=ask)
    with warehouse.answering():
        asking.start()
        while not running() and asking.is_alive():
            time.sleep(0.05)
    asking.join()
    assert "nobody answers any longer" in failures[0]
    # A server looks up from its work now and then. By itself this statement never ends.
    until = time.monotonic() + 20
    while running() and time.monotonic() < until:
        time.sleep(0.05)
    assert not running()


def test_without_a_worker_query_says_when_it_works():
    with pytest.raises(QueryError, match="while airflow-materialize runs the asset"):
        query("SELECT 1", connection="warehouse")
