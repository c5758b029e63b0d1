"""DuckDB deletes scattered rows and joins many keys in parts, and the result is what it would be at once."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from recording import statements

from airflow_materialize.destinations.duckdb import bulk, deleting, destination, listing, merging, pairing, parting
from airflow_materialize.destinations.duckdb.destination import DuckDBSession
from airflow_materialize.destinations.spelling import Table
from airflow_materialize.errors import MaterializeError

KEY = [{"name": "id", "primary_key": True}]
VECTOR = deleting.VECTOR


@pytest.fixture
def warehouse(make_warehouse):
    return make_warehouse("duckdb")


def moves(said):
    """Those that insert rows of the table itself again."""
    return [
        sql
        for sql in said
        if sql.startswith('INSERT INTO "shop"."raw"."orders"') and 'FROM "shop"."raw"."orders"' in sql
    ]


def scattered(seed, size):
    """Keys in clusters, whole vectors, and one by one."""
    chance, found = random.Random(seed), set()
    for _ in range(chance.randrange(1, 4)):
        start = chance.randrange(size)
        found.update(range(start, min(size, start + chance.choice([1, 100, VECTOR, 5 * VECTOR + 7, 200_000]))))
    found.update(range(0, size, chance.choice([7, 500, 3000, 100_000])))
    return sorted(found)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("strategy", ["merge", "delete+insert"])
def test_exactly_the_rows_of_the_result_are_replaced_however_they_lie(warehouse, monkeypatch, strategy, seed):
    chance = random.Random(seed)
    monkeypatch.setattr(deleting, "_MARKED", chance.choice([0, 3, 40]))
    monkeypatch.setattr(parting, "_KEYS", chance.choice([20_000, 2_000_000]))
    size, first = 400_000, 0
    # Row groups that begin anywhere.
    while first < size:
        count = min(size - first, chance.choice([1000, 30_000, 122_880, 150_001]))
        ids = [*range(first, first + count)]
        warehouse.load({"id": ids, "v": ids, "t": [f"t{key}" for key in ids]}, "append")
        first += count
    changed = scattered(seed, size)
    new = [*range(size, size + 10)]
    result = {"id": changed + new, "v": [-key for key in changed] + new, "t": [None] * len(changed) + ["new"] * 10}
    options = {"columns": KEY} if strategy == "merge" else {"incremental_key": "id"}
    with statements() as said:
        report = warehouse.load(result, strategy, **options)
    assert (report.rows_updated or report.rows_deleted) == len(changed)
    assert report.rows_total == size + 10
    expected = {key: (key, f"t{key}") for key in range(size)}
    expected |= dict(zip(result["id"], zip(result["v"], result["t"], strict=True), strict=True))
    assert {key: rest for key, *rest in warehouse.rows()} == {key: [*rest] for key, rest in expected.items()}
    assert len(warehouse.rows(columns="id")) == size + 10
    assert moves(said) or not any(len(part) < VECTOR for part in vectors(changed)) or deleting._MARKED


def vectors(keys):
    found = {}
    for key in keys:
        found.setdefault(key // VECTOR, []).append(key)
    return found.values()


def test_rows_that_stay_are_inserted_again_only_where_many_vectors_lose_some(warehouse, monkeypatch):
    size = 60 * VECTOR * 3
    warehouse.run("CREATE SCHEMA raw", f"CREATE TABLE {{t}} AS SELECT i AS id, i AS v FROM range({size}) AS n(i)")
    monkeypatch.setattr(deleting, "_MARKED", 30)
    # Every vector of the first row group, one of the second, the third as a whole.
    changed = [*range(0, 60 * VECTOR, VECTOR), 70 * VECTOR, *range(120 * VECTOR, size)]
    with statements() as said:
        report = warehouse.load({"id": changed, "v": [-1] * len(changed)}, "merge", columns=KEY)
    assert report.rows_updated == len(changed)
    [moved] = moves(said)
    assert "IN (0)" in moved
    assert warehouse.rows(columns="count(*), count(DISTINCT id), count(*) FILTER (v = -1)") == [
        (size, size, len(changed))
    ]


@pytest.mark.parametrize(
    "definition",
    [
        "id BIGINT PRIMARY KEY, v BIGINT",
        "id BIGINT, v BIGINT, twice BIGINT GENERATED ALWAYS AS (2 * v)",
    ],
)
def test_rows_that_cannot_be_inserted_again_are_marked(warehouse, monkeypatch, definition):
    monkeypatch.setattr(deleting, "_MARKED", 0)
    warehouse.run("CREATE SCHEMA raw", f"CREATE TABLE {{t}} ({definition})")
    ids = [*range(50_000)]
    warehouse.run("INSERT INTO raw.orders (id, v) SELECT i, i FROM range(50000) AS n(i)")
    with statements() as said:
        report = warehouse.load({"id": ids[::100], "v": [-1] * 500}, "delete+insert", incremental_key="id")
    assert (report.rows_deleted, report.rows_inserted, moves(said)) == (500, 500, [])
    assert warehouse.rows(columns="count(*), count(DISTINCT id), count(*) FILTER (v = -1)") == [(50_000, 50_000, 500)]


def test_constraints_defaults_and_views_of_a_table_do_not_mind_that_its_rows_are_inserted_again(warehouse, monkeypatch):
    monkeypatch.setattr(deleting, "_MARKED", 0)
    warehouse.run(
        "CREATE SCHEMA raw",
        "CREATE TABLE {t} (id BIGINT NOT NULL, v BIGINT DEFAULT 7 CHECK (v > -5), moment TIMESTAMP DEFAULT now())",
        "CREATE VIEW raw.seen AS SELECT id, v FROM raw.orders",
        "INSERT INTO {t} (id) SELECT i FROM range(50000) AS n(i)",
    )
    moments = warehouse.rows(columns="DISTINCT moment")
    with statements() as said:
        warehouse.load({"id": [*range(0, 50_000, 100)], "v": [1] * 500}, "delete+insert", incremental_key="id")
    assert len(moves(said)) == 1
    assert warehouse.rows("raw.seen", columns="count(*), count(DISTINCT id), sum(v)") == [
        (50_000, 50_000, 346_500 + 500)
    ]
    # Rows that stay keep what they have; only new ones get the default.
    assert moments[0] in warehouse.rows(columns="moment")
    assert warehouse.rows(columns=f"count(*) FILTER (moment = '{moments[0][0]}')") == [(49_500,)]


def test_a_table_with_a_column_called_rowid_loses_the_right_rows(warehouse, monkeypatch):
    monkeypatch.setattr(deleting, "_MARKED", 0)
    ids = [*range(20_000)]
    warehouse.load({"id": ids, "rowid": [0] * 20_000})
    for strategy, options in (("merge", {"columns": KEY}), ("delete+insert", {"incremental_key": "id"})):
        report = warehouse.load({"id": ids[::50], "rowid": [report_no := len(strategy)] * 400}, strategy, **options)
        assert (report.rows_updated or report.rows_deleted) == 400
        assert warehouse.rows(columns=f"count(*), count(DISTINCT id), count(*) FILTER (rowid = {report_no})") == [
            (20_000, 20_000, 400)
        ]


def test_rows_that_a_hook_has_inserted_are_replaced_too(warehouse, monkeypatch):
    monkeypatch.setattr(deleting, "_MARKED", 0)
    warehouse.load({"id": [*range(50_000)], "v": [0] * 50_000})
    hook = "INSERT INTO raw.orders SELECT i, 5 FROM range(50000, 100000) AS n(i)"
    changed = [*range(0, 100_000, 100)]
    report = warehouse.load({"id": changed, "v": [1] * 1000}, "merge", columns=KEY, hooks_pre=(hook,))
    assert report.rows_updated == 1000
    assert warehouse.rows(columns="count(*), count(DISTINCT id), sum(v)") == [(100_000, 100_000, 1000 + 5 * 49_500)]


def test_counts_that_do_not_add_up_take_the_load_back(warehouse, monkeypatch):
    monkeypatch.setattr(deleting, "_MARKED", 0)
    warehouse.load({"id": [*range(20_000)], "v": [0] * 20_000})
    execute = DuckDBSession.execute

    def one_more(self, sql, *more):
        return execute(self, sql, *more) + ("NOT EXISTS" in sql)

    with monkeypatch.context() as patch:
        patch.setattr(DuckDBSession, "execute", one_more)
        with pytest.raises(MaterializeError) as raised:
            warehouse.load({"id": [*range(0, 20_000, 100)], "v": [1] * 200}, "merge", columns=KEY)
    assert raised.value.message == (
        "The row counts of raw.orders do not add up: 19901 rows went, 19702 were inserted again, and 200 were to be"
        " deleted"
    )
    assert warehouse.rows(columns="count(*), sum(v)") == [(20_000, 0)]


KEYS = {
    "numbers": lambda key: {"id": key},
    "texts": lambda key: {"id": f"k{key:09d}"},
    "two columns": lambda key: {"id": key // 10, "day": f"d{key % 10}"},
    "a collation": lambda key: {"id": f"K{key}" if key % 2 else f"k{key}"},
    "floats": lambda key: {"id": key / 4},
}


@pytest.mark.parametrize("shape", KEYS)
@pytest.mark.parametrize("options", [{}, {"on_duplicate_key": "last"}, {"on_null_key": "match"}], ids=str)
def test_keys_in_parts_are_matched_as_at_once(warehouse, monkeypatch, shape, options):
    monkeypatch.setattr(parting, "_KEYS", 300)

    def rows(keys, value):
        return [{**KEYS[shape](key), "v": value} for key in keys]

    def table(listed):
        return pa.Table.from_pylist(listed)

    names = list(KEYS[shape](0))
    columns = [{"name": name, "primary_key": True} for name in names]
    if shape == "a collation":
        columns = [{"name": "id", "primary_key": True, "collation": "NOCASE", "type": "varchar"}]
    warehouse.load(table(rows(range(2000), 0)), "merge", columns=columns)
    result = rows(range(1000, 3000), 1)
    if shape == "a collation":
        result = [{**row, "id": row["id"].swapcase()} for row in result]
    if "on_duplicate_key" in options:
        result = rows(range(2500, 2700), 9) + result + rows(range(2600, 2650), 2)
    if "on_null_key" in options:
        warehouse.load(table([dict.fromkeys(names) | {"v": 5}]), "append", columns=columns)
        result.append(dict.fromkeys(names) | {"v": 6})
    with statements() as said:
        report = warehouse.load(table(result), "merge", columns=columns, **options)
    nulls = int("on_null_key" in options)
    assert (report.rows_updated, report.rows_inserted) == (1000 + nulls, 1000)
    twos = 50 if "on_duplicate_key" in options else 0
    assert warehouse.rows(columns="count(*), sum(v)") == [(3000 + nulls, 2000 + twos + 6 * nulls)]
    assert any("hash(" in sql for sql in said) == (shape != "a collation")


def test_keys_that_compare_without_case_by_a_setting_are_not_taken_apart(make_warehouse, monkeypatch):
    monkeypatch.setattr(parting, "_KEYS", 10)
    warehouse = make_warehouse("duckdb")
    columns = [{"name": "ID", "primary_key": True}]
    begin = DuckDBSession.begin

    def without_case(self):
        self.execute("SET default_collation = 'nocase'")
        begin(self)

    monkeypatch.setattr(DuckDBSession, "begin", without_case)
    warehouse.load({"Id": [f"k{key}" for key in range(100)], "v": [0] * 100}, "merge", columns=columns)
    report = warehouse.load({"iD": [f"K{key}" for key in range(50, 150)], "v": [1] * 100}, "merge", columns=columns)
    assert (report.rows_updated, report.rows_inserted) == (50, 50)


def test_the_name_of_a_key_may_be_spelled_otherwise_than_in_the_table(warehouse, monkeypatch):
    monkeypatch.setattr(parting, "_KEYS", 10)
    warehouse.load({"Id": [*range(100)], "v": [0] * 100})
    report = warehouse.load(
        {"iD": [*range(50, 150)], "v": [1] * 100}, "merge", columns=[{"name": "ID", "primary_key": True}]
    )
    assert (report.rows_updated, report.rows_inserted) == (50, 50)
    report = warehouse.load({"ID": [*range(50, 150)], "v": [2] * 100}, "delete+insert", incremental_key="id")
    assert (report.rows_deleted, report.rows_inserted) == (100, 100)


def test_keys_that_are_doubled_in_several_parts_are_all_counted(warehouse, monkeypatch):
    monkeypatch.setattr(parting, "_KEYS", 100)
    ids = [*range(1000), *range(0, 1000, 10)]
    with pytest.raises(MaterializeError, match="100 primary keys \\(id\\) of the result stand in several rows"):
        warehouse.load({"id": ids, "v": ids}, "merge", columns=KEY)
    warehouse.load({"id": ids, "v": ids}, "append")
    with pytest.raises(MaterializeError, match="several rows for some of the result's primary keys"):
        warehouse.load({"id": [*range(1000)], "v": [5] * 1000}, "merge", columns=KEY)


def test_many_values_of_the_incremental_key_are_replaced_in_parts(warehouse, monkeypatch):
    monkeypatch.setattr(parting, "_KEYS", 300)
    days = [None, *range(1999)] * 3
    warehouse.load({"day": days, "v": [0] * 6000})
    with statements() as said:
        report = warehouse.load(
            {"day": [None, *range(500, 1500)], "v": [1] * 1001}, "delete+insert", incremental_key="day"
        )
    assert (report.rows_deleted, report.rows_inserted) == (3003, 1001)
    assert warehouse.rows(columns="count(*), sum(v), count(*) FILTER (day IS NULL)") == [(6000 - 3003 + 1001, 1001, 1)]
    assert any("hash(" in sql for sql in said)


TABLES = "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY 1"


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_too_much_for_a_temporary_table_is_staged_in_the_file_and_leaves_nothing(
    warehouse, monkeypatch, seed, fails
):
    ids = [*range(50_000)]
    warehouse.load({"id": ids, "v": ids})
    monkeypatch.setattr(destination, "_TEMPORARY_VALUES", 10)
    monkeypatch.setattr(deleting, "_MARKED", 0)
    for module in (deleting, listing):
        monkeypatch.setattr(module, "LISTED", 2000)
    changed = scattered(seed, 50_000)
    values = [key if key % 2 else -1 for key in changed]
    new = [*range(50_000, 50_010)]

    def refuse(session, table):
        raise MaterializeError("no")

    result = {"id": changed + new, "v": values + new}
    with statements() as said:
        if fails:
            with pytest.raises(MaterializeError, match="no"):
                warehouse.load(result, "merge", columns=KEY, before_commit=refuse)
        else:
            report = warehouse.load(result, "merge", columns=KEY)
            # Rows that are the same are not touched.
            assert (report.rows_updated, report.rows_inserted) == (values.count(-1) - changed.count(-1), 10)
    assert any('INTO "shop"."main"."_materialize_staging"' in sql for sql in said)
    with warehouse.destination.session(read_only=True) as session:
        assert session.rows(TABLES) == [("_materialize_loads",), ("orders",)]
    expected = dict(zip(ids, ids, strict=True)) | ({} if fails else dict(zip(*result.values(), strict=True)))
    assert dict(warehouse.rows()) == expected
    assert warehouse.rows(columns="count(*)") == [(len(expected),)]


MARKED = [{"name": "t", "update_on_merge": True}]
PARTIAL = {
    "marked": (MARKED, {}, ""),
    "the newer wins": (MARKED, {"incremental_key": "v"}, ""),
    "an expression that looks at the table": (
        [{"name": "v", "merge_sql": "source.v + (SELECT count(*) FROM raw.orders WHERE t = 'x')"}, *MARKED],
        {},
        "",
    ),
    "a predicate": (MARKED, {"incremental_predicate": "target.id >= (SELECT min(s.id) FROM raw.orders AS s)"}, ""),
    "a null key": (MARKED, {"options": {"on_null_key": "match"}}, ""),
    "the key's index": (MARKED, {}, "CREATE UNIQUE INDEX one_of_each ON {i} (id)"),
    "another index": (MARKED, {}, "CREATE UNIQUE INDEX another ON {i} (other)"),
}


def merged(warehouse, monkeypatch, case, *, together):
    """The rows after a merge of some columns, and the statements of it."""
    columns, options, index = PARTIAL[case]
    monkeypatch.setattr(merging, "_WIDE", 0 if together else 1e9)
    monkeypatch.setattr(merging, "_CHANGED", -1 if together else 1e12)
    monkeypatch.setattr(merging, "_INDEXED", -merging.MARK)
    monkeypatch.setattr(parting, "_KEYS", 3000)
    count = 10_000
    warehouse.run(
        "CREATE SCHEMA IF NOT EXISTS raw",
        "DROP TABLE IF EXISTS {t}",
        'CREATE TABLE {t} (other BIGINT, ID BIGINT, "T" VARCHAR COLLATE NOCASE, v BIGINT, d INTEGER DEFAULT 7)',
        f"INSERT INTO raw.orders SELECT i, i, 'text of more than twelve' || i, i % 3, 1 FROM range({count}) AS n(i)",
        *([index] if index else []),
        *(["INSERT INTO raw.orders VALUES (NULL, NULL, 'none', 0, 1)"] if case == "a null key" else []),
    )
    ids = [*range(4000, count + 5000, 2), *([None] if case == "a null key" else [])]
    texts = [f"Text of more than twelve{key}" if (key or 0) % 4 else "a new text of them" for key in ids]
    result = {"v": [1] * len(ids), "t": texts, "id": pa.array(ids, pa.int64())}
    with statements() as said:
        report = warehouse.load(result, "merge", run=str(together), columns=[*KEY, *columns], **options)
    assert report.rows_inserted == 2500
    return report.rows_updated, sorted(warehouse.rows(), key=str), said


@pytest.mark.parametrize("case", PARTIAL)
def test_a_merge_of_some_columns_is_the_same_by_rows_put_together_as_by_updates(warehouse, monkeypatch, case):
    updated, rows, said = merged(warehouse, monkeypatch, case, together=False)
    assert any(sql.startswith(("MERGE", "UPDATE")) for sql in said)
    again, the_same, said = merged(warehouse, monkeypatch, case, together=True)
    assert not any(sql.startswith(("MERGE", "UPDATE")) for sql in said)
    assert updated > 900
    assert (again, the_same) == (updated, rows)


@pytest.mark.parametrize("other", ["twice BIGINT GENERATED ALWAYS AS (2 * v)", "rowid BIGINT"])
def test_a_merge_of_some_columns_updates_where_no_row_can_be_inserted_whole(warehouse, monkeypatch, other):
    monkeypatch.setattr(merging, "_CHANGED", -1)
    warehouse.run("CREATE SCHEMA raw", f"CREATE TABLE {{t}} (id BIGINT, v BIGINT, {other})")
    warehouse.run("INSERT INTO raw.orders (id, v) SELECT i, i FROM range(100) AS n(i)")
    with statements() as said:
        report = warehouse.load({"id": [*range(50, 150)], "v": [-1] * 100}, "merge", columns=KEY)
    assert (report.rows_updated, report.rows_inserted) == (50, 50)
    assert any(sql.startswith(("MERGE", "UPDATE")) for sql in said)


def test_long_texts_of_a_merge_of_some_columns_take_little_memory(warehouse):
    warehouse.run(
        "CREATE SCHEMA raw",
        "CREATE TABLE {t} AS SELECT i AS id, md5(i::VARCHAR) || md5((-i)::VARCHAR) AS t, i AS other FROM range(1_000_000) AS n(i)",
    )
    limits, few = [], pa.table({"id": [*range(100_000)], "t": ["x" * 50] * 100_000})

    def look(session, _table):
        limits.extend(session.rows("SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()"))

    warehouse.load(few, "merge", columns=KEY, before_commit=look)
    many = pa.table({"id": [*range(0, 1_000_000, 2)], "t": ["y" * 50] * 500_000})
    report = warehouse.load(warehouse.stage(many, batch_rows=65_536), "merge", run="2", columns=KEY, before_commit=look)
    assert report.rows_updated == 500_000
    assert [said for said in warehouse.said if "memory" in said] == []
    # By updates these texts, and those before them, would be more than fifty MB beside what the limit leaves anyway.
    assert max(size for (size,) in limits) < 56 * 1024 * 1024


HISTORY = {
    "by column": ("scd2_by_column", {}),
    "by column, each row with its moment": ("scd2_by_column", {"incremental_key": "at"}),
    "by time": ("scd2_by_time", {"incremental_key": "at"}),
    "by column, a null key": ("scd2_by_column", {"options": {"on_null_key": "match"}}),
    "by column, keys alone": ("scd2_by_column", {}),
}


def snapshots(case, seed):
    """Results that follow each other: rows come, change, stay and go."""
    chance = random.Random(f"{case} {seed}")
    for turn in range(4):
        ids = sorted(chance.sample(range(6000), 3000))
        chance.shuffle(ids)
        ids += [None] * (case == "by column, a null key" and chance.random() < 0.7)
        result = {"id": pa.array(ids, pa.int64())}
        if case != "by column, keys alone":
            result |= {"v": [chance.randrange(3) for _ in ids], "t": [chance.choice("ab") or None for _ in ids]}
        if "incremental_key" in HISTORY[case][1]:
            # Some are older than the version that they come behind.
            moments = [datetime(2026, 1, 5 * turn + chance.randrange(1, 8), tzinfo=UTC) for _ in ids]
            result["at"] = pa.array(moments, pa.timestamp("us", "UTC"))
        yield result


def history(warehouse, case, seed):
    """What each load counted, and the rows with each moment as its place among all."""
    strategy, options = HISTORY[case]
    counts = []
    warehouse.run("CREATE SCHEMA IF NOT EXISTS raw", "DROP TABLE IF EXISTS {t}")
    for turn, result in enumerate(snapshots(case, seed)):
        report = warehouse.load(result, strategy, run=f"{seed} {turn} {len(warehouse.said)}", columns=KEY, **options)
        counts.append((report.rows_updated, report.rows_inserted))
    moments = "array(SELECT DISTINCT m FROM (SELECT _valid_from AS m FROM {t} UNION ALL SELECT _valid_until FROM {t}) ORDER BY m)"
    rows = warehouse.rows(
        columns="* EXCLUDE (_valid_from, _valid_until),"
        f" list_position({moments}, _valid_from), list_position({moments}, _valid_until)".replace("{t}", "raw.orders")
    )
    return counts, sorted(rows, key=str)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("case", HISTORY)
def test_versions_that_are_kept_in_parts_are_those_that_are_kept_at_once(warehouse, monkeypatch, case, seed):
    with pytest.MonkeyPatch.context() as patch, statements() as said:
        for name in ("scd2_by_column", "scd2_by_time"):
            patch.setattr(DuckDBSession, name, lambda self, publication: None)
        at_once = history(warehouse, case, seed)
    assert not any("_materialize_pairs" in sql for sql in said)
    monkeypatch.setattr(parting, "_KEYS", 500)
    for module in (deleting, listing):
        monkeypatch.setattr(module, "LISTED", 100)
        monkeypatch.setattr(module, "GROUP", 1)
    monkeypatch.setattr(pairing, "_SORTED", 900)
    monkeypatch.setattr(bulk, "part_rows", lambda batch: 700)
    with statements() as said:
        in_parts = history(warehouse, case, seed)
    assert in_parts == at_once
    assert sum(counted for count in at_once[0] for counted in count) > 6000
    assert len([sql for sql in said if sql.startswith("UPDATE") and "_materialize_pairs" in sql]) > 3


def test_history_of_a_table_with_a_column_called_rowid_ends_the_right_versions(warehouse):
    for turn, (ids, values) in enumerate([([0, 1, 2, 3], [7, 7, 7, 7]), ([1, 2, 4], [7, 8, 7])]):
        result = {"id": ids, "rowid": values}
        report = warehouse.load(result, "scd2_by_column", run=str(turn), columns=KEY)
    assert (report.rows_updated, report.rows_inserted) == (3, 2)
    rows = warehouse.rows(columns='id, "rowid", _is_current')
    assert sorted(row[:2] for row in rows if row[2]) == [(1, 7), (2, 8), (4, 7)]
    assert sorted(row[:2] for row in rows if not row[2]) == [(0, 7), (2, 7), (3, 7)]


def threads(session):
    [(count,)] = session._connection.cursor().execute("SELECT current_setting('threads')").fetchall()
    return count


@pytest.mark.parametrize(("columns", "most"), [(1, 4), (24, 3), (40, 2), (60, 1)])
def test_a_load_has_few_threads_as_each_has_rows_in_memory(warehouse, columns, most):
    names = [f"c{number}" for number in range(columns)]
    schema, meanwhile = pa.schema([(name, pa.int64()) for name in names]), []
    with warehouse.destination.session() as session:
        session.execute("SET threads = 64")
        session.create_table(Table("t"), dict.fromkeys(names, "BIGINT"))

        def batches():
            yield pa.record_batch([[1]] * columns, schema=schema)
            meanwhile.append(threads(session))

        session.bulk(Table("t"), schema, batches())
        assert (meanwhile, threads(session)) == ([most], min(most, 2))
        session.published()
        assert threads(session) == 64


def test_threads_that_the_connection_sets_are_kept(make_warehouse, monkeypatch):
    import json

    from airflow_materialize.connections import resolve
    from airflow_materialize.destinations.base import for_connection

    path = make_warehouse("duckdb").path
    connection = {"conn_type": "duckdb", "host": str(path), "extra": {"settings": {"threads": 9}}}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
    with for_connection(resolve("warehouse")).session() as session:
        session.execute("SET threads = 9")
        session.create_table(Table("t"), {"c": "BIGINT"})
        session.bulk(Table("t"), pa.schema([("c", pa.int64())]), [pa.record_batch({"c": [1]})])
        assert (session._sparing.active, threads(session)) == (True, 9)
