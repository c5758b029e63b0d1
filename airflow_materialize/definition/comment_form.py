"""The header as comment lines, `# @bruin.key: value`."""

from __future__ import annotations

import re

from airflow_materialize.definition.fields import quoted
from airflow_materialize.definition.outline import insert
from airflow_materialize.definition.tree import ListNode, MapNode, Node, Provenance, Scalar, locate
from airflow_materialize.errors import Problem

COMMENT_LINE = re.compile(
    r"^#[ \t]*@(?:bruin|asset)\.(?P<key>[^\s:]+)[ \t]*(?P<colon>:?)[ \t]*(?P<value>.*?)[ \t]*$", re.MULTILINE
)

_LISTS = {"connections", "depends", "domains", "extends", "secrets", "tags"}
_COLUMN_PARTS = 3


def comment_tree(text: str, file: str) -> tuple[MapNode, list[Problem]]:
    """Read all comment lines of a file.

    A list is written with commas. `depends` may stand on several lines, any other key on one.

    Args:
        text: The whole file.
        file: The path that places name.

    Returns:
        The tree that the same header would have as YAML, and the problems of its lines.
    """
    tree: MapNode | None = None
    problems: list[Problem] = []
    for found in COMMENT_LINE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        place = Provenance(file, line, found.start("key") - found.start() + 1)
        tree = tree or MapNode(place)
        key = found["key"]
        if not found["colon"]:
            problems.append(Problem(*place, key, "a colon is missing", f"# @bruin.{key}: value"))
            continue
        path = _path(tree, key.split("."), place)
        value = _value(key, found["value"], place)
        there = tree.get("depends") if key == "depends" else None
        if isinstance(there, ListNode) and isinstance(value, ListNode):
            there.items += value.items
        elif not insert(tree, path, value, place):
            first, _ = locate(tree, path)
            message = f"{quoted(key)} stands twice, on line {first.line} and on line {line}"
            problems.append(Problem(*place, key, message, "keep one"))
    return tree or MapNode(Provenance(file, 1, 1)), problems


def _path(tree: MapNode, keys: list[str], place: Provenance) -> tuple[int | str, ...]:
    """The place of a key in the tree: columns are a list there, and known by their names here."""
    if keys[0] != "columns" or len(keys) < _COLUMN_PARTS:
        return tuple(keys)
    columns = tree.maps("columns")
    names = [column.text("name") for column in columns]
    index = names.index(keys[1]) if keys[1] in names else len(names)
    if index == len(names):
        insert(tree, ("columns", index, "name"), Scalar(keys[1], plain=False, place=place), place)
    return ("columns", index, *keys[2:])


def _value(key: str, text: str, place: Provenance) -> Node:
    is_checks = key.startswith("columns.") and key.endswith(".checks")
    if not is_checks and key not in _LISTS and key != "materialization.cluster_by":
        return Scalar(text, plain=True, place=place)
    words = [word.strip() for word in text.split(",") if word.strip()]
    return ListNode([_item(key, word, place, named=is_checks) for word in words], place)


def _item(key: str, word: str, place: Provenance, *, named: bool) -> Node:
    if named:
        return _mapping(place, name=word)
    if key == "secrets":
        name, _, inject_as = word.partition(":")
        return _mapping(place, key=name.strip(), inject_as=inject_as.strip())
    return Scalar(word, plain=True, place=place)


def _mapping(place: Provenance, **texts: str) -> MapNode:
    node = MapNode(place)
    for key, text in texts.items():
        insert(node, (key,), Scalar(text, plain=True, place=place), place)
    return node
