"""The JSON Schema of a header, `pipeline.yml`, `_defaults.yml` and `glossary.yml`, made from the models for editors.

An editor sees one file, as data of YAML 1.2: it cannot tell a text in quotes from one without, nor what a pipeline
adds. So a schema takes whatever parsing takes, and refuses less. Nothing of this is imported while DAGs are parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, get_args

import annotated_types
from pydantic import BaseModel

from airflow_materialize.definition.inheritance.glossary import GlossaryFile
from airflow_materialize.definition.inheritance.inherit import LOAD_OPTIONS, NOT_INHERITED
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.schema.examples import EXAMPLES
from airflow_materialize.definition.schema.refinements import CONDITIONS, GIVEN, REFINED, TEMPLATE, WITHOUT_TEMPLATES

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NULL = {"type": "null"}
_ANNOTATIONS = ("title", "description", "default", "examples")
_BOUNDS = {
    annotated_types.Ge: ("minimum", "ge"),
    annotated_types.Le: ("maximum", "le"),
    annotated_types.MinLen: ("minLength", "min_length"),
}


def header_schema() -> Schema:
    """Return the schema of a header, which is that of a whole `x.asset.yml` as well."""
    return _document(Asset, "The header of an asset")


def pipeline_schema() -> Schema:
    """Return the schema of `pipeline.yml`."""
    schema = _document(Pipeline, "pipeline.yml")
    defaults = defaults_schema()
    del defaults["$schema"]
    schema["$defs"] = dict(sorted({**defaults.pop("$defs"), **schema["$defs"], "Defaults": defaults}.items()))
    default = schema["properties"]["default"]
    said = {key: default[key] for key in _ANNOTATIONS if key in default}
    schema["properties"]["default"] = said | _nullable({"$ref": "#/$defs/Defaults"})
    return schema


def defaults_schema() -> Schema:
    """Return the schema of `_defaults.yml`, and of `default` in `pipeline.yml`."""
    schema = _document(Asset, "_defaults.yml")
    schema["type"] = ["object", "null"]
    schema["description"] = "Asset fields that every asset below inherits."
    for name in NOT_INHERITED & schema["properties"].keys():
        # With any value: it is looked at for none of the assets.
        schema["properties"][name] = {
            "title": _title(name),
            "description": "Not inherited: each asset has its own.",
            "deprecated": True,
        }
    return schema


def glossary_schema() -> Schema:
    """Return the schema of `glossary.yml`."""
    return _document(GlossaryFile, "glossary.yml")


SCHEMAS: dict[str, Callable[[], Schema]] = {
    "header": header_schema,
    "pipeline": pipeline_schema,
    "defaults": defaults_schema,
    "glossary": glossary_schema,
}
"""What a user may ask for → its schema."""


def models_in(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return a model and all models that its fields hold, by name, in the order of the fields."""
    found = {model.__name__: model}
    for field in model.model_fields.values():
        for inner in held_by(field.annotation):
            found |= models_in(inner)
    return found


def held_by(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a type holds, directly or as items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from held_by(argument)


def _document(model: type[BaseModel], title: str) -> Schema:
    """Return the schema of a whole file."""
    generated = model.model_json_schema()
    inner = {name: held for name, held in models_in(model).items() if held is not model}
    schemas = {name: _object(held, generated["$defs"][name]) for name, held in sorted(inner.items())}
    body = _object(model, generated)
    if "Materialization" in schemas:
        options = {name: _load_option(name) for name in LOAD_OPTIONS}
        body["properties"]["parameters"]["properties"] = options
        schemas["Materialization"]["properties"]["on_duplicate"] = options["on_duplicate"]
    return {"$schema": DIALECT, **body, "title": title, "$defs": schemas}


def _load_option(name: str) -> Schema:
    """Return the schema of a load option under `parameters`: that of `materialization`, and what is read as that."""
    own: Schema = {"$ref": f"#/$defs/Materialization/properties/{LOAD_OPTIONS[name]}"}
    more = REFINED.get(f"parameters.{name}")
    return {"anyOf": [own, more]} if more else own


def _object(model: type[BaseModel], generated: Schema) -> Schema:
    name = model.__name__
    given = GIVEN.get(name, ())
    required = [field for field, info in model.model_fields.items() if info.is_required() and field not in given]
    properties = {
        field: _property(f"{name}.{field}", info, generated["properties"][field], required=field in required)
        for field, info in model.model_fields.items()
    }
    return {
        "title": _title(name),
        "description": generated["description"],
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": model.model_config.get("extra") == "allow",
        **CONDITIONS.get(name, {}),
    }


def _property(path: str, info: FieldInfo, generated: Schema, *, required: bool) -> Schema:
    shape = REFINED.get(path) or _bounded(_without_null(generated), info)
    if path.partition(".")[0] not in WITHOUT_TEMPLATES and path not in WITHOUT_TEMPLATES:
        shape = _or_template(shape)
    if not required:
        shape = _nullable(shape)
    default = generated.get("default")
    said = {
        "title": _title(path.rpartition(".")[2]),
        "description": info.description,
        **({"default": default} if default not in (None, "", [], {}) else {}),
        **({"examples": EXAMPLES[path]} if path in EXAMPLES else {}),
    }
    return said | shape


def _without_null(schema: Schema) -> Schema:
    """Return what a field takes, without annotations and null, which every field takes that may be left out."""
    shape = {key: value for key, value in schema.items() if key not in (*_ANNOTATIONS, "discriminator")}
    choices = [choice for choice in shape.get("anyOf", ()) if choice != _NULL]
    if "anyOf" not in shape:
        return shape
    return dict(choices[0]) if len(choices) == 1 else {"anyOf": choices}


def _bounded(shape: Schema, info: FieldInfo) -> Schema:
    for bound in info.metadata:
        if type(bound) in _BOUNDS:
            keyword, attribute = _BOUNDS[type(bound)]
            keyword = "minItems" if shape.get("type") == "array" else keyword
            shape = {key: value for key, value in shape.items() if key != attribute}
            shape[keyword] = getattr(bound, attribute)
    return shape


def _or_template(shape: Schema) -> Schema:
    """Let a value that is not just any text be a template, which parsing fills in before it judges the value."""
    choices = shape.get("anyOf", [shape])
    if not any(_is_scalar(choice) for choice in choices) or any(_is_any_text(choice) for choice in choices):
        return shape
    return {"anyOf": [*choices, TEMPLATE]}


def _is_scalar(shape: Schema) -> bool:
    return "enum" in shape or "const" in shape or bool({"string", "number", "integer", "boolean"} & {*_kinds(shape)})


def _is_any_text(shape: Schema) -> bool:
    return "string" in _kinds(shape) and not {"pattern", "enum", "const"} & shape.keys()


def _kinds(shape: Schema) -> list[str]:
    kinds = shape.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _nullable(shape: Schema) -> Schema:
    if not shape:
        return shape
    if "anyOf" in shape:
        return {**shape, "anyOf": [*shape["anyOf"], _NULL]}
    if not _kinds(shape) or "enum" in shape or "const" in shape:
        return {"anyOf": [shape, _NULL]}
    return {**shape, "type": [*_kinds(shape), "null"]}


def _title(name: str) -> str:
    """Return a name in words: `CustomCheck` and `custom_check` are `Custom check`."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced.replace("_", " ").strip().capitalize()
