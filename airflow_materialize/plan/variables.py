"""A pipeline's variables: their values in one run, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_materialize.definition.pipeline import Pipeline
from airflow_materialize.errors import MaterializeError

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
"""JSON Schema's types: https://json-schema.org/understanding-json-schema/reference/type"""


def resolve_variables(pipeline: Pipeline, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return each variable of a pipeline with its value in one run.

    Args:
        pipeline: Declares the variables and their defaults.
        given: The values that the user gave for this run; they win.

    Raises:
        MaterializeError: A given name is no variable, or its value is not of the variable's type.
    """
    known = ", ".join(sorted(pipeline.variables)) or "none"
    for name, value in given.items():
        if name not in pipeline.variables:
            raise MaterializeError(
                f"The pipeline {pipeline.name} has no variable {name}", hint=f"its variables: {known}"
            )
        declared = pipeline.variables[name].type
        types = (declared,) if isinstance(declared, str) else declared
        if not _is_of_type(value, types):
            hint = f"its type is {' or '.join(types)}"
            raise MaterializeError(f"The variable {name} is {json.dumps(value)}", hint=hint)
    return {name: variable.default for name, variable in pipeline.variables.items()} | dict(given)


def describe_variables(pipeline: Pipeline) -> dict[str, Any]:
    """Return what `pipeline.yml` says of each variable, without its default: the shape of `BRUIN_VARS_SCHEMA`."""
    return {
        name: variable.model_dump(mode="json", exclude={"default"}, exclude_unset=True)
        for name, variable in pipeline.variables.items()
    }


def _is_of_type(value: Any, names: tuple[str, ...]) -> bool:
    if not all(name in _TYPES for name in names):
        return True
    if isinstance(value, bool):  # An int for Python, none for JSON.
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in names)
