"""What PostgreSQL does beyond the contract: what survives a replacement, who is waited for, which right is missing."""

from __future__ import annotations

import threading
from contextlib import closing

import psycopg
import psycopg2
import pyarrow as pa
import pytest

from airflow_materialize.connections import resolve
from airflow_materialize.destinations import waiting
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.destinations.postgres import session as postgres_session
from airflow_materialize.destinations.postgres.session import PostgresSession
from airflow_materialize.destinations.reading import ReadOnlyError
from airflow_materialize.errors import MaterializeError, TransientError

KEY = {"name": "id", "primary_key": True}


@pytest.fixture
def warehouse(make_warehouse):
    return make_warehouse("postgres")


@pytest.fixture
def sql(warehouse):
    """Runs statements beside the loader, each at once."""
    with closing(psycopg.connect(warehouse.url, autocommit=True)) as connection:
        connection.prepare_threshold = None

        def run(*statements):
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

        yield run


@pytest.fixture
def role(sql):
    """A role that may connect and nothing else."""
    name = sql("SELECT 'role_' || substr(md5(random()::text), 1, 10)")[0][0]
    sql(f'CREATE ROLE "{name}" LOGIN')
    yield name
    sql(f'DROP OWNED BY "{name}"', f'DROP ROLE "{name}"')


def as_role(warehouse, role):
    url = warehouse.url.replace("postgres@", f"{role}@")
    warehouse.destination = for_connection(resolve("warehouse", {"warehouse": url}))
    return warehouse


FACTS = """
SELECT c.oid, c.relacl::text, obj_description(c.oid, 'pg_class'), col_description(c.oid, 1),
  array(SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = c.oid ORDER BY 1)
FROM pg_class AS c WHERE c.oid = 'raw.orders'::regclass
"""


@pytest.fixture
def kept(warehouse, sql, role):
    """A table with all that can stand on one, and a view of a view."""
    warehouse.load({"id": [1, 2], "name": ["a", "b"]})
    sql(
        f'GRANT SELECT ON raw.orders TO "{role}"',
        "COMMENT ON TABLE raw.orders IS 'ours'",
        "COMMENT ON COLUMN raw.orders.id IS 'the number'",
        "CREATE INDEX by_name ON raw.orders (name)",
        "CREATE UNIQUE INDEX by_id ON raw.orders (id)",
        "CREATE VIEW numbers WITH (security_barrier = true) AS SELECT id, id * 2 AS twice FROM raw.orders",
        "CREATE VIEW more AS SELECT twice + 1 AS odd FROM numbers",
        f'GRANT SELECT ON numbers TO "{role}" WITH GRANT OPTION',
        "COMMENT ON VIEW numbers IS 'twice'",
        "COMMENT ON COLUMN numbers.twice IS 'by two'",
    )
    return sql


def test_a_replacement_keeps_the_table_and_all_that_stands_on_it(warehouse, kept):
    before = kept(FACTS)
    warehouse.load({"id": [7], "name": ["z"]})
    assert kept(FACTS) == before
    assert kept("SELECT odd FROM more") == [(15,)]


def test_other_columns_come_in_place_and_views_of_a_column_with_another_type_are_made_again(warehouse, kept):
    view = "SELECT relacl::text, reloptions, obj_description(oid), col_description(oid, 2) FROM pg_class WHERE oid = 'numbers'::regclass"
    before, of_the_view = kept(FACTS), kept(view)
    report = warehouse.load({"id": [1.5], "name": ["a"], "city": ["x"]})
    assert kept(FACTS) == before
    assert kept(view) == of_the_view
    assert kept("SELECT odd FROM more") == [(4.0,)]
    assert "column id changed from bigint to double precision" in report.schema_changes


def test_nothing_is_dropped_along_with_a_column(warehouse, kept):
    with pytest.raises(MaterializeError) as caught:
        warehouse.load({"name": ["z"]})
    assert "public.numbers, public.more read columns of raw.orders that the result lacks (id)" in str(caught.value)
    assert str(caught.value).endswith("Nothing was changed in raw.orders.")
    assert warehouse.rows() == [(1, "a"), (2, "b")]


def test_what_goes_with_a_column_is_said(warehouse, kept):
    report = warehouse.load({"id": [1]})
    assert any("with name go what was built on them: by_name" in sentence for sentence in warehouse.said)
    assert any("with name go what was built on them: by_name" in change for change in report.schema_changes)


def test_a_materialized_view_of_a_column_with_another_type_is_named(warehouse, sql):
    warehouse.load({"id": [1]})
    sql("CREATE MATERIALIZED VIEW frozen AS SELECT id FROM raw.orders")
    with pytest.raises(MaterializeError, match="The materialized view public.frozen reads columns of raw.orders"):
        warehouse.load({"id": ["a"]})


def test_a_column_widens_below_a_view(warehouse, sql):
    warehouse.load({"id": pa.array([1], pa.int32())}, "append")
    sql("CREATE VIEW numbers AS SELECT id FROM raw.orders")
    warehouse.load({"id": [2**40]}, "append")
    assert sql("SELECT id FROM numbers ORDER BY id") == [(1,), (2**40,)]


def test_a_merge_by_a_unique_index_leaves_unchanged_rows_alone(warehouse, sql):
    warehouse.load({"id": [1, 2], "v": ["a", "b"], "w": [1.5, None]})
    sql("ALTER TABLE raw.orders ADD PRIMARY KEY (id)")
    before = dict(sql("SELECT id, ctid::text FROM raw.orders"))
    report = warehouse.load({"id": [1, 2, 3], "v": ["a", "B", "c"], "w": [1.5, None, None]}, "merge", columns=[KEY])
    assert (report.rows_updated, report.rows_inserted) == (1, 1)
    after = dict(sql("SELECT id, ctid::text FROM raw.orders"))
    assert after[1] == before[1]
    assert after[2] != before[2]


def test_columns_of_types_that_are_not_arrows_are_loaded_by_cast(warehouse, sql):
    sql(
        "CREATE SCHEMA raw",
        "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",
        "CREATE TABLE raw.orders (id bigint PRIMARY KEY, m mood, n numeric, j json, p positive, i inet,"
        " s varchar(3), c char(4), at timestamp(0), moments timestamptz[])",
    )
    moment = pa.array([[0, None]], pa.list_(pa.timestamp("us", "UTC")))
    data = {
        "id": [1], "m": ["glad"], "n": [5], "j": [{"a": 1}], "p": [3], "i": ["10.0.0.1/32"], "s": ["abc"], "c": ["x"],
        "at": pa.array([86_400_000_000], pa.timestamp("us")), "moments": moment,
    }  # fmt: skip
    for _ in range(2):
        warehouse.load(pa.table(data), "merge", columns=[KEY])
    row = "m::text, n::text, j::text, p, i::text, s, c::text, at::text, moments::text"
    [found] = sql(f"SET timezone = 'UTC'; SELECT {row} FROM raw.orders") or sql(f"SELECT {row} FROM raw.orders")
    assert found == (
        "glad", "5", '{"a": 1}', 3, "10.0.0.1/32", "abc", "x", "1970-01-02 00:00:00", '{"1970-01-01 00:00:00+00",NULL}'
    )  # fmt: skip
    with pytest.raises(MaterializeError, match="invalid input value for enum mood"):
        warehouse.load({"id": [2], "m": ["angry"]}, "append")
    with pytest.raises(MaterializeError, match="positive"):
        warehouse.load({"id": [2], "p": [-1]}, "append")
    with pytest.raises(MaterializeError, match="Column 's' is character varying.* row 1 has a text of 4 characters"):
        warehouse.load({"id": [2], "s": ["abcd"]}, "append", on_schema_change="freeze")
    assert sql("SELECT count(*) FROM raw.orders") == [(1,)]


def test_points_in_time_are_not_rounded(warehouse, sql):
    sql("CREATE SCHEMA raw", "CREATE TABLE raw.orders (at timestamp(3), t time(0), tz timestamp(3) with time zone)")
    moment, noon = pa.array([1_000], pa.timestamp("us")), pa.array([43_200_000_000], pa.time64("us"))
    data = {"at": moment, "t": noon, "tz": moment.cast(pa.timestamp("us", "UTC"))}
    warehouse.load(data, "append")
    assert warehouse.types()["at"] == "timestamp(3) without time zone"
    with pytest.raises(MaterializeError, match="Column 'at', row 1: 1970-01-01 00:00:00.000001 .* is not exactly"):
        warehouse.load({"at": pa.array([1], pa.timestamp("us"))}, "append")
    assert sql("SELECT at::text, t::text FROM raw.orders") == [("1970-01-01 00:00:00.001", "12:00:00")]
    with pytest.raises(MaterializeError, match="Column 't'"):
        warehouse.load({"t": pa.array([1], pa.time64("us"))}, "append", on_schema_change="freeze")
    sql("ALTER TABLE raw.orders ALTER COLUMN at TYPE timestamp(1)")
    with pytest.raises(MaterializeError, match=r"Column 'at' is timestamp\(1\) without time zone, which rounds"):
        warehouse.load(data, "append")


def test_a_nul_character_is_refused_with_column_and_row(warehouse):
    with pytest.raises(
        MaterializeError, match="Column 'v', row 2: a text has a character that the database cannot store"
    ):
        warehouse.load({"id": [1, 2], "v": ["a", "b\0"]})


def test_what_the_database_fills_by_itself_is_left_to_it(warehouse, sql):
    sql(
        "CREATE SCHEMA raw",
        "CREATE TABLE raw.orders (no bigint GENERATED ALWAYS AS IDENTITY, id bigint,"
        " twice bigint GENERATED ALWAYS AS (id * 2) STORED)",
    )
    warehouse.load({"id": [1, 2]}, "append")
    warehouse.load({"id": [3]})
    assert warehouse.rows() == [(3, 3, 6)]


@pytest.mark.parametrize(("made", "words"), [
    ("CREATE MATERIALIZED VIEW raw.orders AS SELECT 1 AS id", "raw.orders is a materialized view"),
    ("CREATE SEQUENCE raw.orders", "raw.orders is a sequence"),
])  # fmt: skip
def test_what_is_no_table_is_named(warehouse, sql, made, words):
    sql("CREATE SCHEMA raw", made)
    with pytest.raises(MaterializeError, match=words):
        warehouse.load({"id": [1]})


def test_a_partitioned_table_is_loaded_and_a_row_without_partition_refused(warehouse, sql):
    sql(
        "CREATE SCHEMA raw",
        "CREATE TABLE raw.orders (id bigint PRIMARY KEY, v text) PARTITION BY RANGE (id)",
        "CREATE TABLE raw.low PARTITION OF raw.orders FOR VALUES FROM (0) TO (10)",
    )
    warehouse.load({"id": [1, 2], "v": ["a", "b"]})
    warehouse.load({"id": [2, 3], "v": ["B", "c"]}, "merge", columns=[KEY])
    assert warehouse.rows() == [(1, "a"), (2, "B"), (3, "c")]
    with pytest.raises(MaterializeError, match="no partition of relation"):
        warehouse.load({"id": [99], "v": ["z"]}, "append")


@pytest.mark.parametrize(("given", "right"), [
    ("", 'GRANT CREATE, TEMPORARY ON DATABASE "{database}" TO "{role}"'),
    ("CREATE SCHEMA raw", 'GRANT USAGE, CREATE ON SCHEMA "raw" TO "{role}"'),
    (
        'CREATE SCHEMA raw; CREATE TABLE raw.orders (id bigint); GRANT USAGE, CREATE ON SCHEMA raw TO "{role}"',
        'GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA "raw" TO "{role}"',
    ),
])  # fmt: skip
def test_a_missing_right_is_told_as_the_grant_to_run(warehouse, sql, role, given, right):
    if given:
        sql(given.replace("{role}", role))
    with pytest.raises(MaterializeError) as caught:
        as_role(warehouse, role).load({"id": [1]}, "append")
    database = warehouse.url.rpartition("/")[2]
    assert caught.value.hint == right.replace("{role}", role).replace("{database}", database)
    sql(caught.value.hint)
    if "TABLES" in right:
        assert warehouse.load({"id": [1]}, "append").rows_total == 1


def test_who_does_not_own_the_table_is_told_so_where_its_columns_change(warehouse, sql, role):
    warehouse.load({"id": [1]}, "append")
    sql(
        f'GRANT ALL ON ALL TABLES IN SCHEMA raw TO "{role}"', f'GRANT USAGE ON SCHEMA raw TO "{role}"',
        f"REVOKE TEMPORARY ON DATABASE \"{warehouse.url.rpartition('/')[2]}\" FROM PUBLIC",
    )  # fmt: skip
    other = as_role(warehouse, role)
    other.load({"id": [2]}, "append")
    with pytest.raises(MaterializeError, match="must be owner of table orders") as caught:
        other.load({"id": [3], "v": ["a"]}, "append")
    assert caught.value.hint == f'ALTER TABLE "raw"."orders" OWNER TO "{role}"'
    with pytest.raises(MaterializeError, match="temporary tables") as caught:
        other.load({"id": [2]}, "merge", columns=[KEY])
    assert caught.value.hint.startswith("GRANT CREATE, TEMPORARY ON DATABASE")
    assert sql("SELECT count(*) FROM raw.orders") == [(2,)]


def test_rows_that_a_policy_hides_are_not_left_behind(warehouse, sql, role):
    warehouse.load({"id": [1, 2]})
    sql(
        "ALTER TABLE raw.orders ENABLE ROW LEVEL SECURITY", "CREATE POLICY one ON raw.orders USING (id = 1)",
        f'GRANT ALL ON ALL TABLES IN SCHEMA raw TO "{role}"', f'GRANT USAGE ON SCHEMA raw TO "{role}"',
    )  # fmt: skip
    with pytest.raises(MaterializeError, match="row-level security") as caught:
        as_role(warehouse, role).load({"id": [3]})
    assert "BYPASSRLS" in caught.value.hint
    assert sql("SELECT count(*) FROM raw.orders") == [(2,)]


def test_who_holds_the_table_is_told_in_the_log_and_in_the_error(warehouse, monkeypatch):
    warehouse.load({"id": [1]})
    monkeypatch.setattr(waiting, "PROGRESS_SECONDS", 0.2)
    monkeypatch.setattr(postgres_session, "LOCK_SECONDS", 1.5)
    with closing(psycopg.connect(warehouse.url, application_name="an analyst")) as other:
        other.execute("LOCK TABLE raw.orders IN ACCESS SHARE MODE")
        other.execute("UPDATE raw.orders SET id = 2")
        with pytest.raises(TransientError) as caught:
            warehouse.load({"id": [3]})
    held = f"raw.orders is held by process {other.info.backend_pid if not other.closed else ''}".rstrip()
    assert any(sentence.startswith(f"Waiting: {held}") for sentence in warehouse.said)
    text = str(caught.value)
    assert held in text
    assert "(an analyst, idle in transaction for " in text
    assert text.endswith("waited 1.5 s\nNothing was changed in raw.orders.")
    assert warehouse.rows() == [(1,)]


def test_sixteen_first_loads_at_once_of_a_table_that_does_not_exist_are_exact(warehouse):
    failures, start = [], threading.Barrier(16)
    files = [warehouse.stage({"id": [number], "v": ["x"]}) for number in range(16)]

    def load(number):
        start.wait()
        try:
            plan = warehouse.plan("merge" if number % 2 else "append", run=str(number), columns=[KEY])
            warehouse.load(files[number], plan=plan)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=load, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert warehouse.rows(columns="id") == sorted(((number,) for number in range(16)), key=repr)
    assert len(warehouse.ledger()) == 16


def test_a_deadlock_is_gone_through_again(warehouse, sql):
    warehouse.load({"id": [1], "v": ["a"]}, "append")
    sql("CREATE TABLE other (id bigint)", "INSERT INTO other VALUES (1)")
    with closing(psycopg.connect(warehouse.url)) as rival:
        rival.execute("SET deadlock_timeout = '60s'")
        rival.execute("UPDATE public.other SET id = 2")
        blocked = threading.Thread(
            target=lambda: (rival.execute("LOCK TABLE raw.orders IN EXCLUSIVE MODE"), rival.commit())
        )

        def cross(session, table):
            # The load holds its table, which the rival wants, and wants what the rival holds.
            if not blocked.is_alive() and blocked.ident is None:
                blocked.start()
            session.execute("SET LOCAL deadlock_timeout = '100ms'")
            session.execute("UPDATE public.other SET id = 3")

        report = warehouse.load({"id": [2], "v": ["b"]}, "append", before_commit=cross)
        blocked.join()
    assert report.outcome == "loaded"
    assert any("deadlock detected; the whole transaction is done again" in sentence for sentence in warehouse.said)
    assert len(warehouse.rows()) == 2


def test_psycopg2_loads_the_same(warehouse, sql):
    table = warehouse.table("raw.old")
    session = PostgresSession(psycopg2.connect(warehouse.url), "load of raw.old")
    schema = pa.schema([("id", pa.int64()), ("v", pa.string()), ("j", pa.struct([("a", pa.int8())]))])
    batches = pa.Table.from_pylist([{"id": number, "v": "%s?", "j": {"a": 1}} for number in range(1000)], schema=schema)
    with closing(session), session.transaction():
        session.lock(table)
        session.create_schema(table)
        session.create_table(table, {"id": "bigint", "v": "text", "j": "jsonb"})
        assert session.bulk(table, schema, batches.to_batches(max_chunksize=300)) == 1000
        assert session.rows("SELECT max(id), '%', '?' FROM raw.old WHERE v <> ? AND id % 2 = 1", ["%"]) == [
            (999, "%", "?")
        ]
    assert sql("SELECT count(*), max(j::text) FROM raw.old") == [(1000, '{"a": 1}')]


@pytest.mark.parametrize(("statement", "words"), [
    ("DELETE FROM raw.orders", "begins with DELETE"), ("SELECT 1; SELECT 2", "takes one statement"), ("", "no statement"),
    ("WITH gone AS (DELETE FROM raw.orders RETURNING 1) SELECT * FROM gone", "(?i)read-only|only reads|DECLARE CURSOR"),
    ("COPY raw.orders TO STDOUT", "begins with COPY"), ("SELECT nextval('numbers')", "(?i)only reads"),
])  # fmt: skip
def test_user_code_only_reads(warehouse, sql, statement, words):
    warehouse.load({"id": [1]})
    sql("CREATE SEQUENCE numbers")
    with (
        warehouse.destination.session(read_only=True) as session,
        pytest.raises(MaterializeError, match=words) as caught,
    ):
        list(session.reader().batches(statement))
    assert (
        isinstance(caught.value, ReadOnlyError)
        or "PostgreSQL" in str(caught.value)
        or "only reads" in str(caught.value)
    )
    assert warehouse.rows() == [(1,)]


def test_by_psycopg2_user_code_sends_no_second_statement_whatever_hides_it(warehouse, sql):
    reading = PostgresSession(psycopg2.connect(warehouse.url), "query", read_only=True)
    hidden = "SELECT $\u00a0$ ' $\u00a0$; COMMIT; CREATE TABLE stolen AS SELECT 1 --'\n"
    with closing(reading) as session:
        with pytest.raises(ReadOnlyError, match="a semicolon within it"):
            list(session.reader().batches(hidden))
        [_, batch] = session.reader().batches("SELECT 1 AS one;")
    assert batch.to_pylist() == [{"one": 1}]
    assert sql("SELECT count(*) FROM pg_tables WHERE tablename = 'stolen'") == [(0,)]


def test_user_code_sees_plans_as_text(warehouse):
    with warehouse.destination.session(read_only=True) as session:
        [_, batch] = session.reader().batches("EXPLAIN (FORMAT JSON) SELECT 1")
        assert '"Plan"' in batch.to_pylist()[0]["QUERY PLAN"]
        [_, batch] = session.reader().batches("SHOW server_version_num")
        assert batch.to_pylist()[0]["server_version_num"].isdecimal()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("int4range(1, 2)", "[1,2)"),
        ("'{[2026-04-01,2026-04-03)}'::datemultirange", "{[2026-04-01,2026-04-03)}"),
        ("ROW(1, 'a b')", '(1,"a b")'),
        ("inet '10.0.0.1'", "10.0.0.1"),
    ],
)
def test_user_code_gets_what_arrow_has_no_type_for_as_the_server_writes_it(warehouse, value, text):
    with warehouse.destination.session(read_only=True) as session:
        assert pa.Table.from_batches(list(session.reader().batches(f"SELECT {value} AS a"))[1:]).to_pylist() == [
            {"a": text}
        ]


@pytest.mark.parametrize(
    "value", ["'infinity'::timestamp", "'infinity'::date", "'0044-03-15 BC'::date", "'24:00'::time"]
)
def test_a_day_that_python_does_not_have_is_named_with_what_to_do(warehouse, value):
    with warehouse.destination.session(read_only=True) as session, pytest.raises(MaterializeError) as caught:
        list(session.reader().batches(f"SELECT {value} AS a"))
    assert "CAST it to text" in caught.value.hint


def test_user_code_gets_values_by_place_and_by_name_and_rows_in_many_batches(warehouse):
    with warehouse.destination.session(read_only=True) as session:
        reader = session.reader()
        # A batch may have wider types than the ones before it: numeric has no digits of its own.
        asked = reader.batches("SELECT n, '?' AS q, n::numeric AS d FROM generate_series(1, ?) AS n", [250_000])
        table = pa.concat_tables((pa.Table.from_batches([batch]) for batch in asked), promote_options="permissive")
        assert (table.num_rows, table.column_names) == (250_000, ["n", "q", "d"])
        [_, batch] = reader.batches("SELECT :a::text AS a, ARRAY[1, NULL] AS l, NULL::json AS j", {"a": "x:y"})
        assert batch.to_pylist() == [{"a": "x:y", "l": [1, None], "j": None}]
        assert len(list(reader.batches("SELECT 1 AS one WHERE false"))) == 1


def test_a_server_that_is_not_there_is_named_without_a_password(tmp_path):
    destination = for_connection(resolve("shop", {"shop": "postgres://ann:canary-5@127.0.0.1:1/shop"}))
    with pytest.raises(TransientError, match="Connection 'shop' cannot be opened") as caught, destination.session():
        raise AssertionError
    assert "canary" not in str(caught.value)


def test_a_table_of_a_name_that_postgresql_would_cut_off_is_refused(warehouse):
    with pytest.raises(MaterializeError, match="has 64 bytes, and a name in PostgreSQL has 63 at most"):
        warehouse.load({"id": [1]}, name="raw." + "x" * 64)
    warehouse.load({"id": [1]}, name="Raw.Orders")
    assert warehouse.rows("raw.orders") == [(1,)]


def test_two_long_names_that_begin_alike_stay_two_columns(warehouse):
    first, second = "x" * 70 + "a", "x" * 70 + "b"
    warehouse.load({first: [1], second: [2]})
    warehouse.load({second: [4], first: [3]}, "append")
    assert warehouse.rows() == [(1, 2), (3, 4)]


def test_an_upsert_takes_any_names(warehouse, sql):
    names = ['a"b', "a'b", "%s", "?", "$1", ":x", "x" * 70]
    data = {name: [index] for index, name in enumerate(names)}
    warehouse.load(data)
    sql('CREATE UNIQUE INDEX ON raw.orders ("a""b", "?")')
    keys = [{"name": name, "primary_key": True} for name in ("?", 'a"b')]
    report = warehouse.load(data | {"%s": [7]}, "merge", columns=keys)
    assert (report.rows_updated, report.rows_inserted) == (1, 0)
    assert warehouse.rows() == [(0, 1, 7, 3, 4, 5, 6)]


def test_a_trigger_that_swallows_rows_of_a_merge_is_noticed(make_warehouse):
    warehouse = make_warehouse("postgres")
    keys = [{"name": "id", "primary_key": True}]
    warehouse.load({"id": [1], "v": ["a"]})
    warehouse.run(
        "CREATE UNIQUE INDEX one_of_each ON {t} (id)",
        "CREATE FUNCTION raw.swallow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW; END'",
    )
    counted = warehouse.load({"id": [1, 2, 3], "v": ["b", "x", "c"]}, "merge", columns=keys)
    assert (counted.rows_updated, counted.rows_inserted) == (1, 2)
    warehouse.run("DELETE FROM {t} WHERE id > 1")
    warehouse.run("CREATE TRIGGER swallow BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION raw.swallow()")
    with pytest.raises(MaterializeError, match="do not add up: 1 and 1 rows came of 3"):
        warehouse.load({"id": [1, 2, 3], "v": ["d", "y", "e"]}, "merge", run="again", columns=keys)
    assert warehouse.rows() == [(1, "b")]
