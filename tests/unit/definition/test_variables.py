from __future__ import annotations

import pytest

from airflow_materialize.definition.model.variables import misfit
from airflow_materialize.definition.project.project import parse_project


@pytest.fixture
def errors(write):
    """The problems of a pipeline with some variables."""

    def _errors(variables):
        root = write({"sales/pipeline.yml": f"name: sales\nvariables:\n{variables}\n"})
        [parsed] = parse_project(root)
        assert {problem.code for problem in parsed.problems} <= {"AM102", "AM103", "AM611", "AM612", "AM613", "AM614"}
        return [str(problem).removeprefix("sales/pipeline.yml:") for problem in parsed.problems]

    return _errors


GOOD = """
  text: {type: string, enum: [a, b], default: a}
  day: {type: string, default: 2026-01-01, pattern: '^\\d{4}-'}
  days: {type: integer, minimum: 7, maximum: 90, default: 30}
  rate: {type: number, default: 1}
  on: {type: boolean, default: true}
  list: {type: array, items: {type: string}, default: [a, "1"]}
  deep:
    type: array
    items: {type: object, required: [name], properties: {name: {type: string}, weight: {type: number}}}
    default: [{name: x, weight: 0.5}]
  map: {type: object, default: {a: [1]}}
  nothing: {type: [string, null]}
  empty: {type: "null", default: null}
  free: {default: 1, description: Anything., title: Free}
"""


def test_a_default_that_fits_is_no_problem(errors):
    assert errors(GOOD) == []


BAD = {
    "no default": ("  x: {type: string}", ["3:3: variables.x.default: a variable needs a `default`"]),
    "type": ("  x: {type: integer, default: many}", ['3:22: variables.x.default: "many" is of another type (its type is integer)']),
    "quoted number": ("  x: {type: integer, default: '7'}", ['3:22: variables.x.default: "7" is of another type (its type is integer)']),
    "boolean is no integer": ("  x: {type: integer, default: true}", ["3:22: variables.x.default: true is of another type (its type is integer)"]),
    "enum": ("  x: {type: string, enum: [north, south], default: nort}", ["3:43: variables.x.default: \"nort\" is none of its values (did you mean 'north'? one of: north, south)"]),
    "enum of numbers": ("  x: {enum: [1, 2], default: 3}", ["3:21: variables.x.default: 3 is none of its values (one of: 1, 2)"]),
    "minimum": ("  x: {type: integer, minimum: 7, default: 3}", ["3:34: variables.x.default: 3 is too small (at least 7)"]),
    "maximum": ("  x: {type: integer, maximum: 7, default: 9}", ["3:34: variables.x.default: 9 is too large (at most 7)"]),
    "pattern": ("  x: {type: string, pattern: '^a$', default: b}", ['3:37: variables.x.default: "b" does not match its pattern (^a$)']),
    "items": ("  x:\n    type: array\n    items: {type: integer}\n    default:\n      - 1\n      - two", ['8:9: variables.x.default[1]: "two" is of another type (its type is integer)']),
    "required": ("  x: {type: object, required: [a], default: {b: 1}}", ["3:36: variables.x.default: 'a' is a required property"]),
    "unknown type": ("  x: {type: strng, default: a}", ["3:7: variables.x.type: 'strng' is no type (did you mean 'string'? one of: array, boolean, integer, null, number, object, string)"]),
    "condition that is none": ("  x: {type: integer, minimum: low, default: 1}", ["3:22: variables.x.minimum: this is no JSON Schema: 'low' is not of type 'number'"]),
    "pattern that is none": ("  x: {type: string, pattern: '([', default: a}", ["3:21: variables.x.pattern: this is no JSON Schema: '([' is not a 'regex'"]),
    "reference": ("  x: {type: array, items: {$ref: 'http://example.org/x'}, default: [1]}", ["3:28: variables.x.items.$ref: references are not followed (write the conditions out)"]),
    "name with a dash": ("  a-b: {default: 1}", ["3:3: variables.a-b: 'a-b' is no name of a variable (a letter, then letters, digits and '_', so that a template can say var.name)"]),
    "hidden name": ("  _a: {default: 1}", ["3:3: variables._a: '_a' is no name of a variable (a letter, then letters, digits and '_', so that a template can say var.name)"]),
}  # fmt: skip


@pytest.mark.parametrize(("variables", "expected"), BAD.values(), ids=BAD.keys())
def test_a_variable_that_cannot_be_is_a_problem_at_its_place(errors, variables, expected):
    assert errors(variables) == expected


def test_a_value_that_cannot_be_judged_is_no_value():
    assert "cannot be judged" in misfit(10**400, {"multipleOf": 0.1}).message


def test_a_number_that_python_cannot_read_is_a_text(errors):
    assert errors(f"  x: {{type: integer, default: {'9' * 5000}}}")[0].startswith('3:22: variables.x.default: "999')


def test_lists_of_a_model_are_lists():
    assert misfit((1, 2), {"type": "array", "maxItems": 2}) is None
