"""A tolerant reading of text that YAML refuses.

It gives a broken asset the name, steps and edges that it has: tasks that vanish from a DAG would lose their history.
Nothing else may rest on it.
"""

from __future__ import annotations

import re
from collections import Counter

from airflow_materialize.definition.text.tree import (
    DEPTH_LIMIT,
    HEADER_LIMIT,
    Entry,
    ListNode,
    MapNode,
    Node,
    Provenance,
    Scalar,
    Unreadable,
    compose,
)

_LINE = re.compile(
    r"(?P<indent>[ \t]*)(?P<dashes>(?:-(?:[ \t]+|$))*)"
    r"(?:(?P<quote>['\"]?)(?P<key>\w[\w./-]*)(?P=quote)[ \t]*:(?=[ \t]|$))?[ \t]*(?P<value>.*)"
)
_COMMENT = re.compile(r"(?:^|\s)#.*")
_DASH = re.compile(r"-[ \t]*")
# No header that a person wrote has more, and no other one costs the parse of a folder its time.
_START, _MOST_LINES, _MOST_FLOWS = 4096, 2000, 200

Path = tuple[int | str, ...]


def outline(text: str, file: str, first_line: int = 1) -> MapNode:
    """Read text by indentation alone, line by line, and leave out what makes no sense.

    Args:
        text: What YAML refuses.
        file: The path that places name.
        first_line: The line of the file at which the text starts.
    """
    root = MapNode(Provenance(file, first_line, 1))
    above: list[tuple[int, int | str]] = []
    counts: Counter[Path] = Counter()
    flows = _Flows()
    for number, line in enumerate(_start(text).split("\n")[:_MOST_LINES], first_line):
        found = _LINE.match(_COMMENT.sub("", line).rstrip())
        if not found or not found.group().strip():
            continue
        if found["dashes"].count("-") > DEPTH_LIMIT:
            continue
        column = len(found["indent"])
        for dash in _DASH.findall(found["dashes"]):
            while above and (above[-1][0] > column or (above[-1][0] == column and isinstance(above[-1][1], int))):
                above.pop()
            path = tuple(part for _, part in above)
            above.append((column, counts[path]))
            counts[path] += 1
            column += len(dash)
        if found["key"]:
            while above and above[-1][0] >= column:
                above.pop()
            above.append((column, found["key"]))
        if found["key"] or found["dashes"]:
            place = Provenance(file, number, column + 1)
            insert(root, tuple(part for _, part in above), flows.value(found["value"], place), place)
    return root


def _start(text: str) -> str:
    """What is searched: of what is too long for a header not more than its start."""
    return text if len(text) <= HEADER_LIMIT else text[:_START]


def insert(root: MapNode, path: Path, value: Node, place: Provenance) -> bool:
    """Put a value into the tree, with the mappings and lists on the way to it.

    Returns:
        False where another value stands there, or on the way.
    """
    node: Node = root
    for part, following in zip(path, (*path[1:], None), strict=True):
        fresh: Node = value
        if following is not None:
            fresh = ListNode([], place) if isinstance(following, int) else MapNode(place)
        child = _child(node, part, fresh, place)
        if child is None or (following is None and child is not fresh):
            return False
        node = child
    return True


def _child(node: Node, part: int | str, fresh: Node, place: Provenance) -> Node | None:
    if isinstance(node, MapNode) and isinstance(part, str):
        there = node.entries.get(part)
        if there is None or (isinstance(there.value, Scalar) and there.value.empty):
            node.entries[part] = Entry(there.place if there else place, fresh)
        return node.entries[part].value
    if isinstance(node, ListNode) and isinstance(part, int):
        if part >= len(node.items):
            node.items.append(fresh)
            return fresh
        there_item = node.items[part]
        if isinstance(there_item, Scalar) and there_item.empty:
            node.items[part] = fresh
        return node.items[part]
    return None


class _Flows:
    """Reads values in brackets, as long as they are not too many."""

    def __init__(self) -> None:
        self.left = _MOST_FLOWS

    def value(self, text: str, place: Provenance) -> Node:
        if text[:1] not in {"[", "{"}:
            return Scalar(text.strip("'\""), plain=True, place=place)
        self.left -= 1
        if self.left < 0:
            return Scalar(text, plain=True, place=place)
        try:
            tree, _ = compose(f"value: {text}", place.file, place.line)
        except Unreadable:
            return Scalar(text, plain=True, place=place)
        return tree.entries["value"].value
