from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_materialize.child.errors import ResultError
from airflow_materialize.child.renames import Renames

EMAIL = {"name": "email", "source": "eml"}


def batch(**columns):
    return pa.record_batch([pa.array(values) for values in columns.values()], names=list(columns))


def test_a_column_of_the_result_gets_its_name_in_the_table():
    renamed = Renames([EMAIL, {"name": "id"}]).apply(batch(id=[1], eml=["a"]))
    assert renamed.to_pydict() == {"id": [1], "email": ["a"]}


def test_two_columns_may_change_places():
    renames = Renames([{"name": "a", "source": "b"}, {"name": "b", "source": "a"}])
    assert renames.apply(batch(a=[1], b=[2])).to_pydict() == {"b": [1], "a": [2]}
    renames.finish()


def test_a_name_may_move_on():
    renames = Renames([{"name": "a", "source": "b"}, {"name": "b", "source": "c"}])
    assert renames.apply(batch(b=[1], c=[2])).to_pydict() == {"a": [1], "b": [2]}


def test_a_column_that_keeps_its_name_is_no_rename():
    same = batch(email=["a"])
    assert Renames([{"name": "email", "source": "email"}]).apply(same) is same


@pytest.mark.parametrize("batches", [[batch(eml=["a"], email=["b"])], [batch(eml=["a"]), batch(email=["b"])]])
def test_both_names_in_one_result_are_an_error(batches):
    renames = Renames([EMAIL])
    *before, last = batches
    for each in before:
        renames.apply(each)
    with pytest.raises(ResultError) as caught:
        renames.apply(last)
    assert str(caught.value) == (
        "column 'email': the result has a column of this name, and 'eml', which is to become it"
    )


def test_a_source_that_never_comes_is_an_error_that_names_it():
    renames = Renames([EMAIL])
    renames.apply(batch(id=[1], emal=["a"]))
    with pytest.raises(ResultError) as caught:
        renames.finish()
    assert str(caught.value) == (
        "column 'email': the result has no 'eml', which is its `source_column`; it has id, emal"
    )
    assert caught.value.hint == "did you mean 'emal'?"


def test_a_source_may_come_late_and_no_data_needs_none(asset):
    text = "def materialize():\n    yield {'id': 1}\n    yield {'id': 2, 'eml': 'a'}\n"
    assert asset(text, columns=[EMAIL]).table().to_pydict() == {"id": [1, 2], "email": [None, "a"]}
    assert asset("def materialize():\n    return None\n", columns=[EMAIL]).kinds() == ["no_data"]


def test_the_name_in_the_table_is_the_one_that_masks_and_declared_types_are_about(asset):
    columns = [{**EMAIL, "mask": "stars"}, {"name": "n", "source": "number", "type": "integer"}]
    ended = asset("def materialize():\n    return {'eml': ['abc'], 'number': [1.0]}\n", columns=columns)
    assert ended.table().to_pydict() == {"email": ["***"], "n": [1.0]}
    assert any("column 'n' is declared as whole numbers" in text for _, text in ended.logs())
