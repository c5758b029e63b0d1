"""Every Arrow type into every destination and back: exact, or an error; and the page that says so.

`WRITE_TYPES=1` in the environment writes the column of each destination that the tests run on into the page anew.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import uuid
from collections.abc import Callable
from decimal import Context, Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_materialize.errors import MaterializeError

PAGE = Path(__file__).parents[2] / "docs" / "destinations" / "types.md"
UTC = dt.UTC
YEAR_1, YEAR_9999 = dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
EPOCH = dt.datetime(1970, 1, 1)
WIDE = Context(prec=80)
NANOS = st.integers(-(10**18) * 9, 9 * 10**18)


def ints(bits, *, signed=True):
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


def decimals(precision, scale):
    largest = 10**precision - 1
    return st.integers(-largest, largest).map(lambda number: Decimal(number).scaleb(-scale, WIDE))


def moments(step=1):
    """Naive points in time in whole steps of microseconds."""
    low, high = ((moment - EPOCH) // dt.timedelta(microseconds=step) for moment in (YEAR_1, YEAR_9999))
    return st.integers(low + 1, high).map(lambda count: EPOCH + dt.timedelta(microseconds=count * step))


def aware(values):
    return values.map(lambda moment: moment.replace(tzinfo=UTC))


def times(step=1):
    day = 86_400_000_000 // step
    return st.integers(0, day - 1).map(lambda count: (EPOCH + dt.timedelta(microseconds=count * step)).time())


def spans(step=1):
    return st.integers(-(2**53) // step, 2**53 // step).map(lambda count: dt.timedelta(microseconds=count * step))


TEXT = st.text(max_size=20) | st.sampled_from(
    ["", "a\0b", "😀é日本", "\\N", "NULL", "007", "'\";--", "\r\n\t", "\u202e"]
)
FLOATS = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text('aé\\"😀 ', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=5,
)
STRUCT = pa.struct([("a", pa.int8()), ("order", pa.decimal128(5, 2)), ("t", pa.timestamp("us"))])
STRUCTS = st.fixed_dictionaries(
    {"a": st.none() | ints(8), "order": st.none() | decimals(5, 2), "t": st.none() | moments()}
)
LIST_OF = st.lists(st.none() | ints(64), max_size=4)


class Kind(NamedTuple):
    """One row of the matrix: an Arrow type as the page calls it, values of it, and the type as Arrow has it."""

    arrow: pa.DataType
    values: st.SearchStrategy[Any]
    make: Callable[[list[Any], pa.DataType], pa.Array] = pa.array


def encoded(values, kind):
    return pa.array(values, kind.value_type).dictionary_encode().cast(kind)


def in_runs(values, kind):
    return pa.compute.run_end_encode(pa.array(values, kind.value_type))


def in_storage(values, kind):
    return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))


KINDS = {
    "bool": Kind(pa.bool_(), st.booleans()),
    **{f"int{bits}": Kind(getattr(pa, f"int{bits}")(), ints(bits)) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": Kind(getattr(pa, f"uint{bits}")(), ints(bits, signed=False)) for bits in (8, 16, 32, 64)},
    "float16": Kind(pa.float16(), st.floats(width=16)),
    "float32": Kind(pa.float32(), st.floats(width=32)),
    "float64": Kind(pa.float64(), FLOATS),
    "decimal32(9, 2)": Kind(pa.decimal32(9, 2), decimals(9, 2)),
    "decimal64(18, 4)": Kind(pa.decimal64(18, 4), decimals(18, 4)),
    "decimal128(38, 10)": Kind(pa.decimal128(38, 10), decimals(38, 10)),
    "decimal128(4, -2)": Kind(pa.decimal128(4, -2), decimals(4, -2)),
    "decimal256(38, 38)": Kind(pa.decimal256(38, 38), decimals(38, 38)),
    "decimal256(76, 10)": Kind(pa.decimal256(76, 10), decimals(38, 10) | decimals(76, 10)),
    "string": Kind(pa.string(), TEXT),
    "large_string": Kind(pa.large_string(), TEXT),
    "string_view": Kind(pa.string_view(), TEXT),
    "dictionary of string": Kind(pa.dictionary(pa.int32(), pa.string()), TEXT, encoded),
    "run-end encoded int64": Kind(pa.run_end_encoded(pa.int32(), pa.int64()), ints(64), in_runs),
    "null": Kind(pa.null(), st.none()),
    "binary": Kind(pa.binary(), st.binary(max_size=20)),
    "large_binary": Kind(pa.large_binary(), st.binary(max_size=20)),
    "binary_view": Kind(pa.binary_view(), st.binary(max_size=20)),
    "fixed_size_binary(4)": Kind(pa.binary(4), st.binary(min_size=4, max_size=4)),
    "date32": Kind(pa.date32(), st.dates()),
    "date64": Kind(pa.date64(), st.dates()),
    "time32(s)": Kind(pa.time32("s"), times(1_000_000)),
    "time32(ms)": Kind(pa.time32("ms"), times(1000)),
    "time64(us)": Kind(pa.time64("us"), times()),
    "time64(ns)": Kind(pa.time64("ns"), st.integers(0, 86_400 * 10**9 - 1)),
    "timestamp(s)": Kind(pa.timestamp("s"), moments(1_000_000)),
    "timestamp(ms)": Kind(pa.timestamp("ms"), moments(1000)),
    "timestamp(us)": Kind(pa.timestamp("us"), moments()),
    "timestamp(ns)": Kind(pa.timestamp("ns"), NANOS),
    "timestamp(us, UTC)": Kind(pa.timestamp("us", "UTC"), aware(moments())),
    "timestamp(ms, Europe/Berlin)": Kind(pa.timestamp("ms", "Europe/Berlin"), aware(moments(1000))),
    "timestamp(ns, UTC)": Kind(pa.timestamp("ns", "UTC"), NANOS | NANOS.map(lambda count: count // 1000 * 1000)),
    "duration(s)": Kind(pa.duration("s"), spans(1_000_000)),
    "duration(us)": Kind(pa.duration("us"), spans()),
    "duration(ns)": Kind(pa.duration("ns"), NANOS | NANOS.map(lambda count: count // 1000 * 1000)),
    "month_day_nano_interval": Kind(
        pa.month_day_nano_interval(),
        st.tuples(ints(16), ints(16), st.integers(-(10**15), 10**15).map(lambda count: count * 1000) | ints(48)),
    ),
    "list": Kind(pa.list_(pa.int64()), LIST_OF),
    "large_list": Kind(pa.large_list(pa.int64()), LIST_OF),
    "fixed_size_list(2)": Kind(pa.list_(pa.int64(), 2), st.lists(ints(64), min_size=2, max_size=2)),
    "list of string": Kind(pa.list_(pa.string()), st.lists(st.none() | TEXT, max_size=3)),
    "list of float64": Kind(pa.list_(pa.float64()), st.lists(FLOATS, max_size=3)),
    "list of binary": Kind(pa.list_(pa.binary()), st.lists(st.binary(max_size=3), max_size=3)),
    "list of list": Kind(pa.list_(pa.list_(pa.int64())), st.lists(LIST_OF, max_size=2)),
    "struct": Kind(STRUCT, STRUCTS),
    "list of struct": Kind(pa.list_(STRUCT), st.lists(STRUCTS, max_size=2)),
    "map": Kind(
        pa.map_(pa.string(), pa.int64()),
        st.dictionaries(st.text("ab😀", max_size=3), ints(64), max_size=3).map(lambda pairs: [*pairs.items()]),
    ),
    "arrow.uuid": Kind(pa.uuid(), st.uuids().map(lambda value: value.bytes), in_storage),
    "arrow.json": Kind(pa.json_(), JSON.map(json.dumps), in_storage),
    "arrow.bool8": Kind(pa.bool8(), st.booleans().map(int), in_storage),
}  # fmt: skip


TITLES = {"duckdb": "DuckDB", "mysql": "MySQL, MariaDB", "postgres": "PostgreSQL", "sqlite": "SQLite"}
"""The destinations as the page calls them."""


class Limit(NamedTuple):
    """Values that a destination refuses, in words, and how to tell one."""

    words: str
    refuses: Callable[[Any], bool]


def _deep(refuses):
    """Whether any part of a nested value is refused."""

    def found(value):
        if isinstance(value, dict):
            return any(map(found, value.values()))
        return any(map(found, value)) if isinstance(value, list | tuple) else refuses(value)

    return found


ALL = Limit("refused", lambda _: True)
NO_NANOS = Limit("refused unless in whole microseconds", lambda count: count % 1000 != 0)
NO_WIDE = Limit("refused where a value has more than 38 digits", lambda value: value.copy_abs() >= Decimal(10) ** 28)
NO_NUL = Limit("refused with a NUL character", _deep(lambda value: isinstance(value, str) and "\0" in value))
NO_NAN = Limit("NaN is refused", lambda value: isinstance(value, float) and math.isnan(value))
IN_NANOS = {
    "time64(ns)": NO_NANOS, "timestamp(ns, UTC)": NO_NANOS, "duration(ns)": NO_NANOS, "decimal256(76, 10)": NO_WIDE,
}  # fmt: skip

NOT_FINITE = Limit(
    "NaN and infinity are refused", _deep(lambda value: isinstance(value, float) and not math.isfinite(value))
)
NO_BYTES = Limit("refused where there are bytes", _deep(lambda value: isinstance(value, bytes)))


def _decimals(value: Decimal) -> int:
    """Return how many digits behind the point a value needs."""
    _, digits, exponent = value.as_tuple()
    needed = "".join(map(str, digits)).rstrip("0")
    return -exponent - (len(digits) - len(needed)) if needed else 0


LIMITS: dict[str, dict[str, Limit]] = {
    "mysql": {
        **IN_NANOS,
        "timestamp(ns)": NO_NANOS,
        **dict.fromkeys(("float16", "float32", "float64", "list of float64"), NOT_FINITE),
        "decimal256(38, 38)": Limit(
            "refused where a value has more than 30 decimals", lambda value: _decimals(value) > 30
        ),
        "decimal256(76, 10)": Limit(
            "refused where a value has more than 65 digits", lambda value: value.copy_abs() >= Decimal(10) ** 55
        ),
        "list of binary": NO_BYTES,
        "month_day_nano_interval": ALL,
    },
    "duckdb": {
        **IN_NANOS,
        "month_day_nano_interval": Limit(NO_NANOS.words, lambda interval: interval[2] % 1000 != 0),
    },
    "postgres": {
        **IN_NANOS,
        "timestamp(ns)": NO_NANOS,
        **dict.fromkeys(("string", "large_string", "string_view", "dictionary of string", "list of string"), NO_NUL),
        "month_day_nano_interval": ALL,
    },
    "sqlite": {
        **IN_NANOS,
        "uint64": Limit("refused above 2^63 - 1", lambda value: value >= 2**63),
        **dict.fromkeys(("float16", "float32", "float64"), NO_NAN),
        "list of float64": NOT_FINITE,
        "list of binary": NO_BYTES,
        "month_day_nano_interval": ALL,
    },
}
"""By destination and kind: what is refused. Everything else arrives exactly."""


# What came back, as Python says it of the original type.


def moment_of(text):
    """Return the nanoseconds since 1970 that a text of a point in time, or of a time of day, means."""
    text = text.removesuffix("Z").replace("T", " ")
    whole, _, part = text.partition(".")
    moment = dt.datetime.fromisoformat(whole if "-" in whole else f"1970-01-01 {whole}")
    return (moment - EPOCH) // dt.timedelta(seconds=1) * 10**9 + int(part.ljust(9, "0") or 0)


def in_nanos(array):
    units = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}
    wide = pa.int32() if pa.types.is_time32(array.type) else pa.int64()
    return [None if count is None else count * units[array.type.unit] for count in array.cast(wide).to_pylist()]


def plain(array):
    """The values of an array in a form in which those of the original and those that came back are equal."""
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind):
        return in_nanos(array)
    if pa.types.is_run_end_encoded(kind):
        return plain(pa.compute.run_end_decode(array))
    if getattr(kind, "extension_name", "") in {"arrow.json", "arrow.bool8"}:
        array = array.storage
    return array.to_pylist(maps_as_pydicts="strict")


def as_json(value, kind):
    """A nested value as the documented JSON has it."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {name: as_json(part, kind.field(name).type) for name, part in value.items() if part is not None}
    if pa.types.is_map(kind):
        return {name: as_json(part, kind.item_type) for name, part in value.items()}
    if pa.types.is_nested(kind):
        return [as_json(part, kind.value_type) for part in value]
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, dt.datetime) else value


def meaning(kind, original, value):  # noqa: PLR0911  # one line for each form
    """Return what came back as the original type says it."""
    if value is None:
        return None
    if pa.types.is_boolean(kind) or getattr(kind, "extension_name", "") == "arrow.bool8":
        return bool(value)
    if pa.types.is_decimal(kind):
        return Decimal(value)
    if getattr(kind, "extension_name", "") == "arrow.uuid":
        return value if isinstance(value, uuid.UUID) else uuid.UUID(value)
    if getattr(kind, "extension_name", "") == "arrow.json":
        return json.loads(value) if isinstance(value, str) else value
    if pa.types.is_date(kind) and isinstance(value, str):
        return dt.date.fromisoformat(value)
    if (pa.types.is_timestamp(kind) or pa.types.is_time(kind)) and isinstance(value, str):
        return moment_of(value)
    if pa.types.is_duration(kind):
        # Either the database's own interval, or microseconds.
        return (
            value.months * 30 + value.days * 86_400 * 10**9 + value.nanoseconds
            if isinstance(value, tuple)
            else value * 1000
        )
    if pa.types.is_nested(kind) and isinstance(value, str):
        return json.loads(value)
    return value


def expected(kind, value, back):
    """Return the original value in the form of `meaning`."""
    if value is None:
        return None
    if getattr(kind, "extension_name", "") == "arrow.json":
        return json.loads(value)
    if getattr(kind, "extension_name", "") == "arrow.bool8":
        return bool(value)
    return as_json(value, kind) if pa.types.is_nested(kind) and isinstance(back, str) else value


def same(left, right):
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return left == right and type(left) in {type(right), int, float}


def read_back(warehouse, name):
    with warehouse.destination.session(read_only=True) as session:
        table = session.name_of(warehouse.table(name))
        batches = list(session.reader().batches(f"SELECT * FROM {table} ORDER BY 1"))
    # A batch may have wider types than the one before.
    tables = [pa.Table.from_batches([batch]) for batch in batches[1:] or batches]
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


QUICK = settings(
    max_examples=int(os.environ.get("TYPE_EXAMPLES", "8")),
    deadline=None,
    database=None,
    phases=[Phase.generate],  # an example has fifty columns: making it smaller takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@QUICK
@given(data=st.data())
def test_every_value_of_every_type_comes_back_or_is_refused(warehouse, data):
    limits, rows = LIMITS[warehouse.kind], data.draw(st.integers(1, 3))
    columns, refused = {"rank": pa.array(range(rows))}, {}
    for name, kind in KINDS.items():
        values = data.draw(st.lists(st.none() | kind.values, min_size=rows, max_size=rows), label=name)
        limit = limits.get(name)
        if limit and any(value is not None and limit.refuses(value) for value in values):
            refused[name] = values
            values = [None] * rows
        if limit is not ALL:
            columns[name] = kind.make(values, kind.arrow)
    warehouse.load(pa.table(columns))
    found = read_back(warehouse, "raw.orders")
    for name, array in columns.items():
        back = plain(found[name].chunk(0) if found[name].num_chunks else found[name].combine_chunks())
        given_values = plain(array)
        kind = pa.int64() if pa.types.is_duration(found[name].type) else array.type  # no longer to be counted out
        for value, read in zip(given_values, back, strict=True):
            assert same(expected(array.type, value, read), meaning(kind, value, read)), name
    if refused:
        name, table = data.draw(st.sampled_from(sorted(refused))), f"raw.refused_{warehouse.loads}"
        with pytest.raises(MaterializeError, match="^Column ") as caught:
            warehouse.load({name: KINDS[name].make(refused[name], KINDS[name].arrow)}, name=table)
        assert caught.value.unchanged == table
        assert warehouse.types(table) is None


# The page.


def cell(session, name, limit):
    """Return what the page says of a type in a destination."""
    if limit is ALL:
        return "refused"
    kind = session.column_type(session.storable(KINDS[name].arrow)).replace("|", "\\|")
    return f"`{kind}`" + (f"; {limit.words}" if limit else "")


def page_rows():
    text = PAGE.read_text()
    lines = text[text.index("|") :].partition("\n\n")[0].splitlines()
    return [[part.strip() for part in line.strip("|").split(" | ")] for line in lines]


def write_column(title, cells):
    """Put a destination's column into the page, a new one at its end."""
    text, rows = PAGE.read_text(), page_rows()
    titles = rows[0] if title in rows[0] else [*rows[0], title]
    known = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}
    table = [titles, ["---"] * len(titles)]
    for name, words in cells.items():
        row = known.get(name, {}) | {titles[0]: name, title: words}
        table.append([row.get(one, "") for one in titles])
    start = text.index("|")
    end = text.index("\n\n", start)
    PAGE.write_text(text[:start] + "\n".join(f"| {' | '.join(row)} |" for row in table) + text[end:])


def test_the_page_says_what_becomes_of_each_type(warehouse):
    with warehouse.destination.session() as session:
        cells = {f"`{name}`": cell(session, name, LIMITS[warehouse.kind].get(name)) for name in KINDS}
    title = TITLES[warehouse.kind]
    if os.environ.get("WRITE_TYPES"):
        write_column(title, cells)
    titles, _, *rows = page_rows()
    said = {row[0]: dict(zip(titles, row, strict=True)).get(title) for row in rows}
    assert said == cells, "WRITE_TYPES=1 writes the page"
