"""Variants: one `pipeline.yml`, several pipelines; and the templates that are filled in while files are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from types import SimpleNamespace
from typing import Any

from airflow_materialize.definition.text.fields import as_value, quoted
from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.definition.text.tree import Entry, ListNode, MapNode, Node, Provenance, Scalar, to_data
from airflow_materialize.errors import Problem

ASSET_FIELDS_OF_RUNS = frozenset(
    (
        *("enabled", "parameters", "hooks", "interval_modifiers", "custom_checks[].query"),
        "columns[].checks[].value",  # Braces of a pattern are no template.
    )
)
"""Fields of assets whose templates wait for the DAG run, which knows its dates."""

PIPELINE_FIELDS_OF_RUNS = frozenset(("default", "variables", "variants"))
"""Fields of `pipeline.yml` that are filled in as asset fields, or never."""

# Each is a DAG with every asset.
_MOST = 100
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
_TEMPLATE = re.compile(r"\{\{|\{%")
_NAMES = re.compile(r"\b(?:var|variant)\b")
_ONE_EXPRESSION = re.compile(r"\{\{[^{}]*\}\}")


def has_template(text: str) -> bool:
    """Say whether a text may hold a template."""
    return _TEMPLATE.search(text) is not None


@dataclass(frozen=True)
class Scope:
    """What templates know while files are read.

    Attributes:
        variant: The variant's name; empty where the pipeline has none.
        values: The variables with their values.
        problems: What is wrong with the variant.
        given: Where each value that is the variant's own stands → its path.
    """

    variant: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    given: Mapping[Provenance, str] = field(default_factory=dict)

    def fill_in(self, tree: MapNode, left_alone: frozenset[str]) -> tuple[MapNode, list[Problem]]:
        """Fill in the templates of a tree.

        Args:
            tree: The tree.
            left_alone: Fields, as `custom_checks[].query`, that stay as they are.

        Returns:
            The tree, with every value at its former place, and what cannot be filled in.
        """
        filling = _Filling(self, left_alone)
        filled = filling.node(tree, "", "")
        return filled if isinstance(filled, MapNode) else tree, filling.problems

    def concerns(self, text: str) -> bool:
        """Say whether a text is filled in: of a pipeline without variants, only what mentions its variables."""
        return has_template(text) and (bool(self.variant) or _NAMES.search(text) is not None)


class _Filling:
    def __init__(self, scope: Scope, left_alone: frozenset[str]) -> None:
        self.scope = scope
        self.left_alone = left_alone
        self.names = {"var": SimpleNamespace(**scope.values), "variant": scope.variant}
        self.problems: list[Problem] = []

    def node(self, node: Node, pattern: str, path: str) -> Node:
        if isinstance(node, Scalar):
            return self.scalar(node, path) if self.scope.concerns(node.text) else node
        if isinstance(node, ListNode):
            items = [self.node(item, f"{pattern}[]", f"{path}[{index}]") for index, item in enumerate(node.items)]
            return ListNode(items, node.place)
        entries = {}
        for name, entry in node.entries.items():
            below, shown = (f"{pattern}.{name}", f"{path}.{name}") if pattern else (name, name)
            left = below in self.left_alone
            entries[name] = entry if left else Entry(entry.place, self.node(entry.value, below, shown))
        return MapNode(node.place, entries)

    def scalar(self, scalar: Scalar, path: str) -> Scalar:
        from airflow_materialize.definition.inheritance.rendering import UnfillableError, render_now

        try:
            text = render_now(scalar.text, self.names)
        except UnfillableError as error:
            message = f"the template cannot be filled in: {error.reason}"
            self.problems.append(Problem(*scalar.place, path, message, error.hint, code="AM631"))
            return scalar
        # A number or a boolean of a variable is one for the field, although a template stands in quotes.
        return Scalar(text, plain=_ONE_EXPRESSION.fullmatch(scalar.text.strip()) is not None, place=scalar.place)


def scopes_of(pipeline: MapNode) -> list[Scope]:
    """Return the scope of each variant, in the order of the file; one without a variant where there is none.

    Args:
        pipeline: The tree of `pipeline.yml`, whatever else is wrong with it.
    """
    defaults = _values(pipeline.get("variables"), "default")
    variants = pipeline.get("variants")
    if not isinstance(variants, MapNode) or not variants.entries:
        return [Scope("", defaults)]
    scopes = [_scope(name, entry, pipeline, defaults) for name, entry in islice(variants.entries.items(), _MOST)]
    if len(variants.entries) > _MOST:
        place = pipeline.entries["variants"].place
        message = f"there are {len(variants.entries)} variants"
        problem = Problem(*place, "variants", message, f"at most {_MOST}", code="AM621")
        scopes = [replace(scope, problems=(*scope.problems, problem)) for scope in scopes]
    return scopes


def _scope(name: str, entry: Entry, pipeline: MapNode, defaults: Mapping[str, Any]) -> Scope:
    own = entry.value.entries if isinstance(entry.value, MapNode) else {}
    values = {key: as_value(to_data(value.value)) for key, value in own.items()}
    given = {value.place: f"variants.{name}.{key}" for key, value in own.items()}
    return Scope(name, {**defaults, **values}, tuple(_problems(name, entry, pipeline)), given)


def _problems(name: str, entry: Entry, pipeline: MapNode) -> Iterator[Problem]:
    if not _NAME.fullmatch(name):
        message, hint = f"{quoted(name)} is no name of a variant", "letters, digits, '_' and '-'"
        yield Problem(*entry.place, f"variants.{name}", message, hint, code="AM622")
    if not isinstance(entry.value, MapNode):
        if not (isinstance(entry.value, Scalar) and entry.value.empty):
            message, hint = "a variant is a mapping of variables to values", "name: value"
            yield Problem(*entry.place, f"variants.{name}", message, hint, code="AM621")
        return
    declared = pipeline.get("variables")
    known = declared.entries if isinstance(declared, MapNode) else {}
    for key, value in entry.value.entries.items():
        if key not in known:
            message = f"there is no variable {quoted(key)}"
            hint = suggest(key, known) or "declare it under `variables`"
            yield Problem(*value.place, f"variants.{name}.{key}", message, hint, code="AM621")


def _values(variables: Node | None, key: str) -> dict[str, Any]:
    entries = variables.entries if isinstance(variables, MapNode) else {}
    values = {name: entry.value.get(key) for name, entry in entries.items() if isinstance(entry.value, MapNode)}
    return {name: as_value(to_data(value)) if value else None for name, value in values.items()}


def with_values(pipeline: MapNode, scope: Scope) -> MapNode:
    """Return `pipeline.yml` with the variant's values as the defaults of its variables, each at its own place."""
    variables, variants = pipeline.get("variables"), pipeline.get("variants")
    chosen = variants.get(scope.variant) if isinstance(variants, MapNode) and scope.variant else None
    if not isinstance(variables, MapNode) or not isinstance(chosen, MapNode):
        return pipeline
    declared = dict(variables.entries)
    for name, value in chosen.entries.items():
        variable = declared.get(name)
        if variable and isinstance(variable.value, MapNode) and variable.value.get("default") is not None:
            fields = {**variable.value.entries, "default": value}
            declared[name] = Entry(variable.place, MapNode(variable.value.place, fields))
    place = pipeline.entries["variables"].place
    entries = {**pipeline.entries, "variables": Entry(place, MapNode(variables.place, declared))}
    return MapNode(pipeline.place, entries)
