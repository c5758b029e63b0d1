"""What a field takes, in words, from its JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from airflow_materialize.definition.inheritance.glossary import GlossaryFile
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.schema.json_schema import glossary_schema, header_schema, models_in, pipeline_schema

TOPS = {"Asset": header_schema(), "Pipeline": pipeline_schema(), "GlossaryFile": glossary_schema()}
"""The schemas of whole files, by their models."""

INNER = TOPS["Pipeline"]["$defs"] | TOPS["GlossaryFile"]["$defs"]
"""The schemas of all other models."""


def takes(schema: dict[str, Any]) -> str:
    """Say in words what a field takes, from its schema."""
    return " or ".join(dict.fromkeys(_words(schema)))


def _words(schema: dict[str, Any]) -> Iterator[str]:
    kinds = schema.get("type", [])
    kinds = {kinds} - {""} if isinstance(kinds, str) else set(kinds)
    if "anyOf" in schema:
        for choice in schema["anyOf"]:
            # A comment marks other spellings of what is said already.
            yield from _words(choice) if "$comment" not in choice else ()
    elif "$ref" in schema:
        yield _link(schema["$ref"].rpartition("/")[2])
    elif "enum" in schema or "const" in schema:
        yield listed(str(word) for word in schema.get("enum", [schema.get("const")]) if word != "")
    elif "array" in kinds:
        yield f"list of {takes(schema.get('items', {}))}"
    elif "object" in kinds:
        of = schema.get("additionalProperties")
        yield f"mapping of {takes(of)}" if isinstance(of, dict) and of else "mapping"
    else:
        yield from _scalar(schema, kinds - {"null"})


def _scalar(schema: dict[str, Any], kinds: set[str]) -> Iterator[str]:
    bounds = f" {schema['minimum']} to {schema['maximum']}" if "maximum" in schema else ""
    if "integer" in kinds:
        yield "whole number" + (bounds or (f", at least {schema['minimum']}" if "minimum" in schema else ""))
    elif kinds == {"boolean"}:
        yield "`true`, `false`"
    elif "string" in kinds:
        yield "text"
    elif kinds:
        yield " or ".join(sorted(kinds))
    elif schema.keys() - {"title", "description", "default", "examples", "not"} == set():
        yield "anything"


def _link(name: str) -> str:
    if name == "Defaults":
        return "[fields of a header](header.md)"
    pages = {"header.md": models_in(Asset), "glossary.md": models_in(GlossaryFile), "pipeline.md": models_in(Pipeline)}
    page = next(page for page, models in pages.items() if name in models)
    return f"[{title_of(name).lower()}]({page}#{title_of(name).lower().replace(' ', '-')})"


def listed(words: Iterable[str]) -> str:
    """Return words as code, with commas."""
    return ", ".join(f"`{word}`" for word in words)


def title_of(name: str) -> str:
    """Return the title of a model."""
    return str(INNER[name]["title"])
