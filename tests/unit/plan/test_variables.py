from __future__ import annotations

import pytest

from airflow_materialize.definition.model.pipeline import Pipeline
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
    with pytest.raises(
        MaterializeError, match="The variable either is 5, which is of another type\nHint: its type is string or null"
    ):
        resolve_variables(SALES, {"either": 5})


CONDITIONS = Pipeline.model_validate(
    {
        "name": "sales",
        "variables": {
            "country": {"type": "string", "default": "BE", "enum": ["BE", "NL"]},
            "days": {"type": "integer", "default": 30, "minimum": 7, "maximum": 90},
            "code": {"type": "string", "default": "a1", "pattern": "^[a-z][0-9]$"},
            "list": {"type": "array", "default": [1], "items": {"type": "integer"}, "maxItems": 2},
            "deep": {"type": "object", "default": {"a": 1}, "required": ["a"]},
        },
    }
)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"country": "NE"},
            'The variable country is "NE", which is none of its values\nHint: one of: BE, NL',
        ),
        ({"days": 3}, "The variable days is 3, which is too small\nHint: at least 7"),
        ({"days": 91}, "The variable days is 91, which is too large\nHint: at most 90"),
        ({"code": "1a"}, 'The variable code is "1a", which does not match its pattern\nHint: ^[a-z][0-9]$'),
        ({"list": [1, "x"]}, 'The variable list[1] is "x", which is of another type\nHint: its type is integer'),
        ({"list": [1, 2, 3]}, "The variable list: [1, 2, 3] is too long"),
        ({"deep": {"b": 1}}, "The variable deep: 'a' is a required property"),
    ],
)
def test_a_given_value_keeps_every_condition_of_the_declaration(given, message):
    with pytest.raises(MaterializeError) as caught:
        resolve_variables(CONDITIONS, given)
    assert str(caught.value) == message


def test_a_given_value_that_keeps_all_conditions_is_taken():
    given = {"country": "NL", "days": 90, "code": "b2", "list": [1, 2], "deep": {"a": 0}}
    assert resolve_variables(CONDITIONS, given) == given


def test_a_variable_without_a_type_takes_any_value():
    assert resolve_variables(SALES, {"free": [1]})["free"] == [1]


def test_a_variable_is_described_as_declared_without_its_default():
    described = describe_variables(SALES)
    assert described["country"] == {"type": "string", "enum": ["BE", "NL"]}
    assert described["days"] == {"type": "array", "items": {"type": "integer"}}
    assert described["free"] == {}
