from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError

UTC = dt.UTC
D = Decimal
MOMENT = dt.datetime(2026, 4, 1, 12, 30, 0, 123456)
UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")
DICTIONARY = pa.dictionary(pa.int8(), pa.string())


def exact(values, kind):
    return pa.array(values, kind)


# Each row: the column, its type in DuckDB and in SQLite, what SQLite gives back.
ROWS = {
    "bool": (exact([True, False, None], pa.bool_()), "BOOLEAN", "INTEGER", [1, 0, None]),
    "int8": (exact([-128, 127], pa.int8()), "TINYINT", "INTEGER", None),
    "int16": (exact([-(2**15), 2**15 - 1], pa.int16()), "SMALLINT", "INTEGER", None),
    "int32": (exact([-(2**31), 2**31 - 1], pa.int32()), "INTEGER", "INTEGER", None),
    "int64": (exact([-(2**63), 2**63 - 1, None], pa.int64()), "BIGINT", "INTEGER", None),
    "uint8": (exact([255], pa.uint8()), "UTINYINT", "INTEGER", None),
    "uint16": (exact([65535], pa.uint16()), "USMALLINT", "INTEGER", None),
    "uint32": (exact([2**32 - 1], pa.uint32()), "UINTEGER", "INTEGER", None),
    "uint64": (exact([2**63 - 1], pa.uint64()), "UBIGINT", "INTEGER", None),
    "float16": (pa.array([1.5, -0.25], pa.float64()).cast(pa.float16()), "FLOAT", "REAL", [1.5, -0.25]),
    "float32": (exact([1.5, float("inf")], pa.float32()), "FLOAT", "REAL", None),
    "float64": (exact([0.1, 1e300, float("-inf"), None], pa.float64()), "DOUBLE", "REAL", None),
    "decimal32": (exact([D("1.50")], pa.decimal32(5, 2)), "DECIMAL(5,2)", "TEXT", ["1.50"]),
    "decimal128": (exact([D("12345678901234567890123456789012345.678")], pa.decimal128(38, 3)), "DECIMAL(38,3)", "TEXT",
                   ["12345678901234567890123456789012345.678"]),
    "decimal256": (exact([D("-1.50"), None], pa.decimal256(20, 2)), "DECIMAL(20,2)", "TEXT", ["-1.50", None]),
    "wide decimal": (exact([D("1.5")], pa.decimal256(60, 1)), "DECIMAL(38,1)", "TEXT", ["1.5"]),
    "negative scale": (exact([D("12000")], pa.decimal128(2, -3)), "DECIMAL(5,0)", "TEXT", ["12000"]),
    "string": (exact(["", "ä日😀", "a\0b", "NULL", "\\N", "007", None], pa.string()), "VARCHAR", "TEXT", None),
    "large string": (exact(["x"], pa.large_string()), "VARCHAR", "TEXT", None),
    "string view": (exact(["x", "longer than twelve bytes"], pa.string_view()), "VARCHAR", "TEXT", None),
    "dictionary": (exact(["a", "b", "a", None], pa.string()).dictionary_encode(), "VARCHAR", "TEXT", ["a", "b", "a", None]),
    "null": (pa.nulls(2), "VARCHAR", "TEXT", None),
    "runs": (pa.RunEndEncodedArray.from_arrays([2, 3], [7, 8]), "BIGINT", "INTEGER", [7, 7, 8]),
    "binary": (exact([b"", b"\x00\xff", None], pa.binary()), "BLOB", "BLOB", None),
    "large binary": (exact([b"x"], pa.large_binary()), "BLOB", "BLOB", None),
    "binary view": (exact([b"x"], pa.binary_view()), "BLOB", "BLOB", None),
    "fixed binary": (exact([b"ab"], pa.binary(2)), "BLOB", "BLOB", None),
    "date32": (exact([dt.date(1, 1, 1), dt.date(9999, 12, 31)], pa.date32()), "DATE", "TEXT", ["0001-01-01", "9999-12-31"]),
    "date64": (exact([dt.date(2026, 4, 1)], pa.date64()), "DATE", "TEXT", ["2026-04-01"]),
    "time32": (exact([dt.time(12, 30)], pa.time32("s")), "TIME", "TEXT", ["12:30:00.000000"]),
    "time64": (exact([dt.time(12, 30, 0, 1)], pa.time64("us")), "TIME", "TEXT", ["12:30:00.000001"]),
    "timestamp s": (exact([dt.datetime(2026, 4, 1)], pa.timestamp("s")), "TIMESTAMP", "TEXT", ["2026-04-01 00:00:00.000000"]),
    "timestamp us": (exact([MOMENT, None], pa.timestamp("us")), "TIMESTAMP", "TEXT", ["2026-04-01 12:30:00.123456", None]),
    "timestamp ns": (exact([1, 1000], pa.timestamp("ns")), "TIMESTAMP_NS", "TEXT",
                     ["1970-01-01 00:00:00.000000001", "1970-01-01 00:00:00.000001"]),
    "timestamp tz": (exact([MOMENT.replace(tzinfo=UTC)], pa.timestamp("us", "Europe/Berlin")), "TIMESTAMP WITH TIME ZONE",
                     "TEXT", ["2026-04-01 12:30:00.123456Z"]),
    "timestamp ns tz": (exact([1000], pa.timestamp("ns", "UTC")), "TIMESTAMP WITH TIME ZONE", "TEXT",
                        ["1970-01-01 00:00:00.000001Z"]),
    "duration": (exact([1_500_000, None], pa.duration("us")), "INTERVAL", "INTEGER", [1_500_000, None]),
    "list": (exact([[1, None], [], None], pa.list_(pa.int64())), "BIGINT[]", "TEXT", ["[1, null]", "[]", None]),
    "list of nothing": (exact([[None], []], pa.list_(pa.null())), "VARCHAR[]", "TEXT", ["[null]", "[]"]),
    "fixed list": (exact([[1, 2]], pa.list_(pa.int64(), 2)), "BIGINT[2]", "TEXT", ["[1, 2]"]),
    "struct": (exact([{"a": 1, "select": D("1.5")}], pa.struct([("a", pa.int8()), ("select", pa.decimal128(3, 1))])),
               'STRUCT(a TINYINT, "select" DECIMAL(3,1))', "TEXT", ['{"a": 1, "select": "1.5"}']),
    "map": (exact([[("k", 1)]], pa.map_(pa.string(), pa.int64())), "MAP(VARCHAR, BIGINT)", "TEXT", ['{"k": 1}']),
    "uuid": (exact([UUID.bytes, None], pa.uuid()), "UUID", "TEXT", [str(UUID), None]),
    "json": (exact(['{"a": 1}'], pa.json_()), "JSON", "TEXT", ['{"a": 1}']),
    "bool8": (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0], pa.int8())), "BOOLEAN", "INTEGER", [1, 0]),
}  # fmt: skip


def stored(warehouse, column="v"):
    with warehouse.destination.session(read_only=True) as session:
        return [
            value
            for (value,) in session.rows(f"SELECT {column} FROM {session.name_of(warehouse.table())} ORDER BY rank")
        ]


# What PostgreSQL calls them, and what it gives back where that is something else.
POSTGRES = {
    "bool": "boolean", "int8": "smallint", "int16": "smallint", "int32": "integer", "int64": "bigint",
    "uint8": "smallint", "uint16": "integer", "uint32": "bigint", "uint64": "numeric(20,0)", "float16": "real",
    "float32": "real", "float64": "double precision", "decimal32": "numeric(5,2)", "decimal128": "numeric(38,3)",
    "decimal256": "numeric(20,2)", "wide decimal": "numeric(38,1)", "negative scale": "numeric(5,0)",
    "string": ("text", ["", "ä日😀", "NULL", "\\N", "007", None]), "large string": "text", "string view": "text",
    "dictionary": "text", "null": "text", "runs": "bigint", "binary": "bytea", "large binary": "bytea",
    "binary view": "bytea", "fixed binary": "bytea", "date32": "date", "date64": "date",
    "time32": "time without time zone", "time64": "time without time zone",
    "timestamp s": "timestamp without time zone", "timestamp us": "timestamp without time zone",
    "timestamp ns": ("timestamp without time zone", [dt.datetime(1970, 1, 1, 0, 0, 0, 1)]),
    "timestamp tz": "timestamp with time zone",
    "timestamp ns tz": ("timestamp with time zone", [dt.datetime(1970, 1, 1, 0, 0, 0, 1, UTC)]),
    "duration": "interval", "list": "bigint[]", "list of nothing": "text[]", "fixed list": "bigint[]",
    "struct": ("jsonb", [{"a": 1, "select": "1.5"}]), "map": ("jsonb", [{"k": 1}]), "uuid": "uuid",
    "json": ("jsonb", [{"a": 1}]), "bool8": "boolean",
}  # fmt: skip
FITTING = {
    "string": exact(["", "ä日😀", "NULL", "\\N", "007", None], pa.string()),
    "timestamp ns": exact([1000], pa.timestamp("ns")),
}
"""For databases without NUL characters and nanoseconds."""
MYSQL = {
    "bool": "TINYINT(1)", "int8": "TINYINT", "int16": "SMALLINT", "int32": "INT", "int64": "BIGINT",
    "uint8": "TINYINT UNSIGNED", "uint16": "SMALLINT UNSIGNED", "uint32": "INT UNSIGNED", "uint64": "BIGINT UNSIGNED",
    "float16": "DOUBLE", "float32": "DOUBLE", "float64": "DOUBLE", "decimal32": "DECIMAL(5,2)",
    "decimal128": "DECIMAL(38,3)", "decimal256": "DECIMAL(20,2)", "wide decimal": "DECIMAL(60,1)",
    "negative scale": "DECIMAL(5,0)", "string": "LONGTEXT", "large string": "LONGTEXT", "string view": "LONGTEXT",
    "dictionary": "LONGTEXT", "null": "LONGTEXT", "runs": "BIGINT", "binary": "LONGBLOB", "large binary": "LONGBLOB",
    "binary view": "LONGBLOB", "fixed binary": "LONGBLOB", "date32": "DATE", "date64": "DATE", "time32": "TIME(6)",
    "time64": "TIME(6)", "timestamp s": "DATETIME(6)", "timestamp us": "DATETIME(6)", "timestamp ns": "DATETIME(6)",
    "timestamp tz": "DATETIME(6)", "timestamp ns tz": "DATETIME(6)", "duration": "BIGINT", "list": "JSON",
    "list of nothing": "JSON", "fixed list": "JSON", "struct": "JSON", "map": "JSON", "uuid": "CHAR(36)",
    "json": "JSON", "bool8": "TINYINT(1)",
}  # fmt: skip
FOR_MYSQL = {
    "timestamp ns": exact([1000], pa.timestamp("ns")), "float32": exact([1.5], pa.float32()),
    "float64": exact([0.1, 1e300, -0.0, None], pa.float64()),
}  # fmt: skip
"""Where it has no such value as the others."""
IN_MYSQL = {
    "timestamp ns": [dt.datetime(1970, 1, 1, 0, 0, 0, 1)], "timestamp ns tz": [dt.datetime(1970, 1, 1, 0, 0, 0, 1)],
    "timestamp tz": [MOMENT], "duration": [1_500_000, None], "date64": [dt.date(2026, 4, 1)],
    **{name: row[3] for name, row in ROWS.items() if row[1].startswith(("STRUCT", "MAP", "BIGINT[", "VARCHAR[", "UUID"))},
}  # fmt: skip
"""What it gives back where that is not the value of Python's."""


ON_SERVERS = {
    "postgres": (POSTGRES, FITTING),
    "mysql": ({name: (kind, IN_MYSQL[name]) if name in IN_MYSQL else kind for name, kind in MYSQL.items()}, FOR_MYSQL),
}


@pytest.mark.parametrize("name", ROWS)
def test_every_type_arrives_exactly(warehouse, name):
    array, duckdb_type, sqlite_type, sqlite_values = ROWS[name]
    kinds, fitting = ON_SERVERS.get(warehouse.kind, ({}, {}))
    array = fitting.get(name, array)
    data = pa.table({"rank": range(len(array)), "v": array})
    warehouse.load(data)
    warehouse.load(data, "delete+insert", incremental_key="rank")
    types = warehouse.types()
    if kinds:
        kind, values = kinds[name] if isinstance(kinds[name], tuple) else (kinds[name], array.to_pylist())
        assert types["v"] == kind
        assert stored(warehouse) == [
            value.date() if name == "date64" and value.__class__ is dt.datetime else value for value in values
        ]
        return
    if warehouse.kind == "sqlite":
        assert types["v"] == sqlite_type
        assert stored(warehouse) == (array.to_pylist() if sqlite_values is None else sqlite_values)
        return
    assert types["v"] == duckdb_type
    if name == "timestamp ns":
        assert stored(warehouse, "CAST(v AS VARCHAR)") == [
            "1970-01-01 00:00:00.000000001",
            "1970-01-01 00:00:00.000001",
        ]
    elif name == "map":
        assert stored(warehouse) == [{"k": 1}]
    elif name == "fixed list":
        assert stored(warehouse) == [(1, 2)]
    elif name == "timestamp ns tz":
        assert [value.timestamp() for value in stored(warehouse)] == [1e-6]
    elif name == "date64":
        assert stored(warehouse) == [dt.date(2026, 4, 1)]
    else:
        assert stored(warehouse) == array.to_pylist()


@pytest.mark.parametrize(("array", "found"), [
    (exact([D("1e70")], pa.decimal256(75, 0)), "(decimal256(75, 0)) is not exactly decimal"),
    (exact([0, 1], pa.timestamp("ns", "UTC")), "row 2: 1970-01-01 00:00:00.000000001Z (timestamp[ns, tz=UTC])"),
    (exact([1], pa.duration("ns")), "row 1: "),
    (exact([1], pa.time64("ns")), "row 1: 00:00:00.000000001 (time64[ns])"),
    (exact([2**62], pa.timestamp("s")), "row 1: "),
    (exact([{}], pa.struct([])), "a struct without fields has no type"),
])  # fmt: skip
def test_what_does_not_fit_is_an_error_naming_the_column(warehouse, array, found):
    with pytest.raises(MaterializeError) as caught:
        warehouse.load({"v": array})
    assert str(caught.value).startswith("Column 'v'")
    assert found in str(caught.value)
    assert caught.value.unchanged == "raw.orders"
    assert warehouse.types() is None


@pytest.mark.parametrize(("array", "found"), [
    (exact([1, 2**63], pa.uint64()), "row 2: 9223372036854775808 (uint64) is not exactly int64"),
    (exact([1.0, float("nan")], pa.float64()), "row 2: SQLite has no NaN and would store NULL"),
    (exact([(1, 2, 3)], pa.month_day_nano_interval()), "month_day_nano_interval has no exact type in SQLite"),
    (exact([[b"x"]], pa.list_(pa.binary())), "bytes has no JSON"),
])  # fmt: skip
def test_what_sqlite_cannot_hold_is_an_error(make_warehouse, array, found):
    warehouse = make_warehouse("sqlite")
    with pytest.raises(MaterializeError) as caught:
        warehouse.load({"v": array})
    assert str(caught.value).startswith("Column 'v'")
    assert found in str(caught.value)


def test_duckdb_holds_what_sqlite_does_not(make_warehouse):
    warehouse = make_warehouse("duckdb")
    warehouse.load({"rank": [0, 1], "v": exact([0, 2**64 - 1], pa.uint64()), "w": [1.0, float("nan")]})
    assert stored(warehouse) == [0, 2**64 - 1]
    assert str(stored(warehouse, "w")[1]) == "nan"


def test_one_moment_has_one_text_in_sqlite_whatever_its_unit(make_warehouse):
    warehouse = make_warehouse("sqlite")
    keys = [{"name": "at", "primary_key": True}]
    for unit in ("s", "ms", "us", "ns"):
        moment = exact([1], pa.timestamp("s")).cast(pa.timestamp(unit))
        warehouse.load({"at": moment, "v": [unit]}, "merge", columns=keys)
    assert warehouse.rows() == [("1970-01-01 00:00:01.000000", "ns")]


def test_nested_values_are_json_in_sqlite(make_warehouse):
    warehouse = make_warehouse("sqlite")
    value = {"at": MOMENT, "tags": [{"k": "ä"}], "day": dt.date(2026, 4, 1), "span": dt.timedelta(seconds=1)}
    warehouse.load(pa.Table.from_pylist([{"v": value}]))
    [(text,)] = warehouse.rows()
    assert json.loads(text) == {
        "at": "2026-04-01T12:30:00.123456", "tags": [{"k": "ä"}], "day": "2026-04-01", "span": 1_000_000,
    }  # fmt: skip


def test_seventy_thousand_rows_in_many_batches_arrive(warehouse):
    count = 70_001
    table = pa.table(
        {
            "id": range(count),
            "v": [str(number) for number in range(count)],
            "w": [number / 3 for number in range(count)],
        }
    )
    report = warehouse.load(warehouse.stage(table, batch_rows=25_000))
    assert report.rows_total == count
    [(total, last)] = warehouse.rows(columns="sum(id), max(w)")
    assert (total, last) == (count * (count - 1) // 2, (count - 1) / 3)


def test_a_table_of_three_hundred_columns(warehouse):
    warehouse.load({f"c{index}": [index, None] for index in range(300)})
    assert warehouse.rows()[0] == tuple(range(300))
