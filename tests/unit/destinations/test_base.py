from __future__ import annotations

import sys

import pytest

from airflow_materialize.connections import resolve
from airflow_materialize.destinations import MODULES
from airflow_materialize.destinations.base import Table, for_connection
from airflow_materialize.errors import MaterializeError

EMBEDDED = ["duckdb", "sqlite"]


@pytest.fixture(params=sorted(MODULES))
def destination(request, tmp_path, empty_database):
    kind = request.param
    url = f"{kind}://{tmp_path}/shop.db" if kind in EMBEDDED else empty_database(kind)
    return for_connection(resolve("shop", {"shop": url}))


def test_a_table_says_its_parts():
    assert str(Table("orders", "raw", "lake")) == "lake.raw.orders"
    assert str(Table("orders")) == "orders"


def test_a_database_that_does_not_exist_has_no_tables(destination, tmp_path):
    with destination.session(read_only=True) as session:
        assert session.columns(destination.table("raw.orders")) is None
        assert session.kind(destination.table("raw.orders")) == ""
    assert [*tmp_path.iterdir()] == []


def test_nothing_is_written_in_a_session_for_reading(destination):
    with destination.session() as session:
        session.execute("CREATE TABLE t (id INTEGER)")
    with (
        destination.session(read_only=True) as session,
        pytest.raises(MaterializeError, match="(?i)read-?only|only reads"),
    ):
        session.execute("CREATE TABLE u (id INTEGER)")


@pytest.mark.parametrize("read_only", [True, False])
def test_a_missing_folder_is_named(request, tmp_path, read_only):
    for kind in EMBEDDED:
        destination = for_connection(resolve("shop", {"shop": f"{kind}://{tmp_path}/none/shop.db"}))
        with (
            pytest.raises(MaterializeError, match="folder .*/none of connection 'shop' does not exist"),
            destination.session(read_only=read_only),
        ):
            raise AssertionError


@pytest.mark.parametrize("destination", EMBEDDED, indirect=True)
def test_a_file_of_something_else_is_named(destination, tmp_path):
    (tmp_path / "shop.db").write_text("this is no database" * 1000)
    with pytest.raises(MaterializeError, match="not a"), destination.session() as session:
        session.execute("CREATE TABLE t (id INTEGER)")


@pytest.mark.parametrize(("text", "pattern", "unmatched"), [
    ("abc", "b", 0), ("abc", "^b", 1), ("a\nb", "b$", 0), ("äb", "^ä", 0), ("", "x*", 0), ("a'b", "'", 0), ("12", r"^\d+$", 0),
])  # fmt: skip
def test_a_pattern_is_searched_anywhere_in_the_text(destination, text, pattern, unmatched):
    with destination.session() as session:
        session.execute("CREATE TABLE t (v VARCHAR(9))")
        session.execute("INSERT INTO t VALUES (?), (NULL)", [text])
        condition = session.unmatched_pattern(session.quote("v"))
        assert session.rows(f"SELECT count(*) FROM t WHERE {condition}", [pattern]) == [(unmatched,)]


def test_a_pattern_works_on_numbers_too(destination):
    with destination.session() as session:
        condition = session.unmatched_pattern("v")
        query = f"SELECT count(*) FROM (SELECT 12 AS v) AS t WHERE {condition}"
        assert session.rows(query, ["^1"]) == [(0,)]


def test_a_transaction_is_rolled_back_on_any_exception(destination):
    with destination.session() as session:
        session.execute("CREATE TABLE t (id INTEGER)")
        with pytest.raises(KeyboardInterrupt), session.transaction():  # noqa: PT012
            session.execute("INSERT INTO t VALUES (1)")
            if session.changes_roll_back:
                session.execute("CREATE TABLE u (id INTEGER)")
                session.execute("DROP TABLE t")
            raise KeyboardInterrupt
        assert session.rows("SELECT * FROM t") == []
        assert session.columns(destination.table("u")) is None


def test_counts_of_touched_rows(destination):
    with destination.session() as session:
        assert session.execute("CREATE TABLE t (id INTEGER)") == 0
        assert session.execute("INSERT INTO t VALUES (1), (2), (3)") == 3
        assert session.execute("UPDATE t SET id = 9 WHERE id > ?", [1]) == 2
        assert session.execute("DELETE FROM t WHERE id = 9") == 2


def test_errors_of_the_database_are_ours(destination):
    with destination.session() as session:
        with pytest.raises(MaterializeError, match="(?i)no_such"):
            session.rows("SELECT * FROM no_such")
        with pytest.raises(MaterializeError):
            session.execute("SELEC 1")


def test_a_driver_that_is_not_installed_is_named_with_the_extra_that_brings_it(monkeypatch):
    for name in [*sys.modules]:
        if name.startswith("airflow_materialize.destinations.mysql."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "MySQLdb", None)
    with pytest.raises(MaterializeError) as caught:
        for_connection(resolve("shop", {"shop": "mysql://root@localhost/shop"}))
    assert "Connection 'shop' has the type 'mysql', whose driver is not installed" in str(caught.value)
    assert "pip install 'airflow-materialize[mysql]'" in caught.value.hint
