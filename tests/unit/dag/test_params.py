"""The fields of the trigger form."""

from __future__ import annotations

import json

import pytest

from airflow_materialize.dag.params import dag_params
from airflow_materialize.definition.model.pipeline import Pipeline

VARIABLES = {
    "country": {"type": "string", "default": "BE", "enum": ["BE", "NL"], "description": "Whose orders."},
    "days": {"type": "integer", "default": 3, "minimum": 1},
    "rates": {"type": "array", "default": [1.5], "items": {"type": "number"}},
    "anything": {"default": {"a": None}},
    "empty": {"type": "string", "default": ""},
}


def params_of(variables: dict) -> dict:
    return dag_params(Pipeline.model_validate({"name": "shop", "variables": variables}))


def test_each_variable_is_a_typed_field_with_its_default():
    params = params_of(VARIABLES)
    assert list(params) == ["full_refresh", "start_date", "end_date", *VARIABLES, "variables"]
    assert {name: params[name].resolve() for name in VARIABLES} == {
        name: variable["default"] for name, variable in VARIABLES.items()
    }
    assert params["country"].schema == {
        "type": "string",
        "enum": ["BE", "NL"],
        "title": "country",
        "section": "Variables",
    }
    assert params["country"].description == "Whose orders."
    assert params["rates"].schema["items"] == {"type": "number"}
    assert "type" not in params["anything"].schema


@pytest.mark.parametrize(("name", "value"), [("country", "DE"), ("days", 0), ("days", "3"), ("rates", ["a"])])
def test_the_form_refuses_what_the_variable_does_not_take(name, value):
    with pytest.raises(ValueError, match=r"is not|is less than"):
        params_of(VARIABLES)[name].resolve(value)


def test_an_empty_text_may_stay_empty_in_the_form():
    assert params_of(VARIABLES)["empty"].schema["type"] == ["string", "null"]


def test_a_variable_of_the_name_of_a_field_is_given_within_variables():
    params = params_of({"start_date": {"type": "integer", "default": 1}, "variables": {"default": 2}})
    assert list(params) == ["full_refresh", "start_date", "end_date", "variables"]
    assert params["start_date"].resolve() is None
    assert "start_date, variables" in params["variables"].description


@pytest.mark.parametrize(
    "variable",
    [
        {"type": "integer", "default": "three"},
        {"type": "nonsense", "default": 1},
        {"type": "string", "pattern": "(", "default": "x"},
        {"minimum": "x", "default": 1},
        {"$ref": "http://127.0.0.1:9/schema.json", "default": 1},
        {"type": "object", "default": {}, "properties": {"a": {"$ref": "#/nowhere"}}},
    ],
)
def test_what_airflow_would_refuse_is_a_field_without_rules(variable):
    param = params_of({"odd": variable})["odd"]
    assert param.resolve() == variable["default"]
    assert param.schema == {"title": "odd", "section": "Variables"}


def test_a_default_that_no_database_keeps_has_no_field():
    assert "odd" not in params_of({"odd": {"default": {"deep": ["\x00"]}}})


def test_no_variable_puts_html_or_another_title_into_the_form():
    hostile = {"default": 1, "title": "x", "description_md": "<b>", "custom_html_form": "<script>", "section": "y"}
    assert params_of({"odd": hostile})["odd"].schema == {"title": "odd", "section": "Variables"}


def test_the_form_is_the_same_at_each_parse():
    first, second = (
        json.dumps({name: param.serialize() for name, param in params_of(VARIABLES).items()}) for _ in range(2)
    )
    assert first == second
