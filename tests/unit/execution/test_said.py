"""What a hostile asset says of its run never gets further than an error."""

from __future__ import annotations

import json

import pytest

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.result import ChildResult
from airflow_materialize.execution.said import words_of
from airflow_materialize.report import Skip


def said(outcome="staged", **body):
    return words_of(ChildResult(outcome, body, exit_code=0, stopped=False, phase="write"), "raw.a", ["t"])


def deep(levels):
    value = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": [1]},
        {"metadata": {"a": "x" * 20_000}},
        {"metadata": deep(25)},
        {"metadata": json.loads('{"a": NaN}')},
        {"metadata": {"a": "\0"}},
        {"metadata": {"\ud800": 1}},
        {"materialized": "yes"},
        {"outcome": "skipped", "mode": "medium", "reason": "x"},
        {"outcome": "skipped", "mode": ["hard"], "reason": "x"},
        {"outcome": "skipped", "mode": "hard"},
    ],
)
def test_words_in_another_form_are_an_error(body):
    with pytest.raises(MaterializeError, match="^raw.a: what it says of its run cannot be read: "):
        said(**body)


def test_a_reason_is_one_line_and_cut():
    words = said("skipped", mode="hard", reason="no\nfiles\0 \x1b[31m" + "x" * 2000)
    assert words.skip == Skip("hard", "no files [31m" + "x" * 987 + " …")


def test_words_in_the_right_form_are_taken():
    words = said(metadata={"a": [1, None, "x"]}, materialized=False)
    assert (words.metadata, words.materialized, words.skip, words.reads) == ({"a": [1, None, "x"]}, False, None, ["t"])
