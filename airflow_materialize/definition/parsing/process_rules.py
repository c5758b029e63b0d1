"""Rules for what concerns an asset's process: masks, renames and secrets. They read the tree, as `rules` does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from airflow_materialize.definition.model.masks import rule_problem, split_mask
from airflow_materialize.definition.text.fields import quoted
from airflow_materialize.definition.text.tree import MapNode, Provenance, Scalar
from airflow_materialize.errors import Problem

_TEMPLATE = re.compile(r"\{\{|\{%")
_OURS = ("BRUIN_", "MATERIALIZE_")


def _sources_are_distinct(tree: MapNode) -> Iterator[Problem]:
    """A column of the result becomes one column of the table."""
    seen: dict[str, tuple[str, int]] = {}
    for path, column in tree.listed("columns"):
        name, source = column.text("name"), column.text("source_column")
        wanted = source or name
        if not wanted:
            continue
        field = "source_column" if source else "name"
        place = column.entries[field].place
        first, line = seen.setdefault(wanted, (name, place.line))
        if first != name:
            message = f"the result's column {quoted(wanted)} becomes {quoted(first)} already, on line {line}"
            yield Problem(*place, f"{path}.{field}", message, "one column of the table for each", code="AM222")


def _secrets_have_names(tree: MapNode) -> Iterator[Problem]:
    for path, secret in tree.listed("secrets"):
        field = "inject_as" if secret.text("inject_as") else "key"
        name = secret.text(field)
        place, shown = secret.entries[field].place if name else secret.place, f"{path}.{field}"
        if "=" in name or "\0" in name:
            yield Problem(*place, shown, f"{quoted(name)} is no name of a variable", "without '='", code="AM223")
        elif name.startswith(_OURS):
            message = f"{quoted(name)} is a name that each run gives itself"
            yield Problem(*place, shown, message, "choose another one", code="AM223")


def _mask_rule_is_right(tree: MapNode) -> Iterator[Problem]:
    parameters = tree.get("parameters")
    entry = parameters.entries.get("mask") if isinstance(parameters, MapNode) else None
    if entry is None:
        return
    if not isinstance(entry.value, Scalar):
        yield Problem(*entry.place, "parameters.mask", "a text is expected", "as email:hash", code="AM221")
    elif not entry.value.empty and not _TEMPLATE.search(entry.value.text):
        problem = rule_problem(entry.value.text)
        if problem:
            yield Problem(*entry.place, "parameters.mask", *problem, code="AM221")


def _keys_are_no_secret(tree: MapNode) -> Iterator[Problem]:
    """The key of `hmac` may stand in the header, as in Bruin; then everybody reads it."""
    names = {secret.text("inject_as") or secret.text("key") for _, secret in tree.listed("secrets")}
    for path, column in tree.listed("columns"):
        method, key = split_mask(column.text("mask"), column.text("name"))
        if method == "hmac" and key and key not in names:
            yield _open_key(column.entries["mask"].place, f"{path}.mask")


def _open_key(place: Provenance, path: str) -> Problem:
    message = "the key of hmac is no declared secret: the text itself is the key, and everybody reads it here"
    hint = "store it as an Airflow Variable, declare that under `secrets`, and name it here"
    return Problem(*place, path, message, hint, "warning", code="AM507")


PROCESS_RULES: tuple[Callable[[MapNode], Iterator[Problem]], ...] = (
    _sources_are_distinct,
    _secrets_have_names,
    _mask_rule_is_right,
    _keys_are_no_secret,
)
