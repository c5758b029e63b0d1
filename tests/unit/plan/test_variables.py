from __future__ import annotations

import pytest

from airflow_materialize.definition.pipeline import Pipeline
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.variables import describe_variables, resolve_variables

SALES = Pipeline.model_validate(
    {
        "name": "sales",
        "variables": {
            "country": {"type": "string", "default": "BE", "enum": ["BE", "NL"]},
            "days": {"type": "array", "items": {"type": "integer"}, "default": [1, 7]},
            "limit": {"type": "integer", "default": 10},
            "rate": {"type": "number", "default": 0.5},
            "deep": {"type": "boolean", "default": False},
            "map": {"type": "object", "default": {"a": 1}},
            "free": {"default": "x"},
            "either": {"type": ["string", "null"], "default": "x"},
        },
    }
)


def test_variables_have_their_defaults():
    assert resolve_variables(SALES, {}) == {
        "country": "BE",
        "days": [1, 7],
        "limit": 10,
        "rate": 0.5,
        "deep": False,
        "map": {"a": 1},
        "free": "x",
        "either": "x",
    }


def test_a_given_value_wins_over_the_default():
    assert resolve_variables(SALES, {"country": "NL", "rate": 1})["country"] == "NL"


def test_an_unknown_variable_is_an_error_with_those_that_there_are():
    with pytest.raises(MaterializeError) as caught:
        resolve_variables(SALES, {"region": "EU"})
    assert str(caught.value) == (
        f"The pipeline sales has no variable region\nHint: its variables: {', '.join(sorted(SALES.variables))}"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("country", 5), ("days", "1,7"), ("limit", 1.5), ("limit", True), ("rate", "1"), ("deep", 1), ("map", [1])],
)
def test_a_value_of_another_type_is_an_error_with_the_type(name, value):
    with pytest.raises(
        MaterializeError, match=f"The variable {name} is .*\nHint: its type is {SALES.variables[name].type}"
    ):
        resolve_variables(SALES, {name: value})


def test_a_variable_of_several_types_takes_each_of_them():
    assert resolve_variables(SALES, {"either": None})["either"] is None
    with pytest.raises(MaterializeError, match="The variable either is 5\nHint: its type is string or null"):
        resolve_variables(SALES, {"either": 5})


def test_a_variable_without_a_type_takes_any_value():
    assert resolve_variables(SALES, {"free": [1]})["free"] == [1]


def test_a_variable_is_described_as_declared_without_its_default():
    described = describe_variables(SALES)
    assert described["country"] == {"type": "string", "enum": ["BE", "NL"]}
    assert described["days"] == {"type": "array", "items": {"type": "integer"}}
    assert described["free"] == {}
