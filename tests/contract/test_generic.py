"""Databases that only have a DbApiHook: PostgreSQL by `%s` and SQLite by `?`, each by a hook of a type of its own."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import math
import sqlite3
import threading
import uuid
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pyarrow as pa
import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook

from airflow_materialize.connections import Connection
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.destinations.discretion import PassingError
from airflow_materialize.destinations.generic.session import GenericSession
from airflow_materialize.destinations.reading import ReadOnlyError
from airflow_materialize.errors import MaterializeError


def laws(module):
    """Return the tests of every destination that a module has, so that they run here, on the databases of this one."""
    path = Path(__file__).with_name(f"{module}.py")
    spec = importlib.util.spec_from_file_location(f"{module}_of_any", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return {name: value for name, value in vars(loaded).items() if name.startswith("test_")}


globals().update(laws("test_strategies") | laws("test_schema") | laws("test_merges") | laws("test_history"))


class ElephantHook(DbApiHook):
    conn_name_attr = "elephant_conn_id"
    conn_type = "elephant"
    supports_autocommit = True

    def get_conn(self) -> Any:
        return psycopg.connect(self.get_connection(self.get_conn_id()).extra_dejson["dsn"])


class FeatherHook(DbApiHook):
    conn_name_attr = "feather_conn_id"
    conn_type = "feather"
    _placeholder = "?"

    def get_conn(self) -> Any:
        return sqlite3.connect(self.get_connection(self.get_conn_id()).host)


def accepting(kind):
    """A kind of warehouse whose assets accept what these destinations promise."""

    class Accepting(kind):
        def plan(self, strategy="create+replace", **changes):
            return super().plan(strategy, **{"guarantee": "at_least_once", **changes})

    return Accepting


@pytest.fixture
def make_generic(tmp_path, monkeypatch, empty_database, make_warehouse):
    warehouse_of = accepting(type(make_warehouse("sqlite")))

    def make(kind, dialect=""):
        path = tmp_path / "shop.db"
        if kind == "elephant":
            dsn = empty_database("postgres")
            extra, hook = {"dsn": dsn, "dialect": dialect or "postgres"}, ElephantHook
        else:
            dsn, hook = "", FeatherHook
            extra = {"dialect": dialect or "sqlite"}
        if dialect == "ansi":
            del extra["dialect"]
        value = {"conn_type": kind, "host": str(path), "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(value))
        connection = Connection("warehouse", kind, str(path), extra, lambda: hook(**{hook.conn_name_attr: "warehouse"}))

        def empty() -> None:
            path.unlink(missing_ok=True)
            if dsn:
                empty_database("postgres")

        return warehouse_of(for_connection(connection), tmp_path, path, dsn, empty)

    return make


@pytest.fixture(params=["elephant", "feather"])
def warehouse(request, make_generic):
    return make_generic(request.param)


EXCEPTIONS = {
    # PostgreSQL drops no table that a view reads; here nothing but DROP and CREATE is known.
    "test_create_replace_follows_changed_columns_and_views_survive": "elephant",
    # A connection to SQLite makes the file.
    "test_no_data_creates_nothing_where_a_type_is_missing": "feather",
    # SQLite has no statement that changes a column's type, PostgreSQL wants an expression for some.
    "test_a_column_widens_where_a_value_needs_it": "feather",
    "test_exact_numbers_become_texts_where_the_header_declares_text": "feather",
    "test_a_column_of_nothing_but_null_may_become_anything": "elephant feather",
    # How long a text may be is the database's own knowledge here, and its error says so.
    "test_a_column_of_texts_gets_room_for_a_longer_one": "elephant feather",
    # The standard's spelling of the types.
    "test_declared_types_are_used_for_columns_of_null_and_for_empty_tables": "elephant",
    # Names that PostgreSQL would shorten are refused.
    "test_hostile_column_names_are_columns": "elephant",
    # A type of SQLite's that it has not from a load.
    "test_a_table_of_history_that_was_there_keeps_its_types": "feather",
}
"""The laws that do not hold here; what happens instead is tested below."""


@pytest.fixture(autouse=True)
def _exceptions(request):
    kinds = EXCEPTIONS.get(request.node.originalname, "").split()
    if kinds and request.node.callspec.params["warehouse"] in kinds:
        pytest.skip("another answer is tested below")


def names_of(warehouse):
    """The tables that are there, those of this package's own books included."""
    query = {
        "elephant": "SELECT table_name FROM information_schema.tables WHERE table_schema = 'raw'",
        "feather": "SELECT name FROM sqlite_master WHERE type = 'table'",
        "seal": "SELECT table_name FROM information_schema.tables WHERE table_schema = 'raw'",
    }[warehouse.kind]
    with warehouse.destination.session(read_only=True) as session:
        return sorted(name for (name,) in session.rows(query))


BOOKS = ["_materialize_loads", "_materialize_locks"]


@pytest.mark.parametrize("kind", ["elephant", "feather"])
def test_append_is_refused_unless_the_header_accepts_the_guarantee(make_generic, kind):
    warehouse = make_generic(kind)
    with pytest.raises(MaterializeError, match=f"{kind} cannot promise that rows are appended exactly once") as caught:
        warehouse.load({"id": [1]}, "append", guarantee="exactly_once")
    assert "guarantee: at_least_once accepts" in str(caught.value)
    report = warehouse.load({"id": [1]}, "append")
    assert report.guarantee == f"{kind}: at least once"
    assert str(report).endswith(f"({kind}: at least once)")


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_each_load_bears_the_label_of_its_destination(make_warehouse, kind):
    report = make_warehouse(kind).load({"id": [1]})
    assert report.guarantee == {"duckdb": "DuckDB: exactly once", "sqlite": "SQLite: exactly once"}[kind]


def test_an_index_on_the_key_has_to_be_made_by_hand(warehouse):
    key = [{"name": "id", "primary_key": True}]
    with pytest.raises(MaterializeError, match="enforce_key has no meaning here") as caught:
        warehouse.load({"id": [1]}, "merge", columns=key, enforce_key=True)
    assert "Nothing was changed in" in str(caught.value)


def test_nothing_is_left_but_the_table_and_the_books(warehouse):
    warehouse.load({"id": [1]}, "merge", columns=[{"name": "id", "primary_key": True}])
    name = "orders" if warehouse.kind == "elephant" else "raw.orders"
    assert names_of(warehouse) == sorted([*BOOKS, name])
    with pytest.raises(MaterializeError, match="several rows"):
        warehouse.load({"id": [2, 2]}, "merge", columns=[{"name": "id", "primary_key": True}])
    assert names_of(warehouse) == sorted([*BOOKS, name])
    assert warehouse.rows() == [(1,)]


def test_a_load_that_fails_is_rolled_back_with_its_tables(warehouse):
    warehouse.load({"id": [1]})

    def refuse(session, table):
        assert session.rows(f"SELECT count(*) FROM {session.name_of(table)}") == [(2,)]
        raise MaterializeError("a check failed")

    with pytest.raises(MaterializeError, match="a check failed\nNothing was changed in raw.orders"):
        warehouse.load({"id": [2, 3], "new": ["a", "b"]}, before_commit=refuse)
    assert (warehouse.rows(), [*warehouse.types()]) == ([(1,)], ["id"])


def test_a_table_that_a_view_reads_is_not_made_anew(make_generic):
    warehouse = make_generic("elephant")
    warehouse.load({"id": [1], "name": ["a"]})
    warehouse.run("CREATE VIEW raw.names AS SELECT name FROM {t}")
    with pytest.raises(MaterializeError, match="view raw.names depends on"):
        warehouse.load({"id": [1]})
    assert warehouse.rows("raw.names") == [("a",)]


def test_what_a_table_that_is_made_anew_loses_is_said(warehouse):
    warehouse.load({"id": [1]})
    report = warehouse.load({"id": [1], "new": [2]})
    assert report.schema_changes[-1].endswith(
        "was made anew: its grants, indexes, constraints and comments could not be kept"
    )
    assert any("was made anew" in sentence for sentence in warehouse.said)


def test_a_name_that_the_database_shortens_is_refused(make_generic):
    warehouse = make_generic("elephant")
    with pytest.raises(MaterializeError, match="elephant keeps the name 'x+' otherwise"):
        warehouse.load({"x" * 80: [1]})
    assert warehouse.types() is None


@pytest.mark.parametrize("kind", ["elephant", "feather"])
@pytest.mark.parametrize("name", ["bool", "int8", "uint64", "decimal128(38, 10)", "string", "binary", "date32",
    "time64(us)", "timestamp(us)", "timestamp(us, UTC)", "timestamp(ms, Europe/Berlin)", "float64", "arrow.uuid",
    "duration(us)", "list", "struct", "map", "arrow.json", "null", "dictionary of string"])  # fmt: skip
def test_every_type_arrives_exactly(make_generic, kind, name):
    warehouse, (array, expected) = make_generic(kind), EXACT[name]
    warehouse.load({"rank": pa.array(range(len(array))), "v": array})
    with warehouse.destination.session(read_only=True) as session:
        found = session.rows(f"SELECT v FROM {session.name_of(warehouse.table())} ORDER BY rank")
    assert [meaning(value, wanted) for (value,), wanted in zip(found, expected, strict=True)] == expected
    # A second load finds the types that the first has made.
    assert not warehouse.load({"rank": pa.array(range(len(array))), "v": array}).schema_changes


EXACT = {
    "bool": (pa.array([True, None, False]), [True, None, False]),
    "int8": (pa.array([-128, 127], pa.int8()), [-128, 127]),
    "uint64": (pa.array([0, 2**63 - 1], pa.uint64()), [0, 2**63 - 1]),
    "decimal128(38, 10)": (pa.array([Decimal("-1234567890123456789012345678.0123456789")], pa.decimal128(38, 10)),
                           [Decimal("-1234567890123456789012345678.0123456789")]),
    "string": (pa.array(["", "é😀", "'\";--", "100%s ? :x"]), ["", "é😀", "'\";--", "100%s ? :x"]),
    "binary": (pa.array([b"", b"\0\xff"]), [b"", b"\0\xff"]),
    "date32": (pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31)]), [dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    "time64(us)": (pa.array([dt.time(23, 59, 59, 999999)]), [dt.time(23, 59, 59, 999999)]),
    "timestamp(us)": (pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, 6)]), [dt.datetime(2026, 1, 2, 3, 4, 5, 6)]),
    "timestamp(us, UTC)": (pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, 6, dt.UTC)], pa.timestamp("us", "UTC")),
                           [dt.datetime(2026, 1, 2, 3, 4, 5, 6, dt.UTC)]),
    "timestamp(ms, Europe/Berlin)": (pa.array([1767321845006], pa.timestamp("ms", "Europe/Berlin")),
                                     [dt.datetime(2026, 1, 2, 2, 44, 5, 6000, dt.UTC)]),
    "float64": (pa.array([0.1, -0.0, 5e-324, 1.7976931348623157e308]), [0.1, -0.0, 5e-324, 1.7976931348623157e308]),
    "arrow.uuid": (pa.array([uuid.UUID(int=7).bytes], pa.uuid()), [str(uuid.UUID(int=7))]),
    "duration(us)": (pa.array([dt.timedelta(days=-1, microseconds=1)]), [-86_399_999_999]),
    "list": (pa.array([[1, None]]), ["[1, null]"]),
    "struct": (pa.array([{"a": 1, "d": Decimal("1.50")}]), ['{"a": 1, "d": "1.50"}']),
    "map": (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), ['{"a": 1}']),
    "arrow.json": (pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}'])), ['{"a":1}']),
    "null": (pa.nulls(2), [None, None]),
    "dictionary of string": (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
}  # fmt: skip


def meaning(value, wanted):
    """What a database without the type keeps as text or number, in the form of the original."""
    if isinstance(wanted, bool):
        return bool(value)
    if isinstance(value, str) and isinstance(wanted, Decimal):
        return Decimal(value)
    if isinstance(value, str) and isinstance(wanted, dt.date | dt.time):
        return type(wanted).fromisoformat(value)
    return value


@pytest.mark.parametrize(("kind", "array", "found"), [
    ("elephant", pa.array([b"a"]), None),
    ("elephant", pa.array([math.nan]), None),
    ("ansi", pa.array([b"a"]), "Column 'v': no exact type for binary is known in standard SQL"),
    ("ansi", pa.array([1.0, math.nan]), "Column 'v', row 2: NaN or infinity, which the database is not known to store"),
    ("ansi", pa.array([math.inf]), "Column 'v', row 1: NaN or infinity"),
    ("elephant", pa.array(["a", "b\0c"]), "Column 'v', row 2: a NUL character"),
    ("elephant", pa.array([1], pa.timestamp("ns")), "Column 'v'.*1970"),
    ("elephant", pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "Column 'v': no exact type for month_day_nano"),
    ("feather", pa.array([1.0, math.nan]), "Column 'v', row 2: SQLite has no NaN"),
    ("feather", pa.array([2**64 - 1], pa.uint64()), "Column 'v'"),
])  # fmt: skip
def test_what_is_not_known_to_fit_exactly_is_an_error(make_generic, kind, array, found):
    warehouse = make_generic("elephant", "ansi") if kind == "ansi" else make_generic(kind)
    if found is None:
        assert warehouse.load({"v": array}).rows_inserted == len(array)
        return
    with pytest.raises(MaterializeError, match=found) as caught:
        warehouse.load({"v": array})
    assert caught.value.unchanged == "raw.orders"
    assert warehouse.types() is None


def test_standard_sql_is_what_a_database_without_a_known_dialect_gets(make_generic):
    warehouse = make_generic("elephant", "ansi")
    data = {"id": [1, 2], "at": [dt.datetime(2026, 1, 1)] * 2, "d": [Decimal("1.10")] * 2, "s": ["%", "?"]}
    warehouse.load(data)
    assert not warehouse.load(data, "merge", columns=[{"name": "id", "primary_key": True}]).rows_updated
    assert warehouse.types() == {"id": "BIGINT", "at": "TIMESTAMP(6)", "d": "DECIMAL(3, 2)", "s": "TEXT"}


def test_an_unknown_dialect_is_named(make_generic):
    with pytest.raises(MaterializeError, match="names the dialect 'klingon', which is not known"):
        make_generic("elephant", "klingon")


@pytest.mark.parametrize("strategy", ["append", "create+replace"])
def test_a_column_of_a_type_that_nobody_knows_takes_nothing(make_generic, strategy):
    warehouse = make_generic("elephant")
    warehouse.load({"id": [1]})
    warehouse.run("ALTER TABLE {t} ALTER COLUMN id TYPE numeric(3, 1)", "ALTER TABLE {t} ADD COLUMN place inet")
    if strategy == "create+replace":
        assert warehouse.load({"id": [1], "place": ["10.0.0.1"]}).rows_total == 1
        return
    with pytest.raises(MaterializeError, match="Column 'place' of raw.orders is INET, and whether it keeps values"):
        warehouse.load({"id": [1], "place": ["10.0.0.1"]}, strategy)


def test_a_database_that_tells_no_types_takes_replacements_only(make_generic):
    """The standard's SQL over SQLite, which has no information_schema."""
    warehouse = make_generic("feather", "ansi")
    for rows in (2, 3):
        assert warehouse.load({"id": [*range(rows)], "s": ["a"] * rows}, name="orders").rows_total == rows
    with pytest.raises(MaterializeError, match="'id' of orders is of a type that the database does not tell"):
        warehouse.load({"id": [1], "s": ["a"]}, "append", name="orders")
    assert warehouse.rows("orders", "id") == [(0,), (1,), (2,)]


def test_a_driver_that_commits_each_statement_is_refused(make_generic):
    warehouse = make_generic("feather")
    hook = warehouse.destination.connection.hook

    def each_by_itself():
        made = hook()
        made.get_conn = lambda: sqlite3.connect(warehouse.path, isolation_level=None)
        return made

    warehouse.destination = for_connection(replace(warehouse.destination.connection, hook=each_by_itself))
    with pytest.raises(MaterializeError, match="feather does not take changed rows back with a transaction") as caught:
        warehouse.load({"id": [1]})
    assert caught.value.unchanged == "raw.orders"
    assert names_of(warehouse) == ["_materialize_locks"]


def test_what_a_killed_load_left_goes_with_the_next(warehouse):
    columns = [{"name": "id", "primary_key": True}]
    warehouse.load({"id": [1]}, "merge", columns=columns)
    with warehouse.destination.session() as session, session.transaction():
        session.lock(warehouse.table())
        session.create_staging({"other": "INTEGER"}, [])
    assert len(names_of(warehouse)) == 4
    warehouse.load({"id": [2]}, "merge", columns=columns)
    assert len(names_of(warehouse)) == 3
    assert warehouse.rows() == [(1,), (2,)]


def test_two_loads_of_one_table_wait_for_each_other(make_generic):
    warehouse = make_generic("elephant")
    warehouse.load({"id": [0]})
    first, loads = threading.Event(), []

    def slow(session, table):
        first.set()
        loads[0].join(1)

    def second():
        first.wait(30)
        warehouse.load({"id": [2, 3]}, run="second")

    loads.append(threading.Thread(target=second))
    loads[0].start()
    warehouse.load({"id": [1]}, run="first", before_commit=slow)
    loads[0].join(60)
    assert warehouse.rows() == [(2,), (3,)]


def test_first_loads_of_several_tables_at_once_do_not_stand_in_each_others_way(make_generic):
    warehouse = make_generic("elephant")
    failed, together = [], threading.Barrier(4)
    staged = [warehouse.stage({"id": [number]}) for number in range(4)]

    def load(number):
        try:
            together.wait(30)
            warehouse.load(staged[number], name=f"raw.t{number}", run=f"{number}")
        except MaterializeError as error:
            failed.append(error)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert [warehouse.rows(f"raw.t{number}") for number in range(4)] == [[(number,)] for number in range(4)]
    assert len(warehouse.ledger("load_key")) == 4


def read(warehouse, sql, parameters=()):
    with warehouse.destination.session(read_only=True) as session:
        batches = [*session.reader().batches(sql, parameters)]
    return [row for batch in batches for row in batch.to_pylist()]


def test_queries_read_with_values_by_place_or_by_name(warehouse):
    warehouse.load({"id": [1, 2, 3], "s": ["a", "b%", None]})
    name = warehouse.written("raw.orders")
    assert read(warehouse, f"SELECT id, s FROM {name} WHERE id > ? AND s LIKE 'b%'", [1]) == [{"id": 2, "s": "b%"}]
    assert read(warehouse, f"SELECT id FROM {name} WHERE id = :id OR id = :id + 1 ORDER BY 1", {"id": 2}) == [
        {"id": 2},
        {"id": 3},
    ]


@pytest.mark.parametrize("sql", ["DELETE FROM {t}", "SELECT 1; DELETE FROM {t}", "WITH d AS (DELETE FROM {t} RETURNING id) SELECT * FROM d",
    "SELECT id INTO x FROM {t}", "DROP TABLE {t}", "SELECT id FROM {t} FOR UPDATE", "COMMIT", ""])  # fmt: skip
def test_queries_only_read(warehouse, sql):
    warehouse.load({"id": [1]})
    with pytest.raises(ReadOnlyError):
        read(warehouse, sql.replace("{t}", warehouse.written("raw.orders")))
    assert warehouse.rows() == [(1,)]


def test_a_function_that_writes_is_refused_by_the_database(make_generic):
    warehouse = make_generic("elephant")
    warehouse.load({"id": [1]})
    warehouse.run("CREATE FUNCTION raw.gone() RETURNS integer LANGUAGE sql AS 'DELETE FROM raw.orders RETURNING 1'")
    with pytest.raises(MaterializeError, match="read-only transaction"):
        read(warehouse, "SELECT raw.gone()")
    assert warehouse.rows() == [(1,)]


def test_queries_are_refused_where_nothing_guards_them(make_generic):
    warehouse = make_generic("feather", "ansi")
    with pytest.raises(MaterializeError, match="query\\(\\) is refused on feather: nothing would keep a statement"):
        read(warehouse, "SELECT 1")


@pytest.fixture
def seal(module_database, tmp_path, make_warehouse):
    """MariaDB behind a hook of another type: what makes or changes tables there commits at once."""
    pytest.importorskip("MySQLdb")
    from MySQLdb import connect

    database = module_database("mysql")
    database.empty()
    parts = urlsplit(database.url)

    class SealHook(DbApiHook):
        conn_name_attr = "seal_conn_id"
        conn_type = "seal"
        supports_autocommit = True

        def get_conn(self):
            return connect(
                host=parts.hostname, port=parts.port, user=parts.username, db=parts.path[1:], charset="utf8mb4"
            )

        def set_autocommit(self, conn, autocommit):
            conn.autocommit(autocommit)

        @property
        def connection_extra(self):
            return {}

    extra = {"dialect": "mysql"}
    connection = Connection("warehouse", "seal", "", extra, lambda: SealHook(seal_conn_id="warehouse"))
    kind = accepting(type(make_warehouse("sqlite")))
    return kind(for_connection(connection), tmp_path, tmp_path / "none", database.url, database.empty)


def test_where_tables_commit_by_themselves_a_load_is_one_transaction_all_the_same(seal):
    assert seal.load({"id": [1, 2], "s": ["a", "B"]}).rows_total == 2
    assert seal.load({"id": [3], "s": ["c"]}).rows_deleted == 2
    assert seal.load({"id": [4], "s": ["d"]}, "append").rows_total == 2
    replaced = seal.load({"id": [4, 4], "s": ["e", "f"]}, "delete+insert", incremental_key="id")
    assert (replaced.rows_deleted, replaced.rows_total) == (1, 3)

    def refuse(session, table):
        raise MaterializeError("a check failed")

    for strategy in ("create+replace", "append"):
        with pytest.raises(MaterializeError, match="a check failed"):
            seal.load({"id": [9], "s": ["z"]}, strategy, before_commit=refuse)
    assert seal.rows() == [(3, "c"), (4, "e"), (4, "f")]
    assert names_of(seal) == [*BOOKS, "orders"]


def test_where_tables_commit_by_themselves_a_table_of_a_load_that_fails_is_dropped(seal):
    with pytest.raises(MaterializeError, match="must not be NULL|first in row 2"):
        seal.load({"id": [1, None]}, columns=[{"name": "id", "nullable": False}])

    def refuse(session, table):
        raise MaterializeError("a check failed")

    with pytest.raises(MaterializeError, match="a check failed"):
        seal.load({"id": [1]}, before_commit=refuse)
    assert names_of(seal) == BOOKS


def test_where_tables_commit_by_themselves_a_lost_answer_of_commit_drops_nothing(seal, monkeypatch):
    conclude, lost = GenericSession.conclude, []

    def committed_without_an_answer(session):
        conclude(session)
        if session.kind(seal.table()) and session.rows("SELECT 1 FROM `raw`.`orders`") and not lost:
            lost.append(True)
            raise PassingError("the connection is gone")

    monkeypatch.setattr(GenericSession, "conclude", committed_without_an_answer)
    assert seal.load({"id": [1]}).rows_total == 1
    assert (lost, seal.rows()) == ([True], [(1,)])


def test_where_tables_commit_by_themselves_other_columns_are_refused(seal):
    seal.load({"id": [1]})
    for strategy in ("create+replace", "append", "truncate+insert"):
        with pytest.raises(MaterializeError, match="seal commits changes of a table's columns at once") as caught:
            seal.load({"id": [2], "new": [1]}, strategy)
        assert "on_schema_change be ignore" in caught.value.hint
    assert (seal.rows(), [*seal.types()]) == ([(1,)], ["id"])


def test_where_tables_commit_by_themselves_no_hook_behind_the_load_makes_one(seal):
    plan = seal.plan(hooks_post=("CREATE TABLE raw.log (id INTEGER)",))
    with pytest.raises(MaterializeError, match="CREATE, which commits by itself"):
        seal.load({"id": [1]}, plan=plan)
