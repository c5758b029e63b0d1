"""YAML text → a tree in which each value knows its place.

Strict on purpose: no aliases, anchors, tags or merge keys, no key twice, limited in size and depth. So no text can grow
while it is read, and what stands in the file is what holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from airflow_materialize.definition.text.fields import Plain, quoted
from airflow_materialize.definition.text.spots import Spots
from airflow_materialize.definition.text.yaml_words import IN_OUR_WORDS, OPEN
from airflow_materialize.errors import Problem

HEADER_LIMIT = 64 * 1024
"""The longest header, in characters."""

DEPTH_LIMIT = 20
"""The deepest nesting of lists and mappings."""

MOST_PROBLEMS = 100
"""The problems of one file that are told."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_YAML_TAGS = "tag:yaml.org,2002:"
_UNDECODED = re.compile("[\udc80-\udcff]")


class Provenance(NamedTuple):
    """The place that a value comes from. Line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(slots=True)
class Scalar:
    """A single value, as text. `plain` says that it stands without quotes."""

    text: str
    plain: bool
    place: Provenance

    @property
    def empty(self) -> bool:
        """Whether YAML reads it as null."""
        return self.plain and self.text in {"", "~", "null", "Null", "NULL"}


@dataclass(slots=True)
class ListNode:
    """A list."""

    items: list[Node]
    place: Provenance


class Entry(NamedTuple):
    """One key of a mapping: the place of the key, and its value."""

    place: Provenance
    value: Node


@dataclass(slots=True)
class MapNode:
    """A mapping."""

    place: Provenance
    entries: dict[str, Entry] = field(default_factory=dict)

    def get(self, *path: str) -> Node | None:
        """Return the value below the keys, or None where there is none or an empty one."""
        node: Node | None = self
        for key in path:
            entry = node.entries.get(key) if isinstance(node, MapNode) else None
            node = entry.value if entry else None
        return None if isinstance(node, Scalar) and node.empty else node

    def text(self, *path: str) -> str:
        """Return the text below the keys; empty where there is none."""
        if len(path) == 1:  # Most questions, and there are a hundred for each asset.
            entry = self.entries.get(path[0])
            node = entry.value if entry else None
        else:
            node = self.get(*path)
        return node.text if type(node) is Scalar and not node.empty else ""

    def maps(self, *path: str) -> list[MapNode]:
        """Return the mappings of the list below the keys."""
        node = self.get(*path)
        return [item for item in node.items if isinstance(item, MapNode)] if isinstance(node, ListNode) else []

    def listed(self, *path: str) -> Iterator[tuple[str, MapNode]]:
        """Yield the mappings of the list below the keys, each with its way from here, as `columns[2]`."""
        node = self.get(*path)
        for index, item in enumerate(node.items if isinstance(node, ListNode) else ()):
            if isinstance(item, MapNode):
                yield f"{'.'.join(path)}[{index}]", item


Node = Scalar | ListNode | MapNode


class Unreadable(Exception):  # noqa: N818  # It carries the problem, and never leaves this room.
    """YAML that gives no tree."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def to_data(node: Node) -> Any:
    """Return the tree as plain data for the models: text without quotes is `Plain`."""
    if isinstance(node, MapNode):
        return {key: to_data(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, ListNode):
        return [to_data(item) for item in node.items]
    if node.empty:
        return None
    return Plain(node.text) if node.plain else node.text


def locate(root: MapNode, path: tuple[int | str, ...]) -> tuple[Provenance, str]:
    """Find the place nearest to a path, and the path as it stands in a message."""
    node: Node = root
    place, shown = root.place, ""
    for part in path:
        if isinstance(part, int):
            if isinstance(node, ListNode) and part < len(node.items):
                node = node.items[part]
                place, shown = node.place, f"{shown}[{part}]"
        elif not part.startswith("<"):  # A tag of the models, which is nothing that stands in the file.
            shown = f"{shown}.{part}" if shown else part
            entry = node.entries.get(part) if isinstance(node, MapNode) else None
            if entry:
                place, node = entry
    return place, shown


def compose(text: str, file: str, first_line: int = 1, limit: int = HEADER_LIMIT) -> tuple[MapNode, list[Problem]]:
    """Read YAML text.

    Args:
        text: The YAML.
        file: The path that places name.
        first_line: The line of the file at which the text starts.
        limit: The longest text, in characters.

    Returns:
        The tree, and the problems that still leave one: keys that stand twice.

    Raises:
        Unreadable: There is no tree.
    """
    composer = _Composer(file, first_line)
    composer.check_characters(text, limit)
    try:
        return composer.compose(text), composer.problems
    except yaml.YAMLError as error:
        raise Unreadable(composer.explain(error, text)) from None


def twice(first: Provenance, second: Provenance) -> str:
    """Say where a key stands that stands twice in one file."""
    if first.line == second.line:
        return f"stands twice on line {first.line}"
    return f"stands twice, on line {first.line} and on line {second.line}"


# The way to a value from its end, so that what goes well never spells it out.
_Path = tuple["_Path", int | str] | None


def _shown(path: _Path) -> str:
    parts: list[str] = []
    while path is not None:
        path, part = path
        parts.append(f"[{part}]" if isinstance(part, int) else f".{part}")
    return "".join(reversed(parts)).removeprefix(".")


class _Composer:
    def __init__(self, file: str, first_line: int) -> None:
        self.file = file
        self.first_line = first_line
        self.problems: list[Problem] = []
        self.spots = Spots("", first_line)

    def check_characters(self, text: str, limit: int) -> None:
        if len(text) > limit:
            place = Provenance(self.file, self.first_line, 1)
            raise self.unreadable(place, "", f"the header is longer than {limit // 1024} KiB", code="AM004")
        found = _UNPRINTABLE.search(text)
        if found:
            line = self.first_line + text.count("\n", 0, found.start())
            place = Provenance(self.file, line, found.start() - text.rfind("\n", 0, found.start()))
            if _UNDECODED.match(found.group()):
                message = f"the byte 0x{ord(found.group()) & 0xFF:02X} is no UTF-8"
                raise self.unreadable(place, "", message, code="AM003")
            raise self.unreadable(place, "", f"the character U+{ord(found.group()):04X} is not allowed", code="AM003")

    def compose(self, text: str) -> MapNode:
        self.spots = Spots(text, self.first_line)
        events = iter(_Loader(text).get_event, None)
        top = Provenance(self.file, self.first_line, 1)
        tree: MapNode | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if tree is not None:
                    message = "a second YAML document starts here"
                    raise self.unreadable(self.place(event), "", message, "one is enough", code="AM007")
                node = self.node(next(events), events, None, 1)
                if isinstance(node, Scalar) and node.empty:
                    break
                if not isinstance(node, MapNode):
                    message, hint = "a mapping is expected", "lines as `name: raw.orders`"
                    raise self.unreadable(node.place, "", message, hint, code="AM007")
                tree = node
        if tree is None:
            raise self.unreadable(top, "", "the header is empty", "lines as `name: raw.orders`", code="AM007")
        return tree

    def node(self, event: Any, events: Iterator[Any], path: _Path, depth: int) -> Node:
        place = self.place(event)
        kind = type(event)
        if kind is yaml.AliasEvent or event.anchor is not None or event.tag is not None or depth > DEPTH_LIMIT:
            raise self.refusal(event, place, _shown(path))
        if kind is yaml.ScalarEvent:
            return Scalar(event.value, not event.style, place)
        if kind is yaml.MappingStartEvent:
            return self.mapping(MapNode(place), events, path, depth + 1)
        items: list[Node] = []
        while type(event := next(events)) is not yaml.SequenceEndEvent:
            items.append(self.node(event, events, (path, len(items)), depth + 1))
        return ListNode(items, place)

    def mapping(self, node: MapNode, events: Iterator[Any], path: _Path, depth: int) -> MapNode:
        while type(event := next(events)) is not yaml.MappingEndEvent:
            key = self.node(event, events, path, depth)
            if type(key) is not Scalar:
                hint = "a template stands in quotes" if isinstance(key, MapNode) else ""
                raise self.unreadable(key.place, _shown(path), "a key must be a text", hint, code="AM007")
            if key.text == "<<" and key.plain:
                message = "merge keys are not allowed"
                raise self.unreadable(key.place, _shown(path), message, "write the fields out", code="AM008")
            below = (path, key.text)
            value = self.node(next(events), events, below, depth)
            first = node.entries.setdefault(key.text, Entry(key.place, value))
            if first.value is not value:
                message = f"{quoted(key.text)} {twice(first.place, key.place)}"
                self.problems.append(Problem(*key.place, _shown(below), message, "keep one", code="AM009"))
                if len(self.problems) > MOST_PROBLEMS:
                    raise self.unreadable(key.place, "", "the header has too many keys that stand twice", code="AM009")
        return node

    def place(self, event: Any) -> Provenance:
        return Provenance(self.file, *self.spots.at(event.start_mark))

    def refusal(self, event: Any, place: Provenance, path: str) -> Unreadable:
        if isinstance(event, yaml.AliasEvent):
            message = f"the alias *{event.anchor} is not allowed"
            return self.unreadable(place, path, message, "write the value out", code="AM008")
        if event.anchor is not None:
            message = f"the anchor &{event.anchor} is not allowed"
            return self.unreadable(place, path, message, "leave it out", code="AM008")
        if event.tag is not None:
            message = f"the tag {quoted(event.tag.replace(_YAML_TAGS, '!!'))} is not allowed"
            return self.unreadable(place, path, message, "leave it out", code="AM008")
        return self.unreadable(place, "", f"the header is nested deeper than {DEPTH_LIMIT} levels", code="AM005")

    def explain(self, error: yaml.YAMLError, text: str) -> Problem:
        if not isinstance(error, yaml.MarkedYAMLError):
            return Problem(self.file, self.first_line, 1, "", "the YAML is broken", code="AM006")
        problem, mark = error.problem or "it cannot be read", error.problem_mark
        said, hint = IN_OUR_WORDS.get(problem, ("", ""))
        if said.endswith(OPEN) and error.context_mark:
            mark = error.context_mark
        problem = said or problem
        line, column = self.spots.at(mark) if mark else (self.first_line, 1)
        if mark and "\t" in "".join(text.split("\n")[line - self.first_line : line - self.first_line + 1])[:column]:
            hint = "indent with spaces, not with tabs"
        return Problem(self.file, line, column, "", f"the YAML is broken: {problem}", hint, code="AM006")

    @staticmethod
    def unreadable(place: Provenance, path: str, message: str, hint: str = "", *, code: str) -> Unreadable:
        return Unreadable(Problem(*place, path, message, hint, code=code))
