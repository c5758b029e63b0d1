"""What the models refuse → problems with their places in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from airflow_materialize.definition.fields import Plain, describe, quoted
from airflow_materialize.definition.tree import MapNode, locate
from airflow_materialize.errors import Problem

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

_LISTED = 12
_CHOICE = re.compile(r"'([^']*)'")


def suggest(word: str, known: Iterable[str]) -> str:
    """Return a hint: the known word that looks like `word`, and all of them where they are few."""
    words = sorted(known)
    close = get_close_matches(word, words, n=1, cutoff=0.6)
    parts = [f"did you mean {close[0]!r}?"] if close else []
    if len(words) <= _LISTED:
        parts.append(f"one of: {', '.join(words)}")
    return " ".join(parts)


def to_problems(
    error: ValidationError, tree: MapNode, model: type[BaseModel], elsewhere: Mapping[str, str]
) -> list[Problem]:
    """Turn what a model refuses into problems.

    Args:
        error: All that the model refuses.
        tree: The text's tree, for the places.
        model: The model, for the fields that it knows.
        elsewhere: Fields that belong to another place, and where that is.
    """
    return [_problem(detail, tree, model, elsewhere) for detail in error.errors(include_url=False)]


def _problem(detail: ErrorDetails, tree: MapNode, model: type[BaseModel], elsewhere: Mapping[str, str]) -> Problem:
    path = detail["loc"]
    context = detail.get("ctx", {})
    if detail["type"] == "header":
        place, shown = locate(tree, (*path[:-1], context["instead"]) if context["instead"] else path)
        return Problem(*place, shown, context["message"], context["hint"])
    place, shown = locate(tree, path)
    if detail["type"] == "missing":
        parent = locate(tree, path[:-1])
        return Problem(*parent[0], parent[1], f"`{path[-1]}` is missing")
    if detail["type"] == "extra_forbidden":
        name = str(path[-1])
        away = elsewhere.get(name, "") if len(path) == 1 else ""
        return Problem(*place, shown, "unknown field", away or suggest(name, _fields(model, path[:-1])))
    return Problem(*place, shown, *_wording(detail["type"], detail["input"], context, detail["msg"]))


def _wording(kind: str, value: Any, context: Mapping[str, Any], message: str) -> tuple[str, str]:
    if kind == "literal_error":
        return f"{quoted(value)} is none of its values", suggest(value, _CHOICE.findall(context["expected"]))
    if kind == "tuple_type":
        return f"a list is expected, this is {describe(value)}", f"[{value}]" if isinstance(value, Plain) else ""
    if kind in {"dict_type", "mapping_type", "model_type", "model_attributes_type"}:
        return f"a mapping is expected, this is {describe(value)}", ""
    bounds = {
        "greater_than_equal": (f"{value} is too small", f"at least {context.get('ge')}"),
        "less_than_equal": (f"{value} is too large", f"at most {context.get('le')}"),
        "string_too_short": ("it is empty", ""),
    }
    return bounds.get(kind, (message, ""))


def _fields(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The fields of the model at `path` below `model`."""
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    from typing import get_args

    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model), None)
