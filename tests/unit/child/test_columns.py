from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_materialize.child.columns import build_array
from airflow_materialize.child.errors import ResultError

UTC = dt.timezone.utc  # noqa: UP017  # CPython 3.9 has no other name
NOON = dt.datetime(2026, 4, 1, 12)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Named(str, enum.Enum):  # noqa: UP042  # the older spelling is the point
    A = "a"

    def __str__(self):
        return "something else"


@dataclasses.dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([None, None], pa.null(), [None, None]),
        ([1, None], pa.int64(), [1, None]),
        ([2**64 - 1, 0], pa.uint64(), [2**64 - 1, 0]),
        ([1, 2.5, None], pa.float64(), [1.0, 2.5, None]),
        ([2**53, 0.5], pa.float64(), [2.0**53, 0.5]),
        ([Decimal("1.20"), 3], pa.decimal128(3, 2), [Decimal("1.20"), Decimal("3.00")]),
        ([Decimal("1E+5")], pa.decimal128(6, 0), [Decimal(100000)]),
        ([Decimal("-0.001")], pa.decimal128(4, 3), [Decimal("-0.001")]),
        ([Decimal(10**49)], pa.decimal256(50, 0), [Decimal(10**49)]),
        ([dt.date(2026, 1, 1)], pa.date32(), [dt.date(2026, 1, 1)]),
        ([NOON], pa.timestamp("us"), [NOON]),
        ([dt.time(1, 2)], pa.time64("us"), [dt.time(1, 2)]),
        ([dt.timedelta(days=1)], pa.duration("us"), [dt.timedelta(days=1)]),
        ([uuid.UUID(int=5)], pa.string(), ["00000000-0000-0000-0000-000000000005"]),
        ([Colour.RED], pa.string(), ["red"]),
        ([Named.A], pa.string(), ["a"]),
        ([Level.LOW, 2], pa.int64(), [1, 2]),
        ([b"\x00", bytearray(b"x")], pa.binary(), [b"\x00", b"x"]),
        ([np.int64(3), 4], pa.int64(), [3, 4]),
        ([np.bool_(True)], pa.bool_(), [True]),
        ([np.float64(1.5), pd.NA], pa.float64(), [1.5, None]),
        ([pd.NaT, dt.date(2026, 1, 1)], pa.date32(), [None, dt.date(2026, 1, 1)]),
        ([np.datetime64("2026-01-01T00:00:01.000000000")], pa.timestamp("us"), [dt.datetime(2026, 1, 1, 0, 0, 1)]),
        ([np.datetime64("2026-01-01")], pa.date32(), [dt.date(2026, 1, 1)]),
        ([np.datetime64("NaT", "s")], pa.null(), [None]),
        ([np.timedelta64(5, "s")], pa.duration("us"), [dt.timedelta(seconds=5)]),
        ([pd.Timestamp("2026-01-01")], pa.timestamp("us"), [dt.datetime(2026, 1, 1)]),
        ([[1, 2], None, []], pa.list_(pa.int64()), [[1, 2], None, []]),
        ([(1, 2)], pa.list_(pa.int64()), [[1, 2]]),
        ([np.array([1, 2])], pa.list_(pa.int64()), [[1, 2]]),
        (
            [{"a": 1}, None, {"b": "x"}],
            pa.struct([("a", pa.int64()), ("b", pa.string())]),
            [{"a": 1, "b": None}, None, {"a": None, "b": "x"}],
        ),
        ([Point(1)], pa.struct([("x", pa.int64())]), [{"x": 1}]),
        ([{"p": [Point(1)]}], pa.struct([("p", pa.list_(pa.struct([("x", pa.int64())])))]), [{"p": [{"x": 1}]}]),
        (["\\N\t'\"\n007", "NULL"], pa.string(), ["\\N\t'\"\n007", "NULL"]),
    ],
)
def test_values_land_exactly(values, kind, expected):
    array = build_array(values, "c")

    assert array.type == kind
    assert array.to_pylist() == expected
    array.validate(full=True)


def test_nan_stays_nan_in_rows_and_is_null_in_pandas():
    assert build_array([float("nan")], "c").null_count == 0
    assert build_array([float("nan"), "x"], "c", nan_is_null=True).to_pylist() == [None, "x"]


def test_nanoseconds_of_pandas_are_kept():
    stamp = build_array([pd.Timestamp(1), None], "c")
    delta = build_array([pd.Timedelta(1, "ns")], "c")

    assert (stamp.type, stamp.cast(pa.int64()).to_pylist()) == (pa.timestamp("ns"), [1, None])
    assert (delta.type, delta.cast(pa.int64()).to_pylist()) == (pa.duration("ns"), [1])


def test_one_zone_is_kept_and_several_become_utc():
    berlin = dt.timezone(dt.timedelta(hours=2))
    one = build_array([NOON.replace(tzinfo=berlin)], "c")
    several = build_array([NOON.replace(tzinfo=berlin), NOON.replace(tzinfo=UTC)], "c")

    assert one.type == pa.timestamp("us", "+02:00")
    assert several.type == pa.timestamp("us", "UTC")
    assert several.cast(pa.int64()).to_pylist()[1] - several.cast(pa.int64()).to_pylist()[0] == 7_200_000_000


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([None, 1, None, "x"], "column 'c', row 4: str after int: one column has one type; the value is 'x'"),
        ([1.5, Decimal(1)], "column 'c', row 2: Decimal after float"),
        ([1, 1.5, Decimal(1)], "column 'c', row 3: Decimal after float"),
        ([0.5, 2**53 + 1], "column 'c', row 2: a whole number beyond 2**53 stands among floats and would lose digits"),
        ([1, 2**64], "column 'c', row 2: a whole number needs more than 64 bits; the value is 18446744073709551616"),
        ([-1, 2**63], "column 'c', row 2: a whole number needs more than 64 bits"),
        ([-(2**63) - 1], "column 'c', row 1: a whole number needs more than 64 bits"),
        ([Decimal(1), Decimal("NaN")], "column 'c', row 2: a Decimal is not a number; the value is Decimal('NaN')"),
        ([Decimal(10**60), Decimal("1E-30")], "column 'c', row 2: the column needs more than 76 digits"),
        ([NOON, None, NOON.replace(tzinfo=UTC)], "column 'c', row 3: datetimes with and without a time zone are mixed"),
        ([dt.time(1, tzinfo=UTC)], "column 'c', row 1: a time has a zone, which a table cannot keep"),
        ([1, {1}], "column 'c', row 2: a value of type set has no type in a table; the value is {1}"),
        ([1j], "column 'c', row 1: a value of type complex has no type in a table"),
        (["a", "\ud800"], "column 'c', row 2: the value does not fit string"),
        ([{1: 2}], "column 'c', row 1: a nested key is a int, not text"),
        ([{"a": 1}, {"a": "x"}], "column 'c.a', row 2: str after int"),
        ([[1], None, [], [2, "x"]], "column 'c', row 4: str after int"),
        ([[{"a": 1}], [{"a": 1}, {"a": [{2}]}]], "column 'c.a', row 2: list after int"),
        ([[[1], [{2}]]], "column 'c', row 1: a value of type set"),
        ([dt.timedelta.max], "column 'c', row 1: the value does not fit duration[us]"),
        ([np.datetime64(1, "ns")], "column 'c', row 1: a numpy time is finer than a microsecond"),
        ([np.datetime64("12000-01-01")], "column 'c', row 1: a numpy time is outside the years 1 to 9999"),
    ],
)
def test_what_does_not_fit_one_type_is_named_with_its_row(values, message):
    with pytest.raises(ResultError) as caught:
        build_array(values, "c")

    assert str(caught.value).startswith(message)


def test_a_value_whose_repr_raises_is_named_all_the_same():
    class Broken:
        def __repr__(self):
            raise ValueError

    with pytest.raises(ResultError, match="whose repr raises ValueError"):
        build_array([Broken()], "c")


def test_a_long_value_is_cut():
    with pytest.raises(ResultError) as caught:
        build_array([1, "x" * 500], "c")

    assert str(caught.value).endswith("x…")
    assert len(str(caught.value)) < 200
