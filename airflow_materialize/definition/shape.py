"""The steps and edges that a header asks for, rightly written or not."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_materialize.definition.parsed import Shape
from airflow_materialize.definition.tree import ListNode, MapNode, Node, Provenance, Scalar

_NO = {"false", "no", "off", "n"}


def shape_of(tree: MapNode) -> Shape:
    """Return the shape of an asset."""
    blocking = [
        is_yes(check, "blocking", default=True) if isinstance(check, MapNode) else True for check in checks_of(tree)
    ]
    depends = tuple(dict.fromkeys(name for name, _ in dependencies(tree)))
    return Shape(table=is_table(tree), check=any(blocking), check_warn=not all(blocking), depends=depends)


def is_table(tree: MapNode) -> bool:
    """Whether the header asks for a table, rightly written or not."""
    materialization = tree.get("materialization")
    if isinstance(materialization, Scalar):
        return materialization.text.lower() != "none"
    return tree.text("materialization", "type").lower() not in {"", "none"}


def is_yes(node: MapNode, key: str, *, default: bool) -> bool:
    """Read a flag; what is no boolean counts as true."""
    text = node.text(key).lower()
    return text not in _NO if text else default


def checks_of(tree: MapNode) -> list[Node]:
    """Return all column and custom checks, rightly written or not."""
    holders = [*(column.get("checks") for column in tree.maps("columns")), tree.get("custom_checks")]
    checks: list[Node] = []
    for holder in holders:
        if holder is not None:
            checks += holder.items if isinstance(holder, ListNode) else [holder]
    return checks


def dependencies(tree: MapNode) -> Iterator[tuple[str, Provenance]]:
    """Yield the assets that a header waits for, with their places."""
    node = tree.get("depends")
    items: list[Node] = node.items if isinstance(node, ListNode) else [node] if node else []
    for item in items:
        if isinstance(item, Scalar) and item.text:
            yield item.text, item.place
        elif isinstance(item, MapNode) and item.text("asset") and item.text("mode").lower() != "symbolic":
            yield item.text("asset"), item.place
