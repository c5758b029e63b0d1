"""What JSON Schema can say of single fields beyond their types. Read by `json_schema.py` alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_materialize.definition.model.asset import PYTHONS
from airflow_materialize.definition.model.column import CHECKS
from airflow_materialize.definition.model.masks import MASKS
from airflow_materialize.definition.model.materialization import STRATEGIES
from airflow_materialize.definition.model.pipeline import ON_ASSETS, SCHEDULE_WORDS
from airflow_materialize.definition.model.variables import TYPES

# No `\w`: editors take it for ASCII.
_WORD = r"[^\s!-,/:-@\[-^`{-~.]+"
_WORD_OF_CODE = r"[^\s!-/:-@\[-^`{-~]+"
_TEXT = {"type": ["string", "number", "boolean"]}
_FILLED = {**_TEXT, "minLength": 1}
# Marks what an author may write as well, for whoever describes the field to people.
_SPELLINGS = {"$comment": "another spelling"}
_TEMPLATE = {"type": "string", "pattern": r"\{\{|\{%"}
TEMPLATE = {**_TEMPLATE, "$comment": "a template, as {{ var.name }}"}
_DURATION = r"([0-9]+(\.[0-9]+)?(h|ms|m|s|us|µs|ns))+"


def _list_of(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _any_case(words: Iterable[str], around: str = "^({})?$") -> dict[str, Any]:
    """One of the words, which an editor offers, in any case and with what may stand around it; or nothing."""
    spelled = (
        "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else f"[{letter}]" for letter in word)
        for word in words
    )
    return {"anyOf": [_one_of(words), {"type": "string", "pattern": around.format("|".join(spelled)), **_SPELLINGS}]}


def _one_of(words: Iterable[str]) -> dict[str, Any]:
    """One of the words. Where they come with descriptions, editors show these beside them."""
    # That keyword is none of JSON Schema itself, which passes over what it does not know.
    said = {"markdownEnumDescriptions": list(words.values())} if isinstance(words, dict) else {}
    return {"enum": list(words), **said}


_MODIFIER = {
    "anyOf": [
        {"type": "string", "pattern": r"^([+\-]?[0-9]+(h|ms|ns|m|s|d|M))?$"},
        {"const": 0, **_SPELLINGS},
        _TEMPLATE,
    ]
}
_DEPENDENCY = {"anyOf": [_FILLED, {"$ref": "#/$defs/Dependency"}]}
_NAME = {**_TEXT, "pattern": rf"^{_WORD}(\.{_WORD})*$", "maxLength": 200}
_YES = {"type": "boolean"}
_WORDS = {"type": "string", "pattern": "^([Yy]([Ee][Ss])?|[Nn][Oo]?|[Oo][Nn]|[Oo][Ff][Ff]|[TtFf])$", **_SPELLINGS}

GIVEN = {"Asset": {"name"}, "Pipeline": {"name"}, "Column": {"name"}}
"""Required fields that the text may leave out: a path or the glossary says them."""

WITHOUT_TEMPLATES = frozenset(
    {"Variable", "Check.value", "Asset.enabled", "IntervalModifiers.start", "IntervalModifiers.end"}
)
"""Models, and fields, whose values parsing does not fill in, or that say themselves that they take a template."""

REFINED: dict[str, dict[str, Any]] = {
    "Asset.name": _NAME,
    "Asset.type": _any_case(["python"]),
    "Asset.enabled": {"anyOf": [_YES, _TEMPLATE, _WORDS, {"enum": [0, 1], **_SPELLINGS}]},
    "Asset.depends": {"anyOf": [*_DEPENDENCY["anyOf"], _list_of(_DEPENDENCY)]},
    "Asset.connections": {"anyOf": [_list_of(_TEXT), {"type": "object", "additionalProperties": _TEXT}]},
    "Asset.instance": {**_TEXT, "pattern": r"^[^:]*$|^(pool|queue):.*\S"},
    "Asset.image": {"enum": [*PYTHONS, ""]},
    "Asset.retries": {"anyOf": [{"type": "integer", "minimum": 0}, {"$ref": "#/$defs/Retries"}]},
    "Asset.timeout": {"type": "string", "pattern": f"^({_DURATION})?$"},
    "Dependency.columns": _list_of({"anyOf": [_TEXT, {"type": "object", "additionalProperties": _TEXT}]}),
    "Dependency.mode": _any_case(["full", "symbolic"]),
    "Column.mask": _any_case(
        {name: kind.description for name, kind in MASKS.items()}, r"^$|^\s*([^:]*:)?\s*({})\s*(:.*)?$"
    ),
    "CustomCheck.query": {**_TEXT, "pattern": r"\S"},
    "Check.name": _one_of({name: kind.description for name, kind in CHECKS.items()}),
    "Column.extends": {"type": "string", "pattern": r"^([^.]+\.[^.]+)?$"},
    "Materialization.type": _any_case(["table", "view", "none"]),
    "Materialization.strategy": _any_case({name: strategy.description for name, strategy in STRATEGIES.items()}),
    "parameters.incremental_strategy": {"const": "replace", "description": "The same as `create+replace`."},
    "parameters.cluster_by": {**_TEXT, "description": "One column."},
    "Retries.backoff": {"anyOf": [_YES, {"type": "number", "minimum": 1}]},
    "Variable.type": {"anyOf": [{"enum": list(TYPES)}, _list_of({"enum": [*TYPES, None]})]},
    "Pipeline.name": {**_TEXT, "pattern": rf"^{_WORD}(\.+{_WORD})*$", "maxLength": 200},
    "Pipeline.schedule": {
        "anyOf": [
            {"enum": [*SCHEDULE_WORDS, ON_ASSETS]},
            {"enum": [*(f"@{word}" for word in SCHEDULE_WORDS), "@annually", "@midnight", ""], **_SPELLINGS},
            {"type": "string", "pattern": rf"^\s*@every\s*{_DURATION}\s*$"},
            {"type": "string", "pattern": r"^\s*\S+(\s+\S+){4}\s*$"},
        ]
    },
    "Pipeline.variables": {
        "type": "object",
        "propertyNames": {"pattern": rf"^(?![0-9_]){_WORD_OF_CODE}$"},
        "additionalProperties": {"$ref": "#/$defs/Variable"},
    },
    "Pipeline.variants": {
        "type": "object",
        "propertyNames": {"pattern": "^[a-zA-Z0-9_-]+$"},
        "additionalProperties": {"type": ["object", "null"]},
    },
    "Pipeline.assets": {"type": "array", "maxItems": 0},
    "Pipeline.catchup": {"anyOf": [_YES, {"enum": ["active", "all"]}, _WORDS]},
    "IntervalModifiers.start": _MODIFIER,
    "IntervalModifiers.end": _MODIFIER,
}
"""What a field, as `Model.field`, takes, in place of what its type says."""


_NULL_AMONG = {"type": "array", "contains": {"enum": ["null", None]}}


def _is_named(name: str) -> dict[str, Any]:
    return {"properties": {"name": {"const": name}}, "required": ["name"]}


def _has(field: str) -> dict[str, Any]:
    return {"required": [field], "properties": {field: {"not": {"enum": ["", None]}}}}


CONDITIONS: dict[str, dict[str, Any]] = {
    "Check": {
        "allOf": [
            {"if": _is_named(name), "then": {"required": ["value"], "properties": {"value": dict(kind.schema)}}}
            for name, kind in CHECKS.items()
            if kind.wants
        ]
    },
    "Column": {"anyOf": [_has("name"), _has("extends")]},
    "Dependency": {"oneOf": [_has("asset"), _has("uri")]},
    "Variable": {
        "anyOf": [
            _has("default"),
            {"properties": {"type": {"anyOf": [{"const": "null"}, _NULL_AMONG]}}, "required": ["type"]},
        ]
    },
}
"""What joins several fields of a model."""
