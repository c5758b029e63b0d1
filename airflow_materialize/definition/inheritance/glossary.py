"""`glossary.yml`: what business words mean, and the columns that assets take from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from airflow_materialize.definition.text.fields import Model, Text, Words, quoted
from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.definition.text.reading import validate
from airflow_materialize.definition.text.source import leads_out, read_source
from airflow_materialize.definition.text.tree import (
    Entry,
    ListNode,
    MapNode,
    Node,
    Provenance,
    Scalar,
    Unreadable,
    compose,
    locate,
)
from airflow_materialize.errors import Problem

GLOSSARY_FILES = ("glossary.yml", "glossary.yaml")

_LIMIT = 512 * 1024
_TAKEN = ("name", "type", "description")


class Contact(Model):
    """How the owners of a domain are reached."""

    type: Text = Field(default="", description="The way, as `email` or `slack`.")
    address: Text = Field(default="", description="The address.")


class Domain(Model):
    """A part of the business."""

    name: Text = Field(default="", description="Its name, where that is not its key.")
    description: Text = Field(default="", description="What it is about.")
    parent_domain: Text = Field(default="", description="The domain that it is part of.")
    owners: Words = Field(default=(), description="Who answers for it.")
    tags: Words = Field(default=(), description="Words to find it by.")
    contact: tuple[Contact, ...] = Field(default=(), description="How its owners are reached.")


class Attribute(Model):
    """A property of an entity: what columns are described by."""

    name: Text = Field(default="", description="The column's name, where that is not the attribute's key.")
    type: Text = Field(default="", description="The column's type.")
    description: Text = Field(default="", description="What it means.")


class Entity(Model):
    """Something that the business speaks of, as a customer."""

    name: Text = Field(default="", description="Its name, where that is not its key.")
    description: Text = Field(default="", description="What it means.")
    domains: Words = Field(default=(), description="The domains that it belongs to.")
    attributes: dict[str, Attribute | None] = Field(default_factory=dict, description="Its properties.")


class GlossaryFile(Model):
    """The content of `glossary.yml`."""

    domains: dict[str, Domain | None] = Field(default_factory=dict, description="Parts of the business, by name.")
    entities: dict[str, Entity | None] = Field(default_factory=dict, description="What it speaks of, by name.")


@dataclass(frozen=True)
class Glossary:
    """One glossary, valid or not.

    Attributes:
        where: The file as messages name it; empty where there is none.
        text: The file's text.
        tree: What it says.
        problems: All of its mistakes.
    """

    where: str = ""
    text: str = ""
    tree: MapNode | None = None
    problems: tuple[Problem, ...] = ()


def read_glossary(file: Path, root: Path) -> Glossary:
    """Read a glossary.

    Args:
        file: The file.
        root: The folder of all pipelines, which no link leads out of.
    """
    where = file.relative_to(root).as_posix()
    try:
        if leads_out(file, root):
            raise OSError(0, "a link that leads out of the folder of all pipelines")
        text = read_source(file, _LIMIT)
    except OSError as error:
        return Glossary(where, problems=(Problem(where, 0, 0, "", f"cannot be read: {error.strerror}", code="AM602"),))
    try:
        tree, problems = compose(text, where, limit=_LIMIT)
    except Unreadable as error:
        return Glossary(where, text, problems=(error.problem,))
    _, refused = validate(GlossaryFile, tree, {}, dict)
    found = sorted({*problems, *refused, *_unknown_domains(tree)})
    return Glossary(where, text, tree, tuple(found))


def _unknown_domains(tree: MapNode) -> Iterator[Problem]:
    domains = tree.get("domains")
    known = domains.entries if isinstance(domains, MapNode) else {}
    for name, entry in known.items():
        parent = entry.value.text("parent_domain") if isinstance(entry.value, MapNode) else ""
        place, path = locate(tree, ("domains", name, "parent_domain"))
        if parent and parent not in known:
            message = f"there is no domain {quoted(parent)}"
            yield Problem(*place, path, message, suggest(parent, known), code="AM603")
        elif name in _ancestors(name, known):
            message = f"a circle: {' is part of '.join(_ancestors(name, known))}"
            yield Problem(*place, path, message, "a domain at the top has no parent_domain", code="AM603")
    entities = tree.get("entities")
    for name, entry in entities.entries.items() if known and isinstance(entities, MapNode) else ():
        listed = entry.value.get("domains") if isinstance(entry.value, MapNode) else None
        for index, item in enumerate(listed.items if isinstance(listed, ListNode) else ()):
            if isinstance(item, Scalar) and item.text not in known:
                path, message = f"entities.{name}.domains[{index}]", f"there is no domain {quoted(item.text)}"
                yield Problem(*item.place, path, message, suggest(item.text, known), code="AM603")


def _ancestors(name: str, known: dict[str, Entry]) -> list[str]:
    """Return a domain's parent, its parent, and so on, each once."""
    above: list[str] = []
    while isinstance(node := known[name].value, MapNode):
        name = node.text("parent_domain")
        if name in above or name not in known:
            break
        above.append(name)
    return above


def extends_anything(header: MapNode) -> bool:
    """Say whether a header takes anything from the glossary."""
    return header.get("extends") is not None or any(column.text("extends") for column in header.maps("columns"))


def take_from_glossary(header: MapNode, glossary: Glossary) -> tuple[MapNode, list[Problem]]:
    """Fill the columns of a header from the glossary.

    An entity that the header extends adds each of its attributes, sorted, as a column, unless a column extends the
    attribute or has its name. An attribute that a column extends gives it what it does not say itself.

    Args:
        header: The header.
        glossary: The glossary of its pipeline.

    Returns:
        The header, whose new values keep their places in the glossary, and the problems.
    """
    if not extends_anything(header):
        return header, []
    taking = _Taking(glossary)
    listed = header.get("columns")
    items = list(listed.items) if isinstance(listed, ListNode) else []
    for index, column in enumerate(items):
        if isinstance(column, MapNode) and column.text("extends"):
            items[index] = taking.filled(column, f"columns[{index}].extends")
    items += taking.added(header, items)
    entries = dict(header.entries)
    if items and (listed is None or isinstance(listed, ListNode)):
        place = entries["columns"].place if "columns" in entries else locate(header, ("extends",))[0]
        entries["columns"] = Entry(place, ListNode(items, listed.place if listed else place))
    return MapNode(header.place, entries), [*glossary.problems, *taking.problems]


class _Taking:
    """One header on its way through the glossary."""

    def __init__(self, glossary: Glossary) -> None:
        self.glossary = glossary
        self.problems: list[Problem] = []

    def entity(self, name: str, place: Provenance, path: str) -> MapNode | None:
        """Return the attributes of an entity, or None where there is no such entity."""
        known = self.glossary.tree.get("entities") if self.glossary.tree else None
        entities = known.entries if isinstance(known, MapNode) else {}
        if name in entities:
            value = entities[name].value
            attributes = value.get("attributes") if isinstance(value, MapNode) else None
            return attributes if isinstance(attributes, MapNode) else MapNode(place)
        if not self.glossary.where:
            hint = "glossary.yml in the pipeline's folder, at the top of the repository, or beside all pipelines"
            self.problems.append(Problem(*place, path, "there is no glossary", hint, code="AM604"))
        elif not self.glossary.problems:  # Of a broken glossary nobody knows what it would say.
            message = f"{self.glossary.where} has no entity {quoted(name)}"
            self.problems.append(Problem(*place, path, message, suggest(name, entities), code="AM604"))
        return None

    def filled(self, column: MapNode, path: str) -> MapNode:
        place = column.entries["extends"].place
        entity, _, name = column.text("extends").partition(".")
        if not name or "." in name:  # The model says what is wrong with it.
            return column
        attributes = self.entity(entity, place, path)
        if attributes and name not in attributes.entries:
            message = f"the entity {entity} has no attribute {quoted(name)}"
            self.problems.append(Problem(*place, path, message, suggest(name, attributes.entries), code="AM604"))
        known = attributes.entries.get(name) if attributes else None
        entry = known or Entry(place, MapNode(place))
        return _filled(column, name, entry)

    def added(self, header: MapNode, columns: list[Node]) -> list[Node]:
        listed = header.get("extends")
        there = [column for column in columns if isinstance(column, MapNode)]
        taken = {column.text("extends") for column in there}
        names = {column.text("name").casefold() for column in there}
        new: list[Node] = []
        for index, item in enumerate(listed.items if isinstance(listed, ListNode) else ()):
            if not isinstance(item, Scalar) or item.empty:
                continue
            attributes = self.entity(item.text, item.place, f"extends[{index}]")
            for name, entry in sorted(attributes.entries.items()) if attributes else ():
                path = f"{item.text}.{name}"
                source = Entry(item.place, Scalar(path, plain=False, place=item.place))
                column = _filled(MapNode(item.place, {"extends": source}), name, entry)
                if path not in taken and column.text("name").casefold() not in names:
                    taken.add(path)
                    names.add(column.text("name").casefold())
                    new.append(column)
        return new


def _filled(column: MapNode, name: str, attribute: Entry) -> MapNode:
    """Return a column with what an attribute says and it does not."""
    said = attribute.value if isinstance(attribute.value, MapNode) else MapNode(attribute.place)
    named = {"name": Entry(attribute.place, Scalar(name, plain=False, place=attribute.place))}
    theirs = {field: said.entries[field] for field in _TAKEN if _says(said, field)}
    own = {field: entry for field, entry in column.entries.items() if _says(column, field)}
    return MapNode(column.place, {**named, **theirs, **own})


def _says(node: MapNode, field: str) -> bool:
    value = node.get(field)
    return value is not None and not (isinstance(value, Scalar) and value.text == "")
