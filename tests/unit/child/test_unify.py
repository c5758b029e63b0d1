from __future__ import annotations

import itertools

import pyarrow as pa
import pytest

from airflow_materialize.child.convert import convert
from airflow_materialize.child.unify import Lossy, unify, unify_types

LIST = pa.list_(pa.int64())


def struct(**fields):
    return pa.struct(list(fields.items()))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (pa.null(), pa.string(), pa.string()),
        (pa.int8(), pa.int32(), pa.int32()),
        (pa.uint8(), pa.int8(), pa.int16()),
        (pa.uint32(), pa.int64(), pa.int64()),
        (pa.uint64(), pa.int64(), pa.uint64()),
        (pa.int64(), pa.float64(), pa.float64()),
        (pa.int16(), pa.float32(), pa.float32()),
        (pa.int32(), pa.float32(), pa.float64()),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.decimal128(5, 2), pa.decimal128(6, 4), pa.decimal128(7, 4)),
        (pa.decimal128(38, 0), pa.decimal128(10, 10), pa.decimal256(48, 10)),
        (pa.int64(), pa.decimal128(5, 2), pa.decimal128(21, 2)),
        (pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("us")),
        (pa.timestamp("us", "UTC"), pa.timestamp("ns", "UTC"), pa.timestamp("ns", "UTC")),
        (pa.timestamp("us", "Europe/Berlin"), pa.timestamp("us", "Asia/Tokyo"), pa.timestamp("us", "UTC")),
        (pa.time32("s"), pa.time64("us"), pa.time64("us")),
        (pa.time32("s"), pa.time32("ms"), pa.time32("ms")),
        (pa.duration("s"), pa.duration("ms"), pa.duration("ms")),
        (pa.string(), pa.large_string(), pa.large_string()),
        (pa.binary(), pa.large_binary(), pa.large_binary()),
        (LIST, pa.list_(pa.null()), LIST),
        (LIST, pa.large_list(pa.float64()), pa.large_list(pa.float64())),
        (struct(a=pa.int8()), struct(b=pa.string(), a=pa.int16()), struct(a=pa.int16(), b=pa.string())),
        (pa.map_(pa.string(), pa.int8()), pa.map_(pa.string(), pa.int64()), pa.map_(pa.string(), pa.int64())),
    ],
)
def test_two_types_meet_in_the_narrowest_that_holds_both(left, right, expected):
    if pa.types.is_struct(expected):
        assert unify_types(left, right, "c") == expected
        return
    assert unify_types(left, right, "c") == expected
    assert unify_types(right, left, "c") == expected


NEVER = [
    pa.bool_(),
    pa.int64(),
    pa.string(),
    pa.binary(),
    pa.date32(),
    pa.timestamp("us"),
    pa.timestamp("us", "UTC"),
    pa.time64("us"),
    pa.duration("us"),
    LIST,
    struct(a=pa.int8()),
]


@pytest.mark.parametrize(("left", "right"), list(itertools.permutations(NEVER, 2)), ids=str)
def test_types_of_different_kinds_never_meet(left, right):
    with pytest.raises(Lossy) as caught:
        unify(pa.schema([("c", left)]), pa.schema([("c", right)]))

    assert str(caught.value) == f"column 'c': {right} after {left}: one column has one type"


def test_decimals_and_floats_never_meet():
    with pytest.raises(Lossy, match="double after decimal128"):
        unify_types(pa.decimal128(3, 1), pa.float64(), "c")


def test_decimals_of_more_than_76_digits_never_meet():
    with pytest.raises(Lossy):
        unify_types(pa.decimal256(76, 0), pa.decimal256(76, 76), "c")


def test_the_path_inside_a_column_is_named():
    left, right = struct(b=pa.list_(struct(c=pa.int8()))), struct(b=pa.list_(struct(c=pa.string())))

    with pytest.raises(Lossy, match=r"column 'a.b.c': string after int8"):
        unify(pa.schema([("a", left)]), pa.schema([("a", right)]))


def test_columns_keep_the_order_in_which_they_came():
    merged = unify(pa.schema([("b", pa.int8()), ("a", pa.int8())]), pa.schema([("c", pa.int8()), ("a", pa.null())]))

    assert merged == pa.schema([("b", pa.int8()), ("a", pa.int8()), ("c", pa.int8())])


@pytest.mark.parametrize(
    ("array", "kind", "row", "value"),
    [
        (pa.array([1, 2**53 + 1]), pa.float64(), 1, 2**53 + 1),
        (pa.array([5, -1]), pa.uint64(), 1, -1),
        (pa.array([0, 10**12], pa.timestamp("s")), pa.timestamp("ns"), 1, 10**12),
        (pa.array([[1], None, [2, 2**60]]), pa.list_(pa.float64()), 2, 2**60),
        (pa.array([{"a": 1}, {"a": 2**60}]), struct(a=pa.float64()), 1, 2**60),
    ],
)
def test_a_value_without_an_exact_place_is_named(array, kind, row, value):
    with pytest.raises(Lossy) as caught:
        convert(array, kind, "c")

    assert caught.value.row == row
    assert caught.value.value == value
