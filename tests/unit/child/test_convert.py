from __future__ import annotations

import uuid

import numpy as np
import pyarrow as pa
import pytest

from airflow_materialize.child.convert import conform, convert, plain_schema, plain_type
from airflow_materialize.child.errors import ResultError


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array(["a", None]).dictionary_encode(), pa.string()),
        (pa.array([b"ab", None], pa.binary(2)), pa.binary()),
        (pa.array(np.array([1.5], dtype="float16")), pa.float32()),
        (pa.array([86_400_000, None], pa.date64()), pa.date32()),
        (pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2)), pa.list_(pa.int64())),
        (
            pa.StructArray.from_arrays([pa.array(["x"]).dictionary_encode()], names=["d"]),
            pa.struct([("d", pa.string())]),
        ),
        (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())), pa.map_(pa.string(), pa.int8())),
    ],
)
def test_types_become_plain_with_the_same_values(array, kind):
    assert plain_type(array.type, "c") == kind
    converted = convert(array, kind, "c")
    converted.validate(full=True)
    assert converted.to_pylist() == array.to_pylist()


@pytest.mark.skipif(not hasattr(pa, "string_view"), reason="this pyarrow has no views")
def test_views_become_ordinary():
    assert convert(pa.array(["a"], pa.string_view()), plain_type(pa.string_view(), "c"), "c").type == pa.string()
    assert convert(pa.array([b"a"], pa.binary_view()), plain_type(pa.binary_view(), "c"), "c").type == pa.binary()


@pytest.mark.skipif(not hasattr(pa, "uuid"), reason="this pyarrow has no UUID")
def test_a_uuid_becomes_text():
    array = pa.array([uuid.UUID(int=1).bytes, None], pa.uuid())

    assert plain_type(array.type, "c") == pa.string()
    assert convert(array, pa.string(), "c").to_pylist() == ["00000000-0000-0000-0000-000000000001", None]


def test_run_ends_become_values():
    array = pa.compute.run_end_encode(pa.array([1, 1, 2]))

    assert convert(array, plain_type(array.type, "c"), "c").to_pylist() == [1, 1, 2]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (pa.struct([("a", pa.int8()), ("a", pa.int8())]), "two fields of a struct have the same name"),
        (pa.dense_union([pa.field("a", pa.int8())]), "has no column in a table"),
    ],
)
def test_types_without_a_column_are_named(kind, text):
    with pytest.raises(ResultError, match=text) as caught:
        plain_type(kind, "c")

    assert caught.value.column == "c"


def test_an_extension_that_only_metadata_names_is_refused():
    field = pa.field("g", pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})

    with pytest.raises(ResultError, match=r"column 'g': the type geoarrow.wkb is not known"):
        plain_schema(pa.schema([field]))


def test_metadata_and_nullability_do_not_reach_the_file():
    schema = pa.schema([pa.field("a", pa.int8(), nullable=False, metadata={"k": "v"})], metadata={"pandas": "{}"})

    assert plain_schema(schema).equals(pa.schema([("a", pa.int8())]), check_metadata=True)


def test_rows_are_put_in_order_by_name():
    batch = pa.RecordBatch.from_pydict({"b": pa.array([1, 2]), "a": pa.array([None, None])})
    schema = pa.schema([("a", pa.string()), ("b", pa.float64()), ("c", pa.list_(pa.int8()))])

    assert conform(batch, schema).to_pylist() == [{"a": None, "b": 1.0, "c": None}, {"a": None, "b": 2.0, "c": None}]


def test_a_slice_of_nested_values_is_converted_from_its_own_start():
    array = pa.array([{"l": [1]}, None, {"l": None}, {"l": [2, 3]}]).slice(1)
    kind = pa.struct([("l", pa.large_list(pa.float64())), ("n", pa.int8())])

    converted = convert(array, kind, "c")
    converted.validate(full=True)
    assert converted.to_pylist() == [None, {"l": None, "n": None}, {"l": [2.0, 3.0], "n": None}]
