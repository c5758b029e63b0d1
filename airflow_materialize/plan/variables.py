"""A pipeline's variables: their values in one run, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.model.variables import misfit
from airflow_materialize.errors import MaterializeError


def resolve_variables(pipeline: Pipeline, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return each variable of a pipeline with its value in one run.

    Args:
        pipeline: Declares the variables and their defaults.
        given: The values that the user gave for this run; they win.

    Raises:
        MaterializeError: A given name is no variable, or its value is not what `pipeline.yml` allows.
    """
    known = ", ".join(sorted(pipeline.variables)) or "none"
    for name, value in given.items():
        if name not in pipeline.variables:
            raise MaterializeError(
                f"The pipeline {pipeline.name} has no variable {name}", hint=f"its variables: {known}"
            )
        wrong = misfit(value, pipeline.variables[name].model_dump(exclude={"default", "description"}))
        if wrong:
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in wrong.path)
            what = f" is {wrong.value}, which {wrong.reason}" if wrong.value else f": {wrong.reason}"
            raise MaterializeError(f"The variable {name}{where}{what}", hint=wrong.hint)
    return {name: variable.default for name, variable in pipeline.variables.items()} | dict(given)


def describe_variables(pipeline: Pipeline) -> dict[str, Any]:
    """Return what `pipeline.yml` says of each variable, without its default: the shape of `BRUIN_VARS_SCHEMA`."""
    return {
        name: variable.model_dump(mode="json", exclude={"default"}, exclude_unset=True)
        for name, variable in pipeline.variables.items()
    }
