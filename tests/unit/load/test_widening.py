from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_materialize.load.widening import common_type


@pytest.mark.parametrize(("left", "right", "common"), [
    (pa.int8(), pa.int32(), pa.int32()),
    (pa.uint32(), pa.int32(), pa.int64()),
    (pa.uint64(), pa.int8(), pa.decimal128(20, 0)),
    (pa.int32(), pa.float32(), pa.float64()),
    (pa.int64(), pa.float64(), pa.float64()),
    (pa.int64(), pa.decimal128(5, 2), pa.decimal128(21, 2)),
    (pa.decimal128(5, 4), pa.decimal128(10, 1), pa.decimal128(13, 4)),
    (pa.decimal128(38, 0), pa.decimal128(38, 10), None),
    (pa.float64(), pa.decimal128(5, 2), None),
    (pa.date32(), pa.timestamp("us"), pa.timestamp("us")),
    (pa.timestamp("us"), pa.timestamp("ns"), None),
    (pa.timestamp("us"), pa.timestamp("us", "UTC"), None),
    (pa.string(), pa.int64(), None),
    (pa.bool_(), pa.int8(), None),
    (pa.list_(pa.int8()), pa.list_(pa.int64()), pa.list_(pa.int64())),
])  # fmt: skip
def test_the_type_that_holds_both(left, right, common):
    assert common_type(left, right) == common
    assert common_type(right, left) == common


@pytest.mark.parametrize("kind", [pa.int8(), pa.timestamp("ns"), pa.string(), pa.uuid(), pa.struct([("a", pa.int8())])])
def test_a_type_holds_itself(kind):
    assert common_type(kind, kind) == kind
