"""A pipeline's variables: what their declarations allow, as JSON Schema says it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from airflow_materialize.definition.text.fields import as_value, quoted
from airflow_materialize.definition.text.patterns import without_slow_patterns
from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.definition.text.tree import MapNode, locate, to_data
from airflow_materialize.errors import Problem

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}
"""JSON Schema's types: https://json-schema.org/understanding-json-schema/reference/type"""

# Keywords that say nothing about the value, or that are judged here.
_JUDGED = frozenset({"type", "default", "description", "title", "examples", "$comment", "deprecated"})
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef", "$schema", "$id")


class Misfit(NamedTuple):
    """Why a value is none of a variable.

    Attributes:
        path: The part of the value that is meant, from its top.
        value: That part, as text; empty where the reason names it.
        reason: What is wrong with it.
        hint: What would be right.
    """

    path: tuple[int | str, ...]
    value: str
    reason: str
    hint: str = ""

    @property
    def message(self) -> str:
        """What is wrong, as a sentence."""
        return f"{self.value} {self.reason}".strip()


def misfit(value: Any, declared: Mapping[str, Any]) -> Misfit | None:
    """Say why a value does not fit a declaration, or None where it does.

    Args:
        value: The value.
        declared: What `pipeline.yml` says of the variable.
    """
    types = types_of(declared.get("type"))
    if types and not _is_of_type(value, types):
        return Misfit((), _shown(value), "is of another type", f"its type is {' or '.join(types)}")
    conditions = {key: condition for key, condition in declared.items() if key not in _JUDGED}
    return _broken_condition(value, {**conditions, **({"type": list(types)} if types else {})}) if conditions else None


def types_of(said: Any) -> tuple[str, ...]:
    """Return the types that a declaration's `type` allows; none where it allows all."""
    return (said,) if said and isinstance(said, str) else tuple(word or "null" for word in said or ())


def check_variables(pipeline: MapNode) -> Iterator[Problem]:
    """Yield the problems of what `pipeline.yml` says of variables, and of their defaults.

    Args:
        pipeline: The tree of `pipeline.yml`.
    """
    variables = pipeline.get("variables")
    for name, entry in variables.entries.items() if isinstance(variables, MapNode) else ():
        path = ("variables", name)
        if not name.isidentifier() or name.startswith("_"):
            message = f"{quoted(name)} is no name of a variable"
            hint = "a letter, then letters, digits and '_', so that a template can say var.name"
            yield Problem(*entry.place, ".".join(path), message, hint, code="AM613")
        if isinstance(entry.value, MapNode):
            yield from _check(pipeline, path, as_value(to_data(entry.value)))


def _check(pipeline: MapNode, path: tuple[int | str, ...], declared: dict[str, Any]) -> Iterator[Problem]:
    problem = _broken_declaration(declared)
    if problem:
        place, shown = locate(pipeline, (*path, *problem.path))
        yield Problem(*place, shown, problem.message, problem.hint, code="AM614")
    elif declared.get("default") is not None:
        found = misfit(declared["default"], without_slow_patterns(declared))
        if found:
            place, shown = locate(pipeline, (*path, "default", *found.path))
            yield Problem(*place, shown, found.message, found.hint, code="AM612")


def _broken_declaration(declared: Mapping[str, Any]) -> Misfit | None:
    types = declared.get("type")
    words = [types] if isinstance(types, str) else types if isinstance(types, list) else []
    for word in words:
        if word is not None and word not in TYPES:
            return Misfit(("type",), quoted(word), "is no type", suggest(str(word), TYPES))
    found = reference_in(declared)
    if found:
        return Misfit(found, "", "references are not followed", "write the conditions out")
    conditions = {key: condition for key, condition in declared.items() if key not in _JUDGED}
    if not conditions:
        return None
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(conditions, format_checker=Draft202012Validator.FORMAT_CHECKER)
    except SchemaError as error:
        return Misfit(tuple(error.absolute_path), "", f"this is no JSON Schema: {_cut(error.message)}")
    return None


def reference_in(schema: Any, path: tuple[int | str, ...] = ()) -> tuple[int | str, ...]:
    """Return the way to a reference: one to elsewhere would be fetched, one to its own outside would never end."""
    children: Iterator[tuple[int | str, Any]] = iter(())
    if isinstance(schema, Mapping):
        found = next((word for word in _REFERENCES if word in schema), None)
        if found:
            return (*path, found)
        children = ((key, item) for key, item in schema.items() if key not in {"default", "enum", "const", "examples"})
    elif isinstance(schema, list):
        children = iter(enumerate(schema))
    ways = (reference_in(item, (*path, key)) for key, item in children)
    return next((way for way in ways if way), ())


def _broken_condition(value: Any, schema: dict[str, Any]) -> Misfit | None:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    try:
        # Lists of YAML are tuples where they come from a model.
        error = best_match(Draft202012Validator(schema).iter_errors(_as_json(value)))
    except (ArithmeticError, RecursionError, TypeError, ValueError) as refusal:
        return Misfit((), "", f"it cannot be judged: {_cut(str(refusal))}")
    if error is None:
        return None
    path, broken, allowed = tuple(error.absolute_path), str(error.validator), error.validator_value
    wordings: dict[str, tuple[str, str]] = {
        "enum": ("is none of its values", _choices(error.instance, _as_list(allowed))),
        "const": ("is not its value", _shown(allowed)),
        "minimum": ("is too small", f"at least {allowed}"),
        "exclusiveMinimum": ("is too small", f"above {allowed}"),
        "maximum": ("is too large", f"at most {allowed}"),
        "exclusiveMaximum": ("is too large", f"below {allowed}"),
        "pattern": ("does not match its pattern", str(allowed)),
        "type": ("is of another type", f"its type is {' or '.join(map(str, _as_list(allowed)))}"),
    }
    if broken not in wordings:
        return Misfit(path, "", _cut(error.message))
    return Misfit(path, _shown(error.instance), *wordings[broken])


def _choices(value: Any, allowed: list[Any]) -> str:
    if isinstance(value, str) and all(isinstance(choice, str) for choice in allowed):
        return suggest(value, allowed)
    return f"one of: {_cut(', '.join(map(_shown, allowed)))}"


def _as_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, list | tuple) else value


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_of_type(value: Any, names: tuple[str, ...]) -> bool:
    if isinstance(value, bool):  # An int for Python, none for JSON.
        return "boolean" in names
    return any(isinstance(value, TYPES.get(name, object)) for name in names)


def _shown(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False, default=str))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


_LONGEST = 120
