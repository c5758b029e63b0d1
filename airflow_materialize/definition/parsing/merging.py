"""A header with everything that it inherits: from the glossary, `_defaults.yml` and `pipeline.yml`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from airflow_materialize.definition.inheritance.defaults import Defaults
from airflow_materialize.definition.inheritance.glossary import extends_anything, take_from_glossary
from airflow_materialize.definition.inheritance.inherit import inherit, move_load_options
from airflow_materialize.definition.inheritance.variants import ASSET_FIELDS_OF_RUNS, has_template
from airflow_materialize.definition.parsing.pipeline_file import PipelineFile
from airflow_materialize.definition.text.tree import MapNode, Scalar
from airflow_materialize.errors import Problem


class Merged(NamedTuple):
    """A header with everything that it inherits.

    Attributes:
        tree: What may be judged.
        shaped: The same with what a tolerant reading finds in broken defaults: the asset keeps its steps and edges.
        problems: What is wrong with what was merged.
        glossary: Whether the glossary had a word.
    """

    tree: MapNode
    shaped: MapNode
    problems: tuple[Problem, ...]
    glossary: bool


def merge(header: MapNode, text: str, defaults: Iterable[Defaults], pipeline: PipelineFile) -> Merged:
    """Fill a header with what it does not say itself.

    What a column extends comes before defaults: it is the column's own word.

    Args:
        header: The asset's own header.
        text: Its text.
        defaults: What it inherits, the nearest first.
        pipeline: Its pipeline.
    """
    filled, unfilled = pipeline.scope.fill_in(header, ASSET_FIELDS_OF_RUNS) if has_template(text) else (header, [])
    own, moved = move_load_options(filled)
    listed = list(defaults)
    readable = [found for found in listed if found.readable]
    # Most headers have nothing to do with it, which their text tells at once.
    glossary = bool(listed or "extends" in text) and any(map(extends_anything, (own, *(one.tree for one in listed))))
    tree, refused = _filled(own, readable, pipeline, glossary=glossary)
    shaped = tree if len(readable) == len(listed) else _filled(own, listed, pipeline, glossary=glossary)[0]
    return Merged(tree, shaped, (*unfilled, *moved, *refused), glossary)


def _filled(
    own: MapNode, defaults: Iterable[Defaults], pipeline: PipelineFile, *, glossary: bool
) -> tuple[MapNode, list[Problem]]:
    known = pipeline.around.glossary(pipeline.folder.path) if glossary else None
    tree, problems = take_from_glossary(own, known) if known else (own, [])
    for inherited in defaults:
        tree = inherit(tree, inherited.tree)
    tree, more = take_from_glossary(tree, known) if known else (tree, [])
    return _connected(tree, pipeline), [*problems, *more]


def says_connection(tree: MapNode) -> bool:
    """Say whether a header names a connection, rightly or not."""
    value = tree.get("connection")
    return value is not None and not (isinstance(value, Scalar) and value.text == "")


def _connected(tree: MapNode, pipeline: PipelineFile) -> MapNode:
    """Give a header without a connection the only one of the pipeline's `default_connections`, where that stands."""
    if says_connection(tree) or len(pipeline.connections) != 1:
        return tree
    return MapNode(tree.place, {**tree.entries, "connection": next(iter(pipeline.connections.values()))})
