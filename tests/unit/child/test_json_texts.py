from __future__ import annotations

import datetime as dt
import enum
import json
import uuid
from decimal import Decimal

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from airflow_materialize.child.adapters import to_batches
from airflow_materialize.child.errors import ResultError
from airflow_materialize.child.intake import Intake
from airflow_materialize.child.json_texts import json_array
from airflow_materialize.child.writer import StagedWriter


class Kind(enum.Enum):
    PUSH = "push"


def staged(result, tmp_path, *columns):
    writer = StagedWriter(str(tmp_path / "out.part"))
    intake = Intake([*columns], writer)
    for batch in to_batches(result, intake.json):
        intake.add(batch)
    intake.finish()
    with pa.memory_map(str(tmp_path / "out.part")) as source:
        return pa.ipc.open_file(source).read_all()


EVENTS = [{"a": 1}, {"a": "x", "b": {}}, [1, "a", None], {}, 5, 2**70, True, None, '{"ready": 1}']
TEXTS = ['{"a": 1}', '{"a": "x", "b": {}}', '[1, "a", null]', "{}", "5", str(2**70), "true", None, '{"ready": 1}']


@pytest.mark.parametrize(
    "result",
    [
        [{"e": event} for event in EVENTS],
        {"e": EVENTS},
        pd.DataFrame({"e": pd.Series(EVENTS, dtype=object)}),
        ({"e": event} for event in EVENTS),
    ],
)
def test_values_of_any_shape_are_json_texts_in_a_column_of_json(result, tmp_path):
    assert staged(result, tmp_path, {"name": "e", "json": True})["e"].to_pylist() == TEXTS


def test_a_column_of_json_is_known_by_its_name_in_the_result(tmp_path):
    column = {"name": "event", "source": "e", "json": True}

    assert staged([{"e": [1, "x"]}], tmp_path, column).to_pylist() == [{"event": '[1, "x"]'}]


def test_nested_columns_of_frames_are_json_texts_beside_those_of_rows(tmp_path):
    pages = [
        {"e": {"x": 1}},
        pa.table({"e": [{"x": "text"}]}),
        pl.DataFrame({"e": [[1.5, None]]}),
        pa.table({"e": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))}),
    ]

    table = staged(iter(pages), tmp_path, {"name": "e", "json": True})
    assert table["e"].to_pylist() == ['{"x": 1}', '{"x": "text"}', "[1.5, null]", '{"k": 1}']


def test_what_json_has_no_type_for_is_written_as_elsewhere():
    value = {
        "decimal": Decimal("21.370"),
        "day": dt.date(2022, 2, 2),
        "moment": dt.datetime(2005, 4, 2, 20, 37, 37, 358236, tzinfo=dt.UTC),
        "time": dt.time(20, 37),
        "span": dt.timedelta(seconds=1),
        "id": uuid.UUID(int=5),
        "kind": Kind.PUSH,
        "nothing": pd.NaT,
        "tuple": (1, 2),
        "text": "é🦆",
    }

    [text] = json_array([value], "c").to_pylist()
    assert "é🦆" in text
    assert json.loads(text) == {
        "decimal": "21.370",
        "day": "2022-02-02",
        "moment": "2005-04-02T20:37:37.358236+00:00",
        "time": "20:37:00",
        "span": 1_000_000,
        "id": "00000000-0000-0000-0000-000000000005",
        "kind": "push",
        "nothing": None,
        "tuple": [1, 2],
        "text": "é🦆",
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [float("nan")]}, "column 'c', row 2: a float that is no number has no JSON; the value is nan"),
        ({"a": b"x"}, "column 'c', row 2: a value of type bytes has no JSON; the value is b'x'"),
        ({"a": {1: 2}}, "column 'c', row 2: a nested key is a int, not text; the value is 1"),
        ([{2}], "column 'c', row 2: a value of type set has no type in a table"),
    ],
)
def test_what_has_no_json_is_named_with_its_row(value, message):
    with pytest.raises(ResultError) as caught:
        json_array([None, value], "c")

    assert str(caught.value).startswith(message)
