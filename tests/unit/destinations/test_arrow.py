from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest

from airflow_materialize.destinations.arrow import canonical, plain, scalar, to_json_text, to_text
from airflow_materialize.errors import MaterializeError


@pytest.mark.parametrize(("kind", "expected"), [
    (pa.int32(), pa.int32()), (pa.null(), pa.string()), (pa.dictionary(pa.int8(), pa.date64()), pa.date32()),
    (pa.run_end_encoded(pa.int32(), pa.float16()), pa.float32()), (pa.timestamp("s", "Asia/Tokyo"), pa.timestamp("us", "UTC")),
    (pa.timestamp("ns"), pa.timestamp("ns")), (pa.timestamp("ns", "UTC"), pa.timestamp("us", "UTC")),
    (pa.decimal32(5, 2), pa.decimal128(5, 2)), (pa.decimal256(76, 50), pa.decimal128(38, 38)), (pa.decimal128(3, -2), pa.decimal128(5, 0)),
    (pa.list_view(pa.null()), pa.list_(pa.string())), (pa.large_list(pa.float16()), pa.list_(pa.float32())),
    (pa.struct([("a", pa.time32("s"))]), pa.struct([("a", pa.time64("us"))])), (pa.bool8(), pa.bool_()), (pa.uuid(), pa.uuid()),
])  # fmt: skip
def test_a_type_has_one_plain_form(kind, expected):
    assert canonical(kind) == expected


@pytest.mark.parametrize("kind", [pa.struct([]), pa.list_(pa.struct([])), pa.dense_union([pa.field("a", pa.int8())])])
def test_what_no_database_holds_is_refused(kind):
    with pytest.raises(MaterializeError, match="has no type in a database"):
        canonical(kind)


def test_encodings_are_undone():
    assert plain(pa.array(["a", None, "a"]).dictionary_encode()).to_pylist() == ["a", None, "a"]
    assert plain(pa.RunEndEncodedArray.from_arrays([2], ["x"])).to_pylist() == ["x", "x"]


def test_a_moment_has_one_text():
    for unit in ("us", "ns"):
        assert to_text(pa.array([1], pa.timestamp("s")).cast(pa.timestamp(unit))).to_pylist() == [
            "1970-01-01 00:00:01.000000"
        ]


def test_a_decimal_has_its_digits_and_no_exponent():
    values = pa.array([Decimal("1E-10"), None, Decimal(-12)], pa.decimal128(20, 10))
    assert to_text(values).to_pylist() == ["0.0000000001", None, "-12.0000000000"]


def test_moments_in_utc_are_written_as_arrow_writes_them():
    moments = pa.array(
        [None, 0, -1, 1, 86_399_999_999, -62_135_596_800_000_000, 253_402_300_799_999_999], pa.timestamp("us", "UTC")
    )
    assert to_text(moments) == moments.cast(pa.string())
    assert to_text(moments.slice(0, 0)).type == pa.string()


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.timestamp("s")])
def test_a_moment_that_arrow_has_no_text_for_is_refused(kind):
    with pytest.raises(ValueError, match="beyond the year 32767"):
        to_text(pa.array([0, 2**60], pa.int64()).cast(kind))


def test_json_has_the_fields_of_a_struct_that_have_a_value_and_all_keys_of_a_map():
    inner = pa.struct([("a", pa.int64()), ("b", pa.list_(pa.struct([("c", pa.string())])))])
    kind = pa.struct([("s", inner), ("m", pa.map_(pa.string(), inner))])
    values = [
        None,
        {},
        {"s": {"a": 1}},
        {"s": {"b": [None, {}, {"c": "x"}]}, "m": [("k", None), ("l", {"a": 2})]},
    ]
    assert to_json_text(pa.array(values, kind)).to_pylist() == [
        None,
        "{}",
        '{"s": {"a": 1}}',
        '{"s": {"b": [null, {}, {"c": "x"}]}, "m": {"k": null, "l": {"a": 2}}}',
    ]


def test_what_has_no_json_is_refused():
    with pytest.raises(ValueError, match="bytes has no JSON"):
        to_json_text(pa.array([[b"x"]]))


@pytest.mark.parametrize(("value", "kind"), [
    (None, pa.int64()), (None, pa.string()), (None, pa.timestamp("us", "UTC")), (-1, pa.int64()), (2**63 - 1, pa.int64()),
    ("", pa.string()), ("é\U0001f600", pa.string()), (True, pa.bool_()), (False, pa.bool_()),
    (datetime(1, 1, 1), pa.timestamp("us")), (datetime(9999, 12, 31, 23, 59, 59, 999_999), pa.timestamp("us")),
    (datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), pa.timestamp("us", "UTC")),
    (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=9))), pa.timestamp("us", "UTC")),
])  # fmt: skip
def test_a_scalar_is_the_one_that_arrow_makes(value, kind):
    assert scalar(value, kind) == pa.scalar(value, kind)
    assert scalar(value, kind).type == kind
