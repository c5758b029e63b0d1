"""What an asset takes from defaults, and load options that stand under `parameters`.

Both work on trees, so that every value keeps its provenance: a mistake in an inherited value is reported where it is
written.
"""

from __future__ import annotations

from airflow_materialize.definition.model.materialization import Materialization
from airflow_materialize.definition.text.fields import quoted
from airflow_materialize.definition.text.tree import Entry, ListNode, MapNode, Node, Provenance, Scalar
from airflow_materialize.errors import Problem

__all__ = ["Provenance", "inherit", "move_load_options"]

NOT_INHERITED = frozenset({"name", "uri", "run", "type"})
"""Fields that are the asset's own."""

_BY_KEY = {"hooks", "interval_modifiers", "materialization", "meta", "metadata", "parameters", "resources"}
_BY_NAME = {"columns": "name", "custom_checks": "name", "secrets": "key"}
_APPENDED = {"connections", "depends", "domains", "extends", "tags"}

LOAD_OPTIONS = {
    **{name: name for name in Materialization.model_fields if name != "type"},
    "incremental_strategy": "strategy",
    "on_duplicate": "on_duplicate_key",
}
"""What may stand under `parameters` → its name under `materialization`."""


def inherit(asset: MapNode, default: MapNode | None) -> MapNode:
    """Fill an asset with what it does not say itself.

    A single value is taken where the asset has none. Mappings are filled key by key, columns by name, field by field;
    what is new in a list is appended.

    Args:
        asset: The asset's own header.
        default: `default` of the pipeline, or a folder's `_defaults.yml`.
    """
    merged = MapNode(asset.place, dict(asset.entries))
    for name, theirs in default.entries.items() if default else ():
        if name in NOT_INHERITED or (name == "hooks" and not _is_for_python(theirs.value)):
            continue
        mine = asset.entries.get(name)
        if mine is None or _is_empty(mine.value):
            merged.entries[name] = theirs
        else:
            merged.entries[name] = Entry(mine.place, _merge(name, mine.value, theirs.value))
    return merged


def _is_for_python(hooks: Node) -> bool:
    """Say whether hooks are for Python assets, among others: Bruin's own are for SQL assets alone."""
    types = hooks.get("applicable_type") if isinstance(hooks, MapNode) else None
    words = [item.text.lower() for item in _items(types) if isinstance(item, Scalar)] if types else []
    return not words or "python" in words


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and (node.empty or node.text == "")


def _merge(name: str, mine: Node, theirs: Node) -> Node:
    if name in _BY_KEY and isinstance(mine, MapNode) and isinstance(theirs, MapNode):
        return _filled(mine, theirs)
    if name in _BY_NAME:
        return _merge_named(mine, theirs, _BY_NAME[name], fill=name == "columns")
    if name in _APPENDED:
        own = _items(mine)
        known = {_identity(item) for item in own}
        return ListNode([*own, *(item for item in _items(theirs) if _identity(item) not in known)], mine.place)
    return mine


def _filled(mine: MapNode, theirs: MapNode) -> MapNode:
    said = {name: entry for name, entry in mine.entries.items() if not _is_empty(entry.value)}
    return MapNode(mine.place, {**mine.entries, **theirs.entries, **said})


def _merge_named(mine: Node, theirs: Node, key: str, *, fill: bool) -> Node:
    if not isinstance(mine, ListNode) or not isinstance(theirs, ListNode):
        return mine
    items = list(mine.items)
    known = {_name(item, key): index for index, item in reversed(list(enumerate(items)))}
    for item in theirs.items:
        index = known.get(_name(item, key))
        own = items[index] if index is not None else None
        if own is None or index is None:
            items.append(item)
        elif fill and isinstance(own, MapNode) and isinstance(item, MapNode):
            items[index] = _filled_column(own, item)
    return ListNode(items, mine.place)


def _filled_column(mine: MapNode, theirs: MapNode) -> MapNode:
    column = _filled(mine, theirs)
    own, inherited = mine.entries.get("checks"), theirs.entries.get("checks")
    if own and inherited and not _is_empty(own.value):
        column.entries["checks"] = Entry(own.place, _merge_named(own.value, inherited.value, "name", fill=False))
    return column


def _name(item: Node, key: str) -> str:
    return item.text(key).casefold() if isinstance(item, MapNode) else ""


def _items(node: Node) -> list[Node]:
    return node.items if isinstance(node, ListNode) else [node]


def _identity(item: Node) -> str:
    if isinstance(item, MapNode):
        return item.text("asset") or item.text("uri")
    return item.text if isinstance(item, Scalar) else ""


def move_load_options(header: MapNode) -> tuple[MapNode, list[Problem]]:
    """Read the load options that stand under `parameters` as if they stood under `materialization`.

    Returns:
        The header with the options in their place, and a problem for each that has two different values.
    """
    problems: list[Problem] = []
    own = header.get("materialization")
    if own is not None and not isinstance(own, MapNode):
        return header, problems
    options = MapNode(own.place if own else header.place)
    for name, entry in own.entries.items() if own else ():
        _take(options, LOAD_OPTIONS.get(name, name) if name == "on_duplicate" else name, entry, problems)
    parameters = header.get("parameters")
    kept = dict(header.entries)
    if isinstance(parameters, MapNode):
        moved = {name: entry for name, entry in parameters.entries.items() if name in LOAD_OPTIONS}
        for name, entry in moved.items():
            _take(options, LOAD_OPTIONS[name], Entry(entry.place, _in_our_words(name, entry.value)), problems)
        rest = {name: entry for name, entry in parameters.entries.items() if name not in moved}
        kept["parameters"] = Entry(kept["parameters"].place, MapNode(parameters.place, rest))
    if options.entries:
        place = (
            kept["materialization"].place if "materialization" in kept else next(iter(options.entries.values())).place
        )
        kept["materialization"] = Entry(place, options)
    return MapNode(header.place, kept), problems


def _take(options: MapNode, name: str, entry: Entry, problems: list[Problem]) -> None:
    there = options.entries.get(name)
    if there is None or _is_empty(there.value):
        options.entries[name] = entry
    elif isinstance(there.value, Scalar) and isinstance(entry.value, Scalar) and there.value.text != entry.value.text:
        message = f"{quoted(entry.value.text)} here, and {quoted(there.value.text)} on line {there.place.line}"
        problems.append(Problem(*entry.place, f"materialization.{name}", message, "keep one", code="AM117"))


def _in_our_words(name: str, value: Node) -> Node:
    if name == "incremental_strategy" and isinstance(value, Scalar) and value.text == "replace":
        return Scalar("create+replace", plain=value.plain, place=value.place)
    if name == "cluster_by" and isinstance(value, Scalar):
        return ListNode([value], value.place)
    return value
