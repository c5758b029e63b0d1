"""The header as comment lines, `# @bruin.key: value`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from airflow_materialize.definition.text.fields import quoted
from airflow_materialize.definition.text.outline import insert
from airflow_materialize.definition.text.tree import (
    DEPTH_LIMIT,
    HEADER_LIMIT,
    MOST_PROBLEMS,
    ListNode,
    MapNode,
    Node,
    Provenance,
    Scalar,
    locate,
    twice,
)
from airflow_materialize.errors import Problem

COMMENT_LINE = re.compile(r"^#[ \t]*@(?:bruin|asset)\.(?P<key>[^\s:]+)[ \t]*+(?P<colon>:?)(?P<value>.*)$", re.MULTILINE)

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
    lines: _Lines | None = None
    number, seen, length = 1, 0, 0
    for found in COMMENT_LINE.finditer(text):
        number, seen = number + text.count("\n", seen, found.start()), found.start()
        place = Provenance(file, number, found.start("key") - found.start() + 1)
        lines = lines or _Lines(MapNode(place))
        length += len(found.group())
        if len(lines.problems) > MOST_PROBLEMS:
            break
        if length > HEADER_LIMIT:
            message = f"the header is longer than {HEADER_LIMIT // 1024} KiB"
            lines.problems.append(Problem(*place, "", message, code="AM004"))
            break
        lines.add(found["key"], found["value"].strip() if found["colon"] else None, place)
    return (lines.tree, lines.problems) if lines else (MapNode(Provenance(file, 1, 1)), [])


@dataclass
class _Lines:
    """The comment lines that were read.

    Attributes:
        tree: What they say.
        problems: What is wrong with them.
        columns: The names of the columns that they speak of, each with its place in the list.
    """

    tree: MapNode
    problems: list[Problem] = field(default_factory=list)
    columns: dict[str, int] = field(default_factory=dict)

    def add(self, key: str, text: str | None, place: Provenance) -> None:
        """Add one line; its text is None where it has no colon."""
        keys = key.split(".")
        if text is None:
            self.problems.append(Problem(*place, key, "a colon is missing", f"# @bruin.{key}: value", code="AM010"))
            return
        if len(keys) > DEPTH_LIMIT:
            message = f"the header is nested deeper than {DEPTH_LIMIT} levels"
            self.problems.append(Problem(*place, quoted(key), message, code="AM005"))
            return
        path, value = self.path(keys, place), _value(key, text, place)
        there = self.tree.get("depends") if key == "depends" else None
        if isinstance(there, ListNode) and isinstance(value, ListNode):
            there.items += value.items
        elif not insert(self.tree, path, value, place):
            message = f"{quoted(key)} {twice(locate(self.tree, path)[0], place)}"
            self.problems.append(Problem(*place, key, message, "keep one", code="AM009"))

    def path(self, keys: list[str], place: Provenance) -> tuple[int | str, ...]:
        """The place of a key in the tree: columns are a list there, and known by their names here."""
        if keys[0] != "columns" or len(keys) < _COLUMN_PARTS:
            return tuple(keys)
        index = self.columns.setdefault(keys[1], len(self.columns))
        if index == len(self.columns) - 1:
            insert(self.tree, ("columns", index, "name"), Scalar(keys[1], plain=False, place=place), place)
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
