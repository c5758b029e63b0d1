"""Templates of a header that can never be filled in, found without filling them in."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache

from airflow_materialize.definition.text.fields import quoted
from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.definition.text.tree import ListNode, MapNode, Node, Scalar
from airflow_materialize.errors import Problem

_SPELLINGS = ("date", "date_nodash", "datetime", "timestamp")

NAMES = frozenset(
    (
        *(f"{moment}_{spelling}" for moment in ("start", "end", "execution") for spelling in _SPELLINGS),
        *("pipeline", "run_id", "full_refresh", "commit_hash", "schema_prefix", "this", "var"),
        *("range", "dict", "namespace"),
    )
)
"""What templates know in a run, macros aside. `plan/template.py` gives them their values."""

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


def check_names(tree: MapNode, variables: Collection[str]) -> Iterator[Problem]:
    """Yield a problem for each name in `enabled` that no run has. What asks whether a name is there is left alone.

    Args:
        tree: The header.
        variables: The pipeline's, by name.
    """
    enabled = tree.get("enabled")
    if not isinstance(enabled, Scalar) or "{" not in enabled.text:
        return
    for name in _unknown(enabled.text, tuple(sorted(variables))):
        known = [f"var.{variable}" for variable in variables] if name.startswith("var.") else sorted(NAMES)
        yield Problem(*enabled.place, "enabled", f"{quoted(name)} is unknown", suggest(name, known), code="AM631")


@lru_cache(maxsize=1024)
def _unknown(text: str, variables: tuple[str, ...]) -> tuple[str, ...]:
    from jinja2 import TemplateSyntaxError, meta, nodes

    from airflow_materialize.definition.inheritance.rendering import ENVIRONMENT

    try:
        template = ENVIRONMENT.parse(text)
    except (TemplateSyntaxError, RecursionError):
        return ()
    asking = (*template.find_all(nodes.Test), *template.find_all(nodes.Filter))
    if any(node.name in {"defined", "undefined", "default", "d"} for node in asking):
        return ()
    names = meta.find_undeclared_variables(template)
    # Where a pipeline declares none, its pipeline.yml may stand elsewhere.
    own = {node.attr for node in template.find_all(nodes.Getattr) if _is_var(node.node)} if variables else set()
    return tuple(sorted({*(names - NAMES), *(f"var.{name}" for name in own.difference(variables) if "var" in names)}))


def _is_var(node: object) -> bool:
    from jinja2 import nodes

    return isinstance(node, nodes.Name) and node.name == "var"


@lru_cache(maxsize=1024)  # Assets of one kind have the same queries.
def _wrong(text: str) -> str:
    from jinja2 import TemplateSyntaxError

    from airflow_materialize.definition.inheritance.rendering import ENVIRONMENT

    try:
        ENVIRONMENT.parse(text)
    except TemplateSyntaxError as error:
        where = f"line {error.lineno}: " if "\n" in text else ""
        return f"{where}{error.message}"
    except RecursionError:
        return "it is nested too deeply"
    return ""
