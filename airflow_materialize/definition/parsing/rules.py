"""Rules that join several fields of a header.

They read the tree, so that they hold for a header that has other mistakes as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice

from airflow_materialize.definition.model.column import CHECKS
from airflow_materialize.definition.model.materialization import DEFAULT_STRATEGY, STRATEGIES
from airflow_materialize.definition.parsing.load_rules import LOAD_RULES
from airflow_materialize.definition.parsing.process_rules import PROCESS_RULES
from airflow_materialize.definition.parsing.shape import is_table, is_yes
from airflow_materialize.definition.parsing.template_rules import check_templates
from airflow_materialize.definition.text.fields import as_value, quoted
from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.definition.text.tree import (
    MOST_PROBLEMS,
    ListNode,
    MapNode,
    Node,
    Scalar,
    locate,
    to_data,
)
from airflow_materialize.errors import Problem

# Types of numbers in the words of any database.
_NUMERIC = re.compile(r"(?:(?:tiny|small|big|huge)?int|u?int\d|(?:dec|num|float|double|real|number))", re.IGNORECASE)
_DATED = ("date", "timestamp", "datetime")


def check_rules(tree: MapNode) -> Iterator[Problem]:
    """Yield the problems of a header that no single field has."""
    for rule in _RULES:
        yield from islice(rule(tree), MOST_PROBLEMS + 1)


def _strategy_has_its_keys(tree: MapNode) -> Iterator[Problem]:
    name = tree.text("materialization", "strategy").lower() or DEFAULT_STRATEGY
    strategy = STRATEGIES.get(name)
    if strategy is None or not is_table(tree):
        return
    place, path = locate(tree, ("materialization", "strategy"))
    columns = tree.maps("columns")
    if strategy.primary_key and not any(is_yes(column, "primary_key", default=False) for column in columns):
        yield Problem(*place, path, f"{name} needs a primary key", _key_hint(columns), code="AM203")
    if strategy.incremental_key and not tree.text("materialization", "incremental_key"):
        yield Problem(*place, path, f"{name} needs an `incremental_key`", _incremental_hint(columns), code="AM204")


def _key_hint(columns: list[MapNode]) -> str:
    wanted = {"unique", "not_null"}
    keys = [column for column in columns if wanted <= {check.text("name") for check in column.maps("checks")}]
    if len(keys) == 1:
        return f"mark the column {keys[0].text('name')!r}, which is unique and not_null, with `primary_key: true`"
    return "mark a column under `columns` with `primary_key: true`"


def _incremental_hint(columns: list[MapNode]) -> str:
    dated = [column.text("name") for column in columns if column.text("type").lower().startswith(_DATED)]
    key = dated[0] if len(dated) == 1 else "<column>"
    return f"add `incremental_key: {key}` beside it"


def _named_once(tree: MapNode) -> Iterator[Problem]:
    yield from _twice(_texts(tree, "columns", "name", fold=True), "the column")
    yield from _twice(_texts(tree, "custom_checks", "name"), "the custom check")
    yield from _twice(_texts(tree, "secrets", "key"), "the secret")
    yield from _twice(_texts(tree, "secrets", "inject_as"), "the variable")
    # Bruin takes it, and nothing changes by it.
    yield from (replace(found, severity="warning") for found in _twice(_dependencies(tree), "the dependency"))
    tags = tree.get("tags")
    if isinstance(tags, ListNode):
        words = [(f"tags[{index}]", tag, tag.text) for index, tag in enumerate(tags.items) if isinstance(tag, Scalar)]
        yield from _twice(words, "the tag")


def _dependencies(tree: MapNode) -> Iterator[tuple[str, Scalar, str]]:
    holder = tree.get("depends")
    for index, item in enumerate(holder.items if isinstance(holder, ListNode) else ()):
        keys = (item.get("asset"), item.get("uri")) if isinstance(item, MapNode) else (item,)
        for scalar in keys:
            if isinstance(scalar, Scalar) and scalar.text:
                yield f"depends[{index}]", scalar, scalar.text


def _texts(tree: MapNode, field: str, key: str, *, fold: bool = False) -> Iterator[tuple[str, Scalar, str]]:
    for path, item in tree.listed(field):
        scalar = item.get(key)
        if isinstance(scalar, Scalar):
            at = Scalar(scalar.text, plain=scalar.plain, place=item.entries[key].place)
            yield f"{path}.{key}", at, scalar.text.casefold() if fold else scalar.text


def _twice(texts: Iterable[tuple[str, Scalar, str]], what: str) -> Iterator[Problem]:
    seen: dict[str, Scalar] = {}
    for path, scalar, identity in texts:
        first = seen.setdefault(identity, scalar)
        if first is not scalar:
            same = "" if first.text == scalar.text else f" as {first.text!r}"
            message = f"{what} {scalar.text!r} stands on line {first.place.line} already{same}"
            yield Problem(*scalar.place, path, message, "keep one", code="AM116")


def _column_rules(tree: MapNode) -> Iterator[Problem]:
    for path, column in tree.listed("columns"):
        yield from _key_is_not_updated(column, path)
        yield from _checks_make_sense(column, path)


def _key_is_not_updated(column: MapNode, path: str) -> Iterator[Problem]:
    if not is_yes(column, "primary_key", default=False):
        return
    asked = {"update_on_merge": is_yes(column, "update_on_merge", default=False), "merge_sql": column.text("merge_sql")}
    for field in (name for name, value in asked.items() if value):
        place = column.entries[field].place
        yield Problem(*place, f"{path}.{field}", "a primary key is not updated", "leave it out", code="AM205")


def _checks_make_sense(column: MapNode, path: str) -> Iterator[Problem]:
    seen: dict[tuple[str, str], int] = {}
    for below, check in column.listed("checks"):
        name = check.text("name")
        if name not in CHECKS:
            continue
        place, shown = check.entries["name"].place, f"{path}.{below}"
        first = seen.setdefault((name, _spelling(check.get("value"))), place.line)
        if first != place.line:
            message = f"the check {name!r} stands on line {first} already"
            yield Problem(*place, f"{shown}.name", message, "keep one", code="AM208")
        if name == "relationships" and column.get("foreign_key") is None:
            message, hint = (
                "relationships needs a `foreign_key`",
                "add `foreign_key: {table: …, column: …}` to the column",
            )
            yield Problem(*place, f"{shown}.name", message, hint, code="AM209")
        if name in {"min", "max"} and _is_word(check.get("value")) and _NUMERIC.match(column.text("type")):
            at = check.entries["value"].place
            message = f"{name} of a column of type {column.text('type')} cannot use {quoted(check.text('value'))}"
            yield Problem(*at, f"{shown}.value", message, "a number", code="AM207")
        if not CHECKS[name].wants and check.get("value") is not None:
            at = check.entries["value"].place
            message = f"{name} takes no value: it has no effect"
            yield Problem(*at, f"{shown}.value", message, severity="warning", code="AM501")


def _is_word(node: Node | None) -> bool:
    return isinstance(node, Scalar) and isinstance(as_value(to_data(node)), str)


def _spelling(node: Node | None) -> str:
    if isinstance(node, ListNode):
        return "\0".join(_spelling(item) for item in node.items)
    return node.text if isinstance(node, Scalar) else ""


def _incremental_key_is_a_column(tree: MapNode) -> Iterator[Problem]:
    """The header need not declare every column; a key that looks like a declared one and is none is a typo."""
    key = tree.text("materialization", "incremental_key")
    names = [column.text("name") for column in tree.maps("columns")]
    close = get_close_matches(key.casefold(), [name.casefold() for name in names], n=1, cutoff=0.6)
    if key and close and key.casefold() != close[0]:
        place, path = locate(tree, ("materialization", "incremental_key"))
        message = f"{quoted(key)} is no column of the header"
        yield Problem(*place, path, message, suggest(key, names), "warning", code="AM212")


def _materialization_has_a_type(tree: MapNode) -> Iterator[Problem]:
    node = tree.get("materialization")
    if isinstance(node, MapNode) and node.entries and node.get("type") is None and node.place.file == tree.place.file:
        place, path = locate(tree, ("materialization",))
        message = "has no effect without a `type`"
        yield Problem(*place, path, message, "type: table makes a table", "warning", code="AM506")


_RULES: tuple[Callable[[MapNode], Iterator[Problem]], ...] = (
    _incremental_key_is_a_column,
    check_templates,
    _strategy_has_its_keys,
    _named_once,
    _column_rules,
    _materialization_has_a_type,
    *LOAD_RULES,
    *PROCESS_RULES,
)
