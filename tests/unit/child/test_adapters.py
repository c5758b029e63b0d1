from __future__ import annotations

import array
import dataclasses
import datetime as dt
import logging
from collections import namedtuple
from pathlib import Path
from typing import Optional

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest

from airflow_materialize.child.adapters import Pages, to_batches
from airflow_materialize.child.errors import ResultError
from airflow_materialize.child.writer import StagedWriter

ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": None}]


@dataclasses.dataclass
class Row:
    id: int
    name: str | None


class Model(pydantic.BaseModel):
    id: int
    name: Optional[str] = None  # noqa: UP045  # CPython 3.9 has no other spelling


Pair = namedtuple("Pair", ["id", "name"])  # noqa: PYI024  # the untyped one is the point


class Exporter:
    """A frame of a library that is unknown here."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def staged(result, tmp_path):
    """Give the table that a result becomes, or None."""
    writer = StagedWriter(str(tmp_path / "out.part"))
    for batch in to_batches(result):
        writer.add(batch)
    if writer.finish() is None:
        return None
    with pa.memory_map(str(tmp_path / "out.part")) as source:
        return pa.ipc.open_file(source).read_all()


def problem(result, tmp_path):
    with pytest.raises(ResultError) as caught:
        staged(result, tmp_path)
    return str(caught.value)


RESULTS = {
    "pandas": lambda: pd.DataFrame(ROWS),
    "polars": lambda: pl.DataFrame(ROWS),
    "polars lazy": lambda: pl.LazyFrame(ROWS),
    "pyarrow table": lambda: pa.Table.from_pylist(ROWS),
    "pyarrow batch": lambda: pa.RecordBatch.from_pylist(ROWS),
    "pyarrow reader": lambda: pa.Table.from_pylist(ROWS).to_reader(),
    "arrow stream": lambda: Exporter(pa.Table.from_pylist(ROWS)),
    "list of dicts": lambda: ROWS,
    "tuple of dicts": lambda: tuple(ROWS),
    "dict of lists": lambda: {"id": [1, 2], "name": ["a", None]},
    "dict of arrays": lambda: {"id": np.array([1, 2]), "name": pd.Series(["a", None])},
    "dict of polars": lambda: {"id": pl.Series([1, 2]), "name": pa.array(["a", None])},
    "dataclasses": lambda: [Row(1, "a"), Row(2, None)],
    "models": lambda: [Model(id=1, name="a"), Model(id=2)],
    "named tuples": lambda: [Pair(1, "a"), Pair(2, None)],
    "itertuples": lambda: pd.DataFrame(ROWS, dtype=object).itertuples(index=False),
    "generator of rows": lambda: (row for row in ROWS),
    "generator of pages": lambda: ([row] for row in ROWS),
    "generator of frames": lambda: (pd.DataFrame([row]) for row in ROWS),
    "generator of polars": lambda: (pl.DataFrame([row]) for row in ROWS),
    "mixed": lambda: iter([ROWS[0], None, [], pd.DataFrame(), pl.DataFrame([ROWS[1]])]),
    "list of frames": lambda: [pd.DataFrame(ROWS[:1]), pa.Table.from_pylist(ROWS[1:])],
    "dict values": lambda: {"a": ROWS[0], "b": ROWS[1]}.values(),  # noqa: PLW0108  # each test needs a fresh one
    "map": lambda: map(dict, ROWS),
}


@pytest.mark.parametrize("name", RESULTS)
def test_every_kind_of_result_gives_the_same_rows(name, tmp_path):
    table = staged(RESULTS[name](), tmp_path)

    assert table.to_pylist() == ROWS
    assert table.schema.field("id").type == pa.int64()
    assert table.schema.metadata is None


def test_a_duckdb_relation_is_a_result(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    sql = "SELECT 1::BIGINT AS id, 'a' AS name UNION ALL SELECT 2, NULL ORDER BY 1"
    with duckdb.connect() as connection:
        assert staged(connection.sql(sql), tmp_path).to_pylist() == ROWS


@pytest.mark.parametrize("result", [None, [], (), iter([]), iter([None, [], pd.DataFrame()])])
def test_nothing_is_no_data(result, tmp_path):
    assert staged(result, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "result",
    [
        pd.DataFrame({"id": pd.Series([], dtype="int64")}),
        pl.DataFrame({"id": []}, schema={"id": pl.Int64}),
        pa.table({"id": pa.array([], pa.int64())}),
        pa.table({"id": pa.array([], pa.int64())}).to_reader(),
        Exporter(pa.table({"id": pa.array([], pa.int64())})),
        {"id": np.array([], dtype="int64")},
        iter([pa.table({"id": pa.array([], pa.int64())})]),
    ],
)
def test_a_frame_with_columns_and_no_rows_is_a_result(result, tmp_path):
    table = staged(result, tmp_path)

    assert (table.num_rows, table.schema) == (0, pa.schema([("id", pa.int64())]))


@pytest.mark.parametrize("result", [pd.DataFrame(), pd.DataFrame([]), pl.DataFrame(), pa.table({})])
def test_a_frame_of_neither_columns_nor_rows_is_no_data(result, tmp_path):
    assert staged(result, tmp_path) is None


@pytest.mark.parametrize("result", [pd.DataFrame(index=[1]), {}])
def test_rows_without_columns_are_an_error(result, tmp_path):
    assert "no columns" in problem(result, tmp_path) or "is empty" in problem(result, tmp_path)


@pytest.mark.parametrize(
    ("result", "name"),
    [
        ("rows.csv", "str"),
        (b"x", "bytes"),
        (3, "int"),
        (True, "bool"),
        ({1, 2}, "set"),
        (Path("x"), "pathlib."),
        (np.array([1]), "numpy.ndarray"),
        (pl.Series([1]), "polars.series.series.Series"),
        (pa.array([1]), "pyarrow.lib.Int64Array"),
        (pa.chunked_array([[1]]), "pyarrow.lib.ChunkedArray"),
        (pd.DataFrame, "type"),
        (array.array("b"), "array.array"),
    ],
)
def test_other_values_are_errors_that_name_the_type(result, name, tmp_path):
    if isinstance(result, array.array):
        result = [result]
    assert f"of type {name}" in problem(result, tmp_path)


def test_a_pandas_series_is_no_frame(tmp_path):
    text = problem(pd.Series([1]), tmp_path)

    assert text.startswith("materialize() returned a value of type pandas.")
    assert text.endswith("Series")


@pytest.mark.parametrize("row", [Row(1, "a"), Pair(1, "a"), Model(id=1)])
def test_a_single_row_is_an_error_with_the_way_out(row, tmp_path):
    with pytest.raises(ResultError, match="which is one row") as caught:
        staged(row, tmp_path)

    assert caught.value.hint == "return a list of rows: [row]"


def test_a_dict_of_scalars_is_an_error(tmp_path):
    assert "whose value 'id' is of type int, not a column" in problem({"id": 1}, tmp_path)


def test_sparse_columns_of_pandas_are_their_values(tmp_path):
    frame = pd.DataFrame({"a": pd.arrays.SparseArray([0, 0, 1]), "b": pd.arrays.SparseArray([np.nan, 1.5, np.nan])})

    assert staged(frame, tmp_path).to_pydict() == {"a": [0, 0, 1], "b": [None, 1.5, None]}


def test_whole_numbers_of_128_bits_of_polars_are_decimals(tmp_path):
    frame = pl.DataFrame({"a": pl.Series([2**100, None], dtype=pl.Int128), "b": pl.Series([1, 2], dtype=pl.UInt128)})

    assert staged(frame, tmp_path).to_pydict() == {"a": [2**100, None], "b": [1, 2]}
    assert problem(pl.DataFrame({"a": pl.Series([-(10**38)], dtype=pl.Int128)}), tmp_path) == (
        f"column 'a': a whole number needs more than 38 digits; the value is {10**38}"
    )


def test_columns_of_different_length_are_an_error(tmp_path):
    assert problem({"a": [1], "b": [1, 2]}, tmp_path) == "the columns differ in length: 'a' 1, 'b' 2"


def test_an_item_of_a_wrong_type_is_counted(tmp_path):
    assert problem(iter([ROWS[0], "x"]), tmp_path).startswith("item 2 of what materialize() returned is, or holds")
    assert "of type NoneType" in problem([ROWS, [ROWS[0], None]], tmp_path)
    assert "of type str" in problem([("a", 1)], tmp_path)


def test_late_and_missing_keys_become_columns_with_nulls(tmp_path):
    table = staged([{"a": 1}, {"b": 2}, {}], tmp_path)

    assert table.to_pylist() == [{"a": 1, "b": None}, {"a": None, "b": 2}, {"a": None, "b": None}]


def test_dicts_that_are_empty_at_first_wait_for_fields(tmp_path):
    rows = [{"a": {}, "b": [{}]}] * 1000 + [{"a": {"x": 1}, "b": [{"y": "z"}]}]

    table = staged(iter(rows), tmp_path)
    assert table["a"].to_pylist() == [{"x": None}] * 1000 + [{"x": 1}]
    assert table["b"].to_pylist() == [[{"y": None}]] * 1000 + [[{"y": "z"}]]


@pytest.mark.parametrize("result", [[{"a": {}}, {"a": None}], pa.table({"a": pa.array([None], pa.struct([]))})])
def test_dicts_that_are_all_empty_are_an_error(result, tmp_path):
    assert problem(result, tmp_path) == "column 'a': every dict is empty, and a type without fields has no column"
    assert problem([{"a": [{"b": {}}]}], tmp_path).startswith("column 'a.b': every dict is empty")


@pytest.mark.parametrize(("before", "types"), [(5000, "str after int"), (256, "string after int64")])
def test_a_row_of_a_later_chunk_is_counted_from_the_first(before, types, tmp_path):
    rows = [{"a": 1}] * before + [{"a": "x"}]

    text = f"column 'a', row {before + 1}: {types}: one column has one type; the value is 'x'"
    assert problem(iter(rows), tmp_path) == text


def test_a_bad_value_behind_a_frame_counts_its_rows(tmp_path):
    result = iter([pd.DataFrame({"a": ["x"] * 10}), {"a": "y"}, {"a": {1}}])

    assert problem(result, tmp_path).startswith("column 'a', row 12: a value of type set has no type in a table")


def test_keys_that_are_no_text_are_named(tmp_path):
    assert problem([{"a": 1}, {2: 1}], tmp_path) == "row 2: a column's name is a int, not text; the value is 2"
    assert "a column's name is a int" in problem({1: [1]}, tmp_path)


@pytest.mark.parametrize("label", [0, None, ("a", "b")])
def test_pandas_labels_that_are_no_text_are_named(label, tmp_path):
    frame = pd.DataFrame([[1]])
    frame.columns = pd.Index([label], tupleize_cols=False)

    assert f"the column label {label!r} is a" in problem(frame, tmp_path).replace("nan", "None")


def test_names_that_stand_twice_are_an_error(tmp_path):
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])

    assert problem(twice, tmp_path) == "two columns have the same name: 'a'"
    assert problem(pa.table([[1], [2]], names=["a", "a"]), tmp_path) == "two columns have the same name: 'a'"
    assert problem(pd.DataFrame({"a": [1]}).set_index("a", drop=False), tmp_path) == (
        "an index and a column have the same name: 'a'"
    )


def test_an_empty_name_is_an_error(tmp_path):
    assert problem([{"a": 1, "": 2}], tmp_path) == "column 2 has an empty name"


def test_a_named_index_is_kept_and_an_unnamed_one_dropped(tmp_path, caplog):
    frame = pd.DataFrame({"v": [1, 2]}, index=pd.Index([5, 6], name="id"))
    assert staged(frame, tmp_path).to_pylist() == [{"id": 5, "v": 1}, {"id": 6, "v": 2}]
    assert caplog.messages == []

    with caplog.at_level(logging.WARNING):
        assert staged(pd.DataFrame({"v": [1]}, index=[7]), tmp_path / "..").to_pylist() == [{"v": 1}]
    assert caplog.messages == ["an index without a name is dropped; name it to keep it as a column"]


def test_a_named_range_index_and_the_named_level_of_several_are_kept(tmp_path):
    ranged = pd.DataFrame({"v": [1, 2]}, index=pd.RangeIndex(2, name="id"))
    assert staged(ranged, tmp_path).to_pylist() == [{"id": 0, "v": 1}, {"id": 1, "v": 2}]

    (tmp_path / "b").mkdir()
    levels = pd.MultiIndex.from_tuples([(1, "x"), (2, "y")], names=["id", None])
    assert staged(pd.DataFrame({"v": [1, 2]}, index=levels), tmp_path / "b").to_pylist() == [
        {"id": 1, "v": 1},
        {"id": 2, "v": 2},
    ]


def test_pandas_types_land_exactly(tmp_path):
    frame = pd.DataFrame(
        {
            "nan": [1.5, np.nan],
            "int": pd.array([2**53 + 1, None], dtype="Int64"),
            "cat": pd.Categorical(["a", None]),
            "zone": pd.to_datetime(["2026-01-01", "2026-01-02"]).tz_localize("Europe/Berlin"),
            "delta": pd.to_timedelta([1, 2], unit="s"),
            "text": pd.Series(["x", np.nan], dtype=object),
            "na": pd.Series([dt.date(2026, 1, 1), pd.NaT], dtype=object),
        }
    )
    table = staged(frame, tmp_path)

    assert table.column("nan").to_pylist() == [1.5, None]
    assert table.column("int").to_pylist() == [2**53 + 1, None]
    assert table.column("cat").to_pylist() == ["a", None]
    assert pa.types.is_string(table.schema.field("text").type)
    assert table.column("text").to_pylist() == ["x", None]
    assert table.column("zone").type.tz == "Europe/Berlin"
    assert table.column("na").to_pylist() == [dt.date(2026, 1, 1), None]
    assert [value.total_seconds() for value in table.column("delta").to_pylist()] == [1, 2]


@pytest.mark.parametrize(
    ("values", "types"),
    [
        ([1, "x"], "str after int"),
        ([dt.date(2026, 1, 1), dt.datetime(2026, 1, 1, 5)], "datetime after date"),
        (["a", b"b"], "bytes after str"),
        ([True, 2], "int after bool"),
    ],
)
def test_mixed_types_in_an_object_column_are_named(values, types, tmp_path):
    frame = pd.DataFrame({"x": pd.Series(values, dtype=object)})

    assert problem(frame, tmp_path).startswith(f"column 'x', row 2: {types}: one column has one type")


def test_a_pandas_type_without_a_column_is_named(tmp_path):
    frame = pd.DataFrame({"p": pd.period_range("2026", periods=2, freq="D")})

    assert problem(frame, tmp_path).startswith("column 'p': the type extension<pandas.period")


def test_polars_objects_are_refused(tmp_path):
    frame = pl.DataFrame({"o": pl.Series([{1}, {2}], dtype=pl.Object)})

    assert problem(frame, tmp_path) == "column 'o': polars' type Object has no column in a table"


def test_polars_types_land_exactly(tmp_path):
    frame = pl.DataFrame(
        {
            "c": pl.Series(["a", "b"], dtype=pl.Categorical),
            "l": [[1], []],
            "t": [dt.time(1), None],
            "n": [None, None],
            "f": [float("nan"), None],
        }
    )
    table = staged(frame, tmp_path)

    assert table.column("c").to_pylist() == ["a", "b"]
    assert table.column("l").to_pylist() == [[1], []]
    assert table.column("t").to_pylist() == [dt.time(1), None]
    assert table.column("f").to_pylist()[0] != table.column("f").to_pylist()[0]
    assert table.schema.field("n").type == pa.null()


@pytest.mark.skipif(not hasattr(pa.ChunkedArray, "__arrow_c_stream__"), reason="this pyarrow exports tables alone")
def test_a_stream_that_is_no_table_is_refused(tmp_path):
    assert "whose Arrow stream is no table" in problem(Exporter(pa.chunked_array([[1]])), tmp_path)


def test_pages_are_given_as_they_fill():
    pages = Pages()

    early = [batch.num_rows for number in range(1000) for batch in pages.add({"n": number})]
    assert early == [256]
    assert [batch.num_rows for batch in pages.finish()] == [744]
