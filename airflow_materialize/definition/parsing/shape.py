"""The steps and edges that a header asks for, rightly written or not."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_materialize.definition.model.parsed import Asked, Need, Shape
from airflow_materialize.definition.text.tree import ListNode, MapNode, Node, Scalar

_NO = {"false", "no", "off", "n"}


def shape_of(tree: MapNode) -> Shape:
    """Return the shape of an asset."""
    # The load itself asks the blocking checks where it is published after them.
    within = is_table(tree) and tree.text("materialization", "publish") == "after_checks"
    checks = tuple(check for check in _asked(tree) if not (within and check.blocking))
    blocking = [check.blocking for check in checks]
    depends = tuple(dict.fromkeys(need.name for need in needs_of(tree) if need.name and not need.symbolic))
    return Shape(
        table=is_table(tree), check=any(blocking), check_warn=not all(blocking), depends=depends, checks=checks
    )


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


def _asked(tree: MapNode) -> Iterator[Asked]:
    holders = [(column.text("name"), column.get("checks")) for column in tree.maps("columns")]
    for column, holder in [*holders, ("", tree.get("custom_checks"))]:
        for check in holder.items if isinstance(holder, ListNode) else [holder] if holder else []:
            named = (
                check.text("name") if isinstance(check, MapNode) else check.text if isinstance(check, Scalar) else ""
            )
            blocking = is_yes(check, "blocking", default=True) if isinstance(check, MapNode) else True
            yield Asked(column, named, blocking)


def needs_of(tree: MapNode) -> Iterator[Need]:
    """Yield what a header depends on."""
    node = tree.get("depends")
    items: list[Node] = node.items if isinstance(node, ListNode) else [node] if node else []
    for item in items:
        if isinstance(item, Scalar) and not item.empty and item.text:
            yield Need(item.text, "", symbolic=False, place=item.place)
        elif isinstance(item, MapNode) and bool(item.text("asset")) != bool(item.text("uri")):
            symbolic = item.text("mode").lower() == "symbolic"
            yield Need(item.text("asset"), item.text("uri"), symbolic=symbolic, place=item.place)
