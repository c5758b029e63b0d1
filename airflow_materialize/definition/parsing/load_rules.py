"""Rules for the fields of a load: where they have nothing to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from airflow_materialize.definition.model.materialization import DEFAULT_STRATEGY, HISTORY_COLUMNS, STRATEGIES
from airflow_materialize.definition.parsing.shape import is_table, is_yes
from airflow_materialize.definition.text.tree import Entry, MapNode, Scalar
from airflow_materialize.errors import Problem

_OF_KEYS = "strategies with a primary key"
_OPTIONS = {
    "on_duplicate_key": ("error", _OF_KEYS),
    "on_null_key": ("error", _OF_KEYS),
    "incremental_predicate": ("", "merge"),
}
"""Options of some strategies, with the value that asks for nothing, and what they are for."""


def _hooks_have_a_load(tree: MapNode) -> Iterator[Problem]:
    entry = tree.entries.get("hooks")
    if entry and isinstance(entry.value, MapNode) and entry.value.entries and not is_table(tree):
        yield from _warn(tree, entry, "hooks", "has no effect without a table: hooks run around a load")


def _a_merge_has_its_options(tree: MapNode) -> Iterator[Problem]:
    strategy = tree.text("materialization", "strategy").lower() or DEFAULT_STRATEGY
    if not is_table(tree) or strategy not in STRATEGIES or strategy == "merge":
        return
    message = f"has no effect with the strategy {strategy}: it is for"
    options = tree.get("materialization")
    entries = options.entries if isinstance(options, MapNode) else {}
    for name, (nothing, of) in _OPTIONS.items():
        entry = entries.get(name)
        idle = of != _OF_KEYS or not STRATEGIES[strategy].primary_key
        if idle and entry and isinstance(entry.value, Scalar) and entry.value.text not in {"", nothing}:
            yield from _warn(tree, entry, f"materialization.{name}", f"{message} {of}")
    for path, column in tree.listed("columns"):
        if column.text("merge_sql"):
            yield from _warn(tree, column.entries["merge_sql"], f"{path}.merge_sql", f"{message} merge")


def _a_key_can_be_enforced(tree: MapNode) -> Iterator[Problem]:
    options = tree.get("materialization")
    if not isinstance(options, MapNode) or not is_table(tree) or not is_yes(options, "enforce_key", default=False):
        return
    strategy = tree.text("materialization", "strategy").lower()
    reason = ""
    if strategy in STRATEGIES and STRATEGIES[strategy].history:
        reason = f"has no effect with the strategy {strategy}: it keeps several versions of a key"
    elif not any(is_yes(column, "primary_key", default=False) for _, column in tree.listed("columns")):
        reason = "has no effect: no column has primary_key: true"
    if reason:
        yield from _warn(tree, options.entries["enforce_key"], "materialization.enforce_key", reason)


def _history_fills_its_columns(tree: MapNode) -> Iterator[Problem]:
    strategy = tree.text("materialization", "strategy").lower()
    if not is_table(tree) or strategy not in STRATEGIES or not STRATEGIES[strategy].history:
        return
    for path, column in tree.listed("columns"):
        if column.text("name").lower() in HISTORY_COLUMNS:
            message = f"{column.text('name')!r} is filled by {strategy}"
            yield Problem(*column.entries["name"].place, f"{path}.name", message, "leave it out", code="AM231")


def _warn(tree: MapNode, entry: Entry, path: str, message: str) -> Iterator[Problem]:
    # What an asset inherits may be for its neighbours.
    if entry.place.file == tree.place.file:
        yield Problem(*entry.place, path, message, severity="warning", code="AM501")


LOAD_RULES: tuple[Callable[[MapNode], Iterator[Problem]], ...] = (
    _hooks_have_a_load,
    _a_merge_has_its_options,
    _a_key_can_be_enforced,
    _history_fills_its_columns,
)
