"""What the models refuse → problems with their places in the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_materialize.definition.text.fields import Plain, as_value, describe, quoted
from airflow_materialize.definition.text.tree import MOST_PROBLEMS, MapNode, locate
from airflow_materialize.errors import Problem

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

_LISTED = 12
# What a problem keeps of its line beyond its column. The lines of headers are short; a line of data need not be.
_KEPT = 200
_CHOICE = re.compile(r"'([^']*)'")


def suggest(word: str, known: Iterable[str]) -> str:
    """Return a hint: the known word that looks like `word`, and all of them where they are few."""
    words = sorted(filter(None, known))
    folded = {each.casefold(): each for each in words}
    close = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    parts = [f"did you mean {folded[close[0]]!r}?"] if close else []
    if 0 < len(words) <= _LISTED:
        parts.append(f"one of: {', '.join(words)}")
    return " ".join(parts)


def to_problems(
    error: ValidationError, tree: MapNode, model: type[BaseModel], elsewhere: Callable[[], Mapping[str, str]]
) -> list[Problem]:
    """Turn what a model refuses into problems.

    Args:
        error: All that the model refuses.
        tree: The text's tree, for the places.
        model: The model, for the fields that it knows.
        elsewhere: Returns fields that belong to another place, and where that is.
    """
    details, places = error.errors(include_url=False), elsewhere()
    return [_problem(detail, tree, model, places) for detail in details[: MOST_PROBLEMS + 1]]


def shortened(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return the first hundred problems of each file, and one more where there are more."""
    if len(problems) <= MOST_PROBLEMS:
        return problems
    told: list[Problem] = []
    counts: Counter[str] = Counter()
    for problem in problems:
        counts[problem.file] += 1
        if counts[problem.file] <= MOST_PROBLEMS:
            told.append(problem)
        elif counts[problem.file] == MOST_PROBLEMS + 1:
            message, hint = "there are more problems", "mend some, and look again"
            told.append(replace(problem, path="", message=message, hint=hint, code="AM011"))
    return tuple(told)


def with_excerpts(problems: Iterable[Problem], lines_of: Callable[[str], Sequence[str]]) -> tuple[Problem, ...]:
    """Give each problem the line that it stands on.

    Args:
        problems: The problems.
        lines_of: The lines of a file of this name; none where it cannot be read.
    """
    return tuple(_with_excerpt(problem, lines_of) for problem in problems)


def _with_excerpt(problem: Problem, lines_of: Callable[[str], Sequence[str]]) -> Problem:
    if not problem.line or problem.excerpt:
        return problem
    line = "".join(lines_of(problem.file)[problem.line - 1 : problem.line])
    return replace(problem, excerpt=line[: problem.column + _KEPT])


def _problem(detail: ErrorDetails, tree: MapNode, model: type[BaseModel], elsewhere: Mapping[str, str]) -> Problem:
    path = detail["loc"]
    context = detail.get("ctx", {})
    if detail["type"] == "header":
        place, shown = locate(tree, (*path[:-1], context["instead"]) if context["instead"] else path)
        return Problem(*place, shown, context["message"], context["hint"], code=context["code"])
    place, shown = locate(tree, path)
    if detail["type"] == "missing":
        parent = locate(tree, path[:-1])
        return Problem(*parent[0], parent[1], f"`{path[-1]}` is missing", code="AM102")
    if detail["type"] == "extra_forbidden":
        name = str(path[-1])
        away = elsewhere.get(name, "") if len(path) == 1 else ""
        hint = away or suggest(name, _fields(model, path[:-1]))
        return Problem(*place, shown, "unknown field", hint, code="AM101")
    message, hint, code = _wording(detail, _Wanted.at(model, path))
    return Problem(*place, shown, message, hint, code=code)


class _Wanted(NamedTuple):
    """What the field at a path takes.

    Attributes:
        model: The model of the field, or of the items of its list; None where it takes no mapping.
        texts: Whether it takes a list of texts.
    """

    model: type[BaseModel] | None
    texts: bool

    @classmethod
    def at(cls, model: type[BaseModel], path: tuple[int | str, ...]) -> _Wanted:
        found: type[BaseModel] | None = model
        annotation: Any = None
        for part in path:
            if found and isinstance(part, str) and part in found.model_fields:
                annotation = found.model_fields[part].annotation
                found = _model_in(annotation)
        if str(annotation).startswith("dict[") and path[-1] in model.model_fields:
            found = None  # The model is that of its values.
        return cls(found, str(annotation).startswith("tuple[typing.Annotated[str,"))

    def example(self, value: Any) -> str:
        """A mapping that would do, with the value in it where there is one place for it."""
        fields = self.model.model_fields if self.model else {}
        needed = [name for name, field in fields.items() if field.is_required()] or list(fields)[:1]
        fits = len(needed) == 1 and isinstance(as_value(value), str) and not _model_in(fields[needed[0]].annotation)
        shown = value if fits else "…"
        return f"{{{', '.join(f'{name}: {shown}' for name in needed)}}}" if needed else ""


def _wording(detail: ErrorDetails, wanted: _Wanted) -> tuple[str, str, str]:
    """Return what is wrong, what would be right, and the code."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "literal_error":
        return f"{quoted(value)} is none of its values", suggest(value, _CHOICE.findall(context["expected"])), "AM107"
    if kind == "tuple_type":
        hint = f"[{value}]" if wanted.texts and isinstance(value, Plain) else ""
        hint = f"[{wanted.example(value)}]" if wanted.model else hint
        return f"a list is expected, this is {describe(value)}", hint, "AM103"
    if kind in {"dict_type", "mapping_type", "model_type", "model_attributes_type"}:
        return f"a mapping is expected, this is {describe(value)}", wanted.example(value), "AM103"
    bounds = {
        "greater_than_equal": (f"{value} is too small", f"at least {context.get('ge')}", "AM106"),
        "less_than_equal": (f"{value} is too large", f"at most {context.get('le')}", "AM106"),
        "string_too_short": ("it is empty", "", "AM108"),
        "too_short": ("it is empty", "", "AM108"),
    }
    return bounds.get(kind, (detail["msg"], "", "AM103"))


def _fields(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The fields of the model at `path` below `model`."""
    return list((_Wanted.at(model, path).model or model).model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    from typing import get_args

    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model), None)
