"""What assets inherit: `default` in `pipeline.yml`, and `_defaults.yml` in their folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from airflow_materialize.definition.inheritance.inherit import NOT_INHERITED, move_load_options
from airflow_materialize.definition.inheritance.variants import ASSET_FIELDS_OF_RUNS, Scope
from airflow_materialize.definition.model.effect import ASSET_FIELDS_WITHOUT_EFFECT, warn_of_no_effect
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.text.outline import outline
from airflow_materialize.definition.text.reading import validate
from airflow_materialize.definition.text.source import leads_out, read_source
from airflow_materialize.definition.text.tree import MapNode, Provenance, Unreadable, compose
from airflow_materialize.errors import Problem

DEFAULTS_FILES = ("_defaults.yml", "_defaults.yaml")


@cache
def places_beside_headers() -> Mapping[str, str]:
    """Return fields that stand in another place than a header → where."""
    from airflow_materialize.definition.model.materialization import Materialization

    return {
        **dict.fromkeys(Pipeline.model_fields, "it stands in pipeline.yml"),
        **dict.fromkeys(Materialization.model_fields, "it stands under `materialization`"),
    }


@dataclass(frozen=True)
class DefaultsFile:
    """One `_defaults.yml`, as it stands there.

    Attributes:
        tree: Its fields; of a text that cannot be read, what a tolerant reading finds.
        text: Its text.
        problems: What is wrong with the text.
        readable: Whether what the tree says may be judged.
    """

    tree: MapNode
    text: str = ""
    problems: tuple[Problem, ...] = ()
    readable: bool = True


@dataclass(frozen=True)
class Defaults:
    """Asset fields that the assets below inherit.

    Attributes:
        tree: The fields.
        problems: All mistakes. Each asset below has them.
        warnings: What is no mistake and yet not as it looks.
        readable: Whether what the tree says may be judged.
        text: The text of a file of their own.
    """

    tree: MapNode
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    readable: bool = True
    text: str = ""


def read_defaults(file: Path, root: Path) -> DefaultsFile:
    """Read one `_defaults.yml`.

    Args:
        file: The file.
        root: The folder of all pipelines, which no link leads out of.
    """
    where = file.relative_to(root).as_posix()
    nothing = MapNode(Provenance(where, 0, 0))
    try:
        if leads_out(file, root):
            raise OSError(0, "a link that leads out of the folder of all pipelines")
        text = read_source(file)
    except OSError as error:
        problem = Problem(where, 0, 0, "", f"cannot be read: {error.strerror}", code="AM641")
        return DefaultsFile(nothing, problems=(problem,), readable=False)
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return DefaultsFile(nothing, text)
    try:
        tree, problems = compose(text, where)
    except Unreadable as error:
        return DefaultsFile(outline(text, where), text, (error.problem,), readable=False)
    return DefaultsFile(tree, text, tuple(problems))


def judge_file(file: DefaultsFile, scope: Scope) -> Defaults:
    """Judge one `_defaults.yml` for one pipeline."""
    if not file.readable:
        return Defaults(file.tree, file.problems, readable=False, text=file.text)
    judged = judge(file.tree, scope, found=file.problems)
    return Defaults(judged.tree, judged.problems, judged.warnings, text=file.text)


def judge(tree: MapNode, scope: Scope, *, path: str = "", found: Iterable[Problem] = ()) -> Defaults:
    """Judge asset fields by themselves, so that a mistake in them is one even where every asset has its own value.

    Args:
        tree: The fields.
        scope: What their templates know.
        path: The path of the fields in their file.
        found: Mistakes of the text.
    """
    from airflow_materialize.definition.model.asset import Asset

    filled, unfilled = scope.fill_in(tree, ASSET_FIELDS_OF_RUNS)
    moved, problems = move_load_options(filled)
    inherited = {name: entry for name, entry in moved.entries.items() if name not in NOT_INHERITED}
    fields = MapNode(moved.place, inherited)
    _, refused = validate(Asset, fields, {"name": "name"}, places_beside_headers)
    warnings = {*_not_inherited(tree, path), *warn_of_no_effect(fields, ASSET_FIELDS_WITHOUT_EFFECT)}
    errors = {*found, *unfilled, *problems, *refused}
    return Defaults(fields, tuple(sorted(errors)), tuple(sorted(warnings)))


def _not_inherited(tree: MapNode, path: str) -> Iterator[Problem]:
    for name, entry in tree.entries.items():
        if name in NOT_INHERITED:
            shown, hint = f"{path}.{name}" if path else name, "each asset has its own"
            yield Problem(*entry.place, shown, "is not inherited", hint, "warning", code="AM505")
