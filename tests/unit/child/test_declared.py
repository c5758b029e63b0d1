from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_materialize.child.declared import DeclaredIntegers
from airflow_materialize.child.errors import ResultError

COLUMNS = [{"name": "id", "type": "BIGINT"}, {"name": "price", "type": "double"}, {"name": "x", "type": None}]


def test_a_declared_integer_that_came_as_floats_warns_once(caplog):
    watch = DeclaredIntegers(COLUMNS)
    for _ in range(2):
        watch.check(pa.RecordBatch.from_pydict({"id": [1.0, None], "price": [1e300, 1.0], "x": [1e300, 1.0]}))

    assert caplog.messages == ["column 'id' is declared as whole numbers and came as double; pandas has Int64"]


def test_one_that_may_have_lost_digits_is_an_error_with_its_row():
    watch = DeclaredIntegers(COLUMNS)
    watch.check(pa.RecordBatch.from_pydict({"id": [1.0, None]}))

    with pytest.raises(ResultError, match="column 'id', row 4: a column of whole numbers came as floats"):
        watch.check(pa.RecordBatch.from_pydict({"id": [None, 2.0**53 + 2]}))


def test_whole_numbers_pass(caplog):
    DeclaredIntegers(COLUMNS).check(pa.RecordBatch.from_pydict({"id": [2**60]}))

    assert caplog.messages == []
