"""Writes `docs/reference` from the code: `make reference`. Each page is a function of this file, and deterministic."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

import yaml
from in_words import INNER, TOPS, listed, takes, title_of

from airflow_materialize.cli import EXIT_CODES
from airflow_materialize.cli.main import make_parser
from airflow_materialize.definition.codes import CODES, Code
from airflow_materialize.definition.inheritance.glossary import GlossaryFile
from airflow_materialize.definition.inheritance.inherit import LOAD_OPTIONS, NOT_INHERITED
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.model.column import CHECKS
from airflow_materialize.definition.model.effect import ASSET_FIELDS_WITHOUT_EFFECT, PIPELINE_FIELDS_WITHOUT_EFFECT
from airflow_materialize.definition.model.masks import MASKS
from airflow_materialize.definition.model.materialization import DEFAULT_STRATEGY, STRATEGIES, Materialization
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.schema.json_schema import (
    held_by,
    models_in,
)
from airflow_materialize.settings import OPTIONS, SECTION

if TYPE_CHECKING:
    from pydantic import BaseModel

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py from the code: `make reference`. -->"


def header() -> str:
    """Every field of an asset's header."""
    inner = [_model(name, model, _effects(Asset)) for name, model in models_in(Asset).items() if model is not Asset]
    intro = (
        "What stands between the `@bruin` markers of an asset, and in `x.asset.yml`. An empty value counts as absent."
    )
    return _page("Header", intro, _fields(Asset, _effects(Asset)), *inner)


def pipeline() -> str:
    """Every field of `pipeline.yml`."""
    effects = _effects(Pipeline)
    shared = models_in(Asset)
    inner = [
        _model(name, model, effects)
        for name, model in models_in(Pipeline).items()
        if name not in shared and model is not Pipeline
    ]
    kept = listed(sorted(NOT_INHERITED))
    defaults = (
        "## `_defaults.yml`\n\n"
        "What `default` takes, for the assets of a folder and below it: every field of a [header](header.md) except "
        f"{kept}. The nearest file wins over those above it, and all of them over `default`."
    )
    return _page("pipeline.yml", "", _fields(Pipeline, effects), *inner, defaults)


def glossary() -> str:
    """Every field of `glossary.yml`."""
    inner = [_model(name, model, {}) for name, model in models_in(GlossaryFile).items() if model is not GlossaryFile]
    return _page("glossary.yml", "", _fields(GlossaryFile, {}), *inner)


def checks() -> str:
    """The checks of columns and of queries."""
    rows = [(f"`{name}`", kind.wants, kind.description) for name, kind in CHECKS.items()]
    effects = _effects(Asset)
    models = [_model(name, models_in(Asset)[name], effects) for name in ("Check", "CustomCheck")]
    return _page("Checks", "", _table(("`name`", "`value`", "passes when"), rows), *models)


def strategies() -> str:
    """The strategies, and all else below `materialization`."""
    rows = []
    for name, strategy in STRATEGIES.items():
        needs = {
            "a column with `primary_key: true`": strategy.primary_key,
            "`incremental_key`": strategy.incremental_key,
        }
        needed = ", ".join(what for what, needed in needs.items() if needed)
        rows.append((f"`{name}`" + " (default)" * (name == DEFAULT_STRATEGY), strategy.description, needed))
    renamed = [f"`{name}` for `{own}`" for name, own in LOAD_OPTIONS.items() if name != own]
    return _page(
        "Strategies",
        "",
        _table(("`strategy`", "after the load", "needs"), rows),
        "## Options\n\n" + _fields(Materialization, _effects(Asset)),
        f"Under `parameters`, all of them but `type` count as if they stood here, and so do {', '.join(renamed)}.",
    )


def masks() -> str:
    """The masks of columns."""
    rows = [(f"`{name}`", kind.description, kind.wants, f"`{kind.example or name}`") for name, kind in MASKS.items()]
    intro = "What `mask` of a column may say: a mask, or a mask and its parameter. NULL stays NULL."
    return _page("Masks", intro, _table(("`mask`", "what stands in place of a value", "parameter", "example"), rows))


def settings() -> str:
    """The settings in Airflow's configuration."""
    rows = [
        (
            f"`{name}`",
            option.get("type", "string"),
            f"`{option['default']}`" if "default" in option else "",
            option["description"],
            f"`AIRFLOW__{SECTION}__{name}`".upper() + (f" = `{option['example']}`" if "example" in option else ""),
        )
        for name, option in OPTIONS.items()
    ]
    columns = ("option", "type", "default", "meaning", "as a variable")
    return _page("Settings", f"Section `[{SECTION}]` of Airflow's configuration.", _table(columns, rows))


def errors() -> str:
    """Every code that a problem can have."""
    intro = (
        "Each problem has a code, which never changes its meaning. AM5 are warnings. "
        "An example is a header, or several files, each below a line with its path."
    )
    listed = _table(("code", "problem"), [(f"[{code}](#{code.lower()})", text.title) for code, text in CODES.items()])
    return _page("Error codes", intro, listed, *(_code(code, text) for code, text in CODES.items()))


def _code(code: str, text: Code) -> str:
    wrong = f"Wrong:\n\n{_fence(text.wrong)}"
    right = f"\n\nRight:\n\n{_fence(text.right)}" if text.right else ""
    anchor = f'<a id="{code.lower()}"></a>'
    return f"{anchor}\n\n## {code} {text.title}\n\n{text.explanation}\n\n{wrong}{right}"


def command_line() -> str:
    """The verbs of the command line."""
    parser = make_parser()
    [verbs] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    helps = {choice.dest: choice.help for choice in verbs._choices_actions}
    parts = [f"## {name}\n\n{_sentence(helps[name])}\n\n{_arguments(verb)}" for name, verb in verbs.choices.items()]
    codes = _table(("exit code", "meaning"), [(str(code), meaning) for code, meaning in EXIT_CODES.items()])
    return _page("Command line", _sentence(parser.description), *parts, f"## Exit codes\n\n{codes}")


PAGES: dict[str, Callable[[], str]] = {
    "header.md": header,
    "pipeline.md": pipeline,
    "glossary.md": glossary,
    "checks.md": checks,
    "strategies.md": strategies,
    "masks.md": masks,
    "settings.md": settings,
    "errors.md": errors,
    "command-line.md": command_line,
}


def _arguments(verb: argparse.ArgumentParser) -> str:
    rows = [
        (f"`{_spelled(action)}`", action.help or "")
        for action in verb._actions
        if not isinstance(action, argparse._HelpAction)
    ]
    return _table(("argument", "meaning"), rows)


def _spelled(action: argparse.Action) -> str:
    value = "|".join(action.choices) if action.choices else action.metavar or action.dest.upper()
    if not action.option_strings:
        return f"[{value}]" if action.nargs == "?" else str(value)
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def _model(name: str, model: type[BaseModel], effects: dict[str, str]) -> str:
    return f"## {title_of(name)}\n\n{_sentence(INNER[name]['description'])}\n\n{_fields(model, effects)}"


def _fields(model: type[BaseModel], effects: dict[str, str]) -> str:
    schema = _schema(model)
    rows = [
        (
            f"`{name}`",
            takes(field) + (" (required)" if name in schema.get("required", ()) else ""),
            _code_of(field["default"]) if "default" in field else "",
            field["description"] + effects.get(f"{model.__name__}.{name}", ""),
            "<br>".join(_code_of(example) for example in field.get("examples", ())),
        )
        for name, field in schema["properties"].items()
        if name in model.model_fields
    ]
    return _table(("field", "takes", "default", "meaning", "example"), rows)


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return TOPS.get(model.__name__) or INNER[model.__name__]


def _effects(top: type[BaseModel]) -> dict[str, str]:
    """Return a sentence for each `Model.field` below `top` that has no effect."""
    without = ASSET_FIELDS_WITHOUT_EFFECT if top is Asset else PIPELINE_FIELDS_WITHOUT_EFFECT
    return {field: f" Has no effect: {without[path]}." for field, path in _paths(top, "") if path in without}


def _paths(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield each `Model.field` below a model with its path in a header, as `columns[].mask`."""
    for name, field in model.model_fields.items():
        path = f"{prefix}.{name}" if prefix else name
        yield f"{model.__name__}.{name}", path
        for inner in held_by(field.annotation):
            yield from _paths(inner, f"{path}[]" if get_origin(field.annotation) is tuple else path)


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([NOTE, f"# {title}", *(part for part in parts if part)]) + "\n"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _code_of(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    # A document of one scalar ends with a mark of its own.
    return f"`{text.removesuffix('...' + chr(10)).strip()}`"


def _fence(text: str) -> str:
    # What cannot be seen is written as an escape.
    shown = "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)
    return f"```text\n{shown.strip()}\n```"


def _sentence(text: str | None) -> str:
    text = (text or "").strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, make in PAGES.items():
        (FOLDER / file).write_text(make())
