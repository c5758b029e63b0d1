from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from airflow_materialize.sdk.values import decode, encode


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -(2**70), 1.5, "ä'\n", b"\0\xff", date(2026, 4, 1), datetime(2026, 4, 1, 1, 2, 3, 4),
        datetime(2026, 4, 1, tzinfo=UTC), time(1, 2, 3), timedelta(days=-1, microseconds=3), Decimal("1.10"), UUID(int=7),
        [1, [date(2026, 4, 1), None]],
    ],
    ids=repr,
)  # fmt: skip
def test_a_value_comes_back_as_it_was(value):
    came = decode(json.loads(json.dumps(encode(value))))
    assert (came, type(came)) == (value, type(value))


def test_numbers_and_times_of_numpy_and_pandas_are_plain_ones():
    found = [
        decode(encode(value)) for value in (np.int64(3), np.float64(1.5), np.bool_(True), np.datetime64("2026-04-01"))
    ]
    assert found == [3, 1.5, True, date(2026, 4, 1)]
    assert decode(encode(pd.Timestamp("2026-04-01T05:00:00Z"))) == datetime(2026, 4, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize("value", [object(), {"a": 1}, np.array([1, 2]), lambda: 0])
def test_another_value_is_refused(value):
    with pytest.raises(TypeError, match="cannot be bound"):
        encode(value)


@pytest.mark.parametrize(
    "data",
    [
        {"code": "x"},
        {},
        {"date": 5},
        {"date": "x"},
        {"decimal": "x"},
        {"bytes": "%"},
        {"date": "x", "uuid": "y"},
        {"uuid": {}},
    ],
)
def test_what_is_no_value_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011  # each reader has its own text
        decode(data)


def test_the_sdk_brings_no_library_with_it():
    code = "import sys, airflow_materialize.sdk; print(sorted({'pyarrow', 'pandas', 'polars', 'sqlglot'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
