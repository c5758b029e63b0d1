from __future__ import annotations

import pytest

from airflow_materialize.definition.text.patterns import is_slow, without_slow_patterns


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "(a|aa)*b", r"(\w+\s?){1,}x", ".*.*.*x", r"^(\d+,?)*$", "([a-z]+)*", "(x){2,}a+"]
)
def test_a_pattern_that_divides_a_text_in_many_ways_is_slow(pattern):
    assert is_slow(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["^[a-z]+-[a-z]+$", r"^\d{4}-\d{2}-\d{2}$", "^(eu|us)$", "[)*+]", r"\(\)\*\+", "", r"^[\]*+]+$", "(ab){3}"],
)
def test_what_people_write_is_quick(pattern):
    assert not is_slow(pattern)


def test_slow_conditions_go_at_every_depth_and_all_others_stay():
    slow, quick = "^(a+)+$", "^[a-z]+$"
    schema = {
        "pattern": slow,
        "minLength": 1,
        "items": {"pattern": quick, "anyOf": [{"pattern": slow}, {"type": "string"}]},
        "patternProperties": {slow: {"type": "string"}, quick: {"type": "integer"}},
        "properties": {"pattern": {"type": "string"}},
    }
    assert without_slow_patterns(schema) == {
        "minLength": 1,
        "items": {"pattern": quick, "anyOf": [{}, {"type": "string"}]},
        "patternProperties": {quick: {"type": "integer"}},
        "properties": {"pattern": {"type": "string"}},
    }
