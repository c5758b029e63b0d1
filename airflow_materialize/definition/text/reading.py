"""Text → tree → model, with all problems on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from airflow_materialize.definition.text.comment_form import comment_tree
from airflow_materialize.definition.text.fields import Model
from airflow_materialize.definition.text.outline import outline
from airflow_materialize.definition.text.problems import to_problems
from airflow_materialize.definition.text.source import Header
from airflow_materialize.definition.text.tree import MapNode, Unreadable, compose, to_data
from airflow_materialize.errors import Problem

M = TypeVar("M", bound=Model)


class Read(NamedTuple):
    """The tree of a text.

    Attributes:
        tree: The tree; where the text is unreadable, what a tolerant reading finds in it.
        problems: What is wrong with the text.
        readable: Whether what the tree says may be judged.
    """

    tree: MapNode
    problems: list[Problem]
    readable: bool = True


def read_tree(header: Header, where: str) -> Read:
    """Read a header, or a file that is one.

    Args:
        header: The text.
        where: The file as messages name it.
    """
    if header.form == "lines":
        return Read(*comment_tree(header.text, where))
    if not header.closed:
        message, hint = "the header is opened here and never closed", 'end it with a line @bruin"""'
        problem = Problem(where, max(header.first_line - 1, 1), 1, "", message, hint, code="AM002")
        return Read(outline(header.text, where, header.first_line), [problem], readable=False)
    try:
        return Read(*compose(header.text, where, header.first_line))
    except Unreadable as error:
        return Read(outline(header.text, where, header.first_line), [error.problem], readable=False)


def validate(
    model: type[M], tree: MapNode, given: Mapping[str, str], elsewhere: Callable[[], Mapping[str, str]]
) -> tuple[M | None, list[Problem]]:
    """Make a model of a tree.

    Args:
        model: The model.
        tree: The text's tree.
        given: Values that do not stand in the text.
        elsewhere: Returns fields that belong to another place, and where that is.

    Returns:
        The model, or None and everything that it refuses.
    """
    try:
        return model.model_validate({**to_data(tree), **given}), []
    except ValidationError as error:
        return None, to_problems(error, tree, model, elsewhere)
