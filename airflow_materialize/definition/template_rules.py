"""Templates of a header that can never be filled in, found without filling them in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from airflow_materialize.definition.tree import ListNode, MapNode, Node, Scalar
from airflow_materialize.errors import Problem

_OPENINGS = ("{{", "{%", "{#")


def check_templates(tree: MapNode) -> Iterator[Problem]:
    """Yield a problem for each text that is filled in at a run and is no template."""
    for name in ("enabled", "interval_modifiers", "parameters", "hooks"):
        if name in tree.entries:
            yield from _below(tree.entries[name].value, name)
    for path, check in tree.listed("custom_checks"):
        query = check.get("query")
        if query is not None:
            yield from _below(query, f"{path}.query")


def _below(node: Node, path: str) -> Iterator[Problem]:
    if isinstance(node, MapNode):
        for name, entry in node.entries.items():
            yield from _below(entry.value, f"{path}.{name}")
    elif isinstance(node, ListNode):
        for index, item in enumerate(node.items):
            yield from _below(item, f"{path}[{index}]")
    elif isinstance(node, Scalar) and any(opening in node.text for opening in _OPENINGS):
        wrong = _wrong(node.text)
        if wrong:
            hint = "{{ a value }} or {% if … %} … {% endif %}"
            yield Problem(*node.place, path, f"the template is broken: {wrong}", hint, code="AM631")


@lru_cache(maxsize=1024)  # Assets of one kind have the same queries.
def _wrong(text: str) -> str:
    from jinja2 import TemplateSyntaxError

    from airflow_materialize.definition.rendering import ENVIRONMENT

    try:
        ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        where = f"line {error.lineno}: " if "\n" in text else ""
        return f"{where}{error.message}"
    except RecursionError:
        return "it is nested too deeply"
    return ""
