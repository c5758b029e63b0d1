from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from airflow_materialize.definition.model.column import Column
from airflow_materialize.errors import MaterializeError
from airflow_materialize.load.casts import checked_cast, declared_length, declared_type, same_kind

D = Decimal
US, TZ = pa.timestamp("us"), pa.timestamp("us", "UTC")


def column(kind, **sizes):
    return Column.model_validate({"name": "v", "type": kind, **sizes})


@pytest.mark.parametrize(("kind", "arrow"), [
    ("integer", pa.int64()), ("INT", pa.int64()), ("smallint", pa.int16()), ("tinyint", pa.int8()), ("float", pa.float64()),
    ("double   precision", pa.float64()), ("varchar(50)", pa.string()), ("character varying(5)", pa.string()), ("uuid", pa.string()),
    ("boolean", pa.bool_()), ("date", pa.date32()), ("time", pa.time64("us")), ("timestamp", TZ), ("timestamptz", TZ),
    ("timestamp with time zone", TZ), ("timestamp(6) with time zone", TZ), ("timestamp_ntz", US), ("interval", pa.duration("us")),
    ("blob", pa.binary()), ("json", pa.json_()), ("struct", pa.json_()), ("numeric(10, 2)", pa.decimal128(10, 2)),
    ("decimal(10)", pa.decimal128(10, 0)), ("decimal", pa.decimal128(38, 9)), ("money", pa.decimal128(38, 9)),
    ("text[]", pa.list_(pa.string())), ("array<bigint>", pa.list_(pa.int64())), ("numeric(5, 1)[]", pa.list_(pa.decimal128(5, 1))),
    ("int[][]", pa.json_()), ("json[]", pa.json_()), ("array", pa.json_()), ("nothing[]", None), ("hugeint", pa.decimal128(38, 0)),
    ("ubigint", pa.uint64()), ("INT UNSIGNED", pa.uint32()), ("int64", pa.int64()), ("timestamp_ns", pa.timestamp("ns")),
    ("nothing known", None), ("", None),
])  # fmt: skip
def test_a_declared_type_stands_for_an_arrow_type(kind, arrow):
    assert declared_type(column(kind)) == arrow


def test_nested_values_keep_each_part_or_are_refused():
    value = {
        "big": 2**62 + 1, "f": 0.1, "d": D("1.10"), "t": dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "n": None, "l": [None, 2**50],
        "s": {"x": [{"y": 1.5}]},
    }  # fmt: skip
    array = pa.array([value, None, {}])
    kind = array.type
    wider = pa.struct(
        [
            ("s", pa.struct([("x", pa.list_(pa.struct([("y", pa.float64()), ("z", pa.string())])))])),
            ("more", pa.string()), ("n", pa.string()), ("t", TZ), ("d", pa.decimal128(9, 4)), ("f", pa.float64()),
            ("l", pa.list_(pa.float64())), ("big", pa.int64()),
        ]
    )  # fmt: skip
    assert checked_cast(array, wider, "v")[0].as_py()["s"] == {"x": [{"y": 1.5, "z": None}]}
    without = [kind.field(place) for place in range(kind.num_fields)]
    for name, other in (
        ("f", pa.float32()),
        ("d", pa.decimal128(5, 0)),
        ("s", pa.struct([("x", pa.list_(pa.struct([])))])),
    ):
        fields = [field.with_type(other) if field.name == name else field for field in without]
        with pytest.raises(MaterializeError, match="row 1"):
            checked_cast(array, pa.struct(fields), "v")
        with pytest.raises(MaterializeError, match="row 1"):
            checked_cast(array, pa.struct([field for field in without if field.name != name]), "v")
    assert checked_cast(array, pa.struct([field for field in without if field.name != "n"]), "v").null_count == 1


def test_maps_keep_each_part_wherever_they_begin():
    array = pa.array(
        [[("a", {"x": 1})], None, [("b", {"x": 2})]], pa.map_(pa.string(), pa.struct([("x", pa.int64())]))
    )[2:]
    wider = pa.map_(pa.string(), pa.struct([("x", pa.int64()), ("y", pa.string())]))
    assert checked_cast(array, wider, "v").to_pylist() == [[("b", {"x": 2, "y": None})]]
    with pytest.raises(MaterializeError, match="row 1"):
        checked_cast(array, pa.map_(pa.string(), pa.struct([("y", pa.string())])), "v")


def test_sizes_may_stand_beside_the_type():
    assert declared_type(column("decimal", precision=12, scale=3)) == pa.decimal128(12, 3)
    assert declared_type(column("decimal", precision=12)) == pa.decimal128(12, 0)
    assert declared_length(column("varchar", length=7)) == 7
    assert declared_length(column("varchar(9)", length=7)) == 9
    assert declared_length(column("integer")) is None


@pytest.mark.parametrize(("values", "kind", "target", "expected"), [
    (["1", None, "-2"], pa.string(), pa.int64(), [1, None, -2]),
    ([1.0, None], pa.float64(), pa.int64(), [1, None]),
    ([1, 2], pa.int64(), pa.float64(), [1.0, 2.0]),
    ([5], pa.int64(), pa.decimal128(3, 2), [D("5.00")]),
    ([0.1 + 0.2], pa.float64(), pa.decimal128(5, 2), [D("0.30")]),
    ([D("0.10")], pa.decimal128(5, 2), pa.float64(), [0.1]),
    ([D("7.00")], pa.decimal128(5, 2), pa.int64(), [7]),
    ([1, 0], pa.int64(), pa.bool_(), [True, False]),
    ([True], pa.bool_(), pa.int64(), [1]),
    ([dt.datetime(2026, 4, 1)], US, pa.date32(), [dt.date(2026, 4, 1)]),
    ([dt.date(2026, 4, 1)], pa.date32(), US, [dt.datetime(2026, 4, 1)]),
    (["2026-04-01"], pa.string(), pa.date32(), [dt.date(2026, 4, 1)]),
    (["2026-04-01T10:00:00+02:00"], pa.string(), TZ, [dt.datetime(2026, 4, 1, 8, tzinfo=dt.UTC)]),
    (["2026-04-01 10:00:00"], pa.string(), TZ, [dt.datetime(2026, 4, 1, 10, tzinfo=dt.UTC)]),
    ([dt.datetime(2026, 4, 1)], US, TZ, [dt.datetime(2026, 4, 1, tzinfo=dt.UTC)]),
    (["10:30", "10:30:00.5"], pa.string(), pa.time64("us"), [dt.time(10, 30), dt.time(10, 30, 0, 500_000)]),
    ([1, 2], pa.int64(), pa.string(), ["1", "2"]),
    ([True], pa.bool_(), pa.string(), ["true"]),
    ([b"x"], pa.binary(), pa.string(), ["x"]),
    ([[1, 2], None], pa.list_(pa.int64()), pa.json_(), ["[1, 2]", None]),
    (['{"a": 1}'], pa.string(), pa.json_(), ['{"a": 1}']),
    ([None, None], pa.string(), pa.list_(pa.int8()), [None, None]),
])  # fmt: skip
def test_values_that_stay_what_they_are_are_cast(values, kind, target, expected):
    cast = checked_cast(pa.array(values, kind), target, "v")
    assert cast.type == target
    assert cast.to_pylist() == expected


@pytest.mark.parametrize(("values", "kind", "target"), [
    (["1.0"], pa.string(), pa.int64()),
    ([" 1"], pa.string(), pa.int64()),
    ([1.5], pa.float64(), pa.int64()),
    ([2**53 + 1], pa.int64(), pa.float64()),
    ([300], pa.int64(), pa.int8()),
    ([-1], pa.int64(), pa.uint8()),
    ([1000], pa.int64(), pa.decimal128(5, 2)),
    ([1.005], pa.float64(), pa.decimal128(5, 2)),
    ([float("nan")], pa.float64(), pa.decimal128(5, 2)),
    ([0.1], pa.float64(), pa.float32()),
    ([1e300], pa.float64(), pa.float32()),
    ([D("1.5")], pa.decimal128(5, 1), pa.int64()),
    ([D("0.12345678901234567890123456789")], pa.decimal128(38, 29), pa.float64()),
    ([2], pa.int64(), pa.bool_()),
    (["yes"], pa.string(), pa.bool_()),
    ([dt.datetime(2026, 4, 1, 1)], US, pa.date32()),
    ([1], pa.timestamp("ns"), US),
    (["2026-02-30"], pa.string(), pa.date32()),
    (["25:00"], pa.string(), pa.time64("us")),
    ([1], pa.int64(), TZ),
    ([1], pa.int64(), pa.date32()),
    ([dt.date(2026, 4, 1)], pa.date32(), pa.int64()),
    ([b"\xff"], pa.binary(), pa.string()),
    ([[1]], pa.list_(pa.int64()), pa.int64()),
    ([[float("nan")]], pa.list_(pa.float64()), pa.json_()),
])  # fmt: skip
def test_values_that_would_change_are_errors(values, kind, target):
    with pytest.raises(MaterializeError, match=r"^Column 'v', row 1: .* is not exactly"):
        checked_cast(pa.array(values, kind), target, "v")


@pytest.mark.parametrize("at", [0, 1, 499, 500, 998, 999])
def test_the_first_bad_row_is_found(at):
    values = ["1"] * 1000
    values[at] = "x"
    values[-1] = "y" if at < 999 else "x"
    with pytest.raises(MaterializeError, match=rf"row {at + 1 + 5000}: 'x' \(string\)"):
        checked_cast(pa.array(values), pa.int64(), "v", first_row=5000)


def test_a_long_value_is_cut_in_the_error():
    with pytest.raises(MaterializeError) as caught:
        checked_cast(pa.array(["x" * 1000]), pa.int64(), "v")
    assert len(str(caught.value)) < 150


def test_a_text_of_the_declared_length_is_counted_in_characters():
    assert checked_cast(pa.array(["äöü"]), pa.string(), "v", length=3).to_pylist() == ["äöü"]
    with pytest.raises(
        MaterializeError, match=r"row 2: 'äöüß' \(string\) is not exactly a text of at most 3 characters"
    ):
        checked_cast(pa.array(["äöü", "äöüß"]), pa.string(), "v", length=3)


@pytest.mark.parametrize(("left", "right", "same"), [
    (pa.int8(), pa.decimal128(5, 2), True), (pa.date32(), US, True), (US, TZ, False), (pa.string(), pa.large_string(), True),
    (pa.string(), pa.int64(), False), (pa.bool_(), pa.int64(), False), (pa.binary(2), pa.binary(), True), (pa.uuid(), pa.string(), False),
    (pa.list_(pa.int8()), pa.list_(pa.int64()), True),
])  # fmt: skip
def test_kinds_of_values(left, right, same):
    assert same_kind(left, right) is same
    assert same_kind(right, left) is same
