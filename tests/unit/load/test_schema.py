from __future__ import annotations

import pytest

from airflow_materialize.load.schema import SchemaDiff


@pytest.mark.parametrize(("diff", "sentences"), [
    (SchemaDiff(), []),
    (SchemaDiff(created=True, added={"v": "TEXT"}), ["table created"]),
    (SchemaDiff(added={"v": "TEXT"}), ["column v added as TEXT"]),
    (SchemaDiff(changed={"v": ("INTEGER", "BIGINT")}), ["column v changed from INTEGER to BIGINT"]),
    (SchemaDiff(dropped=("v",), swapped=True), ["column v dropped", "table replaced by one with these columns"]),
])  # fmt: skip
def test_a_diff_says_each_change(diff, sentences):
    assert diff.sentences() == sentences
    assert bool(diff) is bool(sentences)


def test_an_ignored_column_is_said_and_changes_nothing():
    diff = SchemaDiff(ignored=("v",))
    assert diff.sentences() == ["column v of the result ignored"]
    assert not diff
