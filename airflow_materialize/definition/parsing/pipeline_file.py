"""One `pipeline.yml` → one pipeline, or one for each of its variants. All problems at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal, NamedTuple

from airflow_materialize.definition.inheritance.defaults import Defaults, judge
from airflow_materialize.definition.inheritance.surroundings import Surroundings
from airflow_materialize.definition.inheritance.variants import (
    PIPELINE_FIELDS_OF_RUNS,
    Scope,
    has_template,
    scopes_of,
    with_values,
)
from airflow_materialize.definition.model.effect import PIPELINE_FIELDS_WITHOUT_EFFECT, warn_of_no_effect
from airflow_materialize.definition.model.notifications import Notifications
from airflow_materialize.definition.model.parsed import NOWHERE
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.model.variables import check_variables
from airflow_materialize.definition.text.reading import Read, read_tree, validate
from airflow_materialize.definition.text.source import Header, PipelineFolder, leads_out, read_source
from airflow_materialize.definition.text.tree import Entry, ListNode, MapNode, Provenance, Scalar, locate
from airflow_materialize.errors import Problem


@cache
def _places_beside_pipelines() -> Mapping[str, str]:
    from airflow_materialize.definition.model.asset import Asset

    return dict.fromkeys(Asset.model_fields, "it stands in the header of an asset, or under `default`")


@dataclass(frozen=True)
class PipelineFile:
    """What one `pipeline.yml` says, for one of its variants, before the assets are read.

    Attributes:
        folder: The pipeline's folder.
        pipeline: The definition; one with its name alone where the file is broken.
        named_at: Where its name stands: the folder where there is no file.
        around: What stands around its assets.
        scope: What templates know in it.
        default: What its assets inherit from it.
        connections: Its `default_connections` that tables may have, by kind, each where it stands.
        text: The file's text.
        macros: The text of its macros.
        problems, warnings: What was found in it.
        scheduled_at: Where its schedule stands.
    """

    folder: PipelineFolder
    pipeline: Pipeline
    named_at: Provenance
    around: Surroundings = field(compare=False, repr=False)
    scope: Scope = field(default_factory=Scope)
    default: Defaults | None = None
    connections: Mapping[str, Entry] = field(default_factory=dict)
    text: str = ""
    macros: str = ""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    scheduled_at: Provenance = NOWHERE


def parse_pipelines(folder: PipelineFolder, around: Surroundings) -> list[PipelineFile]:
    """Read one `pipeline.yml`: one pipeline, or one for each variant.

    A folder without one is a daily pipeline of the folder's name, without catch-up.

    Args:
        folder: The pipeline's folder.
        around: What stands around its assets.
    """
    where = (folder.file or folder.path).relative_to(around.root).as_posix()
    macros = around.macros(folder.path)
    empty = PipelineFile(
        folder,
        Pipeline.model_construct(name=_folder_name(folder), schedule="" if folder.file else "daily"),
        Provenance(where, 0, 0),
        around,
        macros=macros.text,
        problems=macros.problems,
    )
    if folder.file is None:
        return [empty]
    try:
        if leads_out(folder.file, around.root):
            raise OSError(0, "a link that leads out of the folder of all pipelines")
        text = read_source(folder.file)
    except OSError as error:
        problem = Problem(where, 0, 0, "", f"cannot be read: {error.strerror}", code="AM001")
        return [replace(empty, problems=(problem, *empty.problems))]
    read = read_tree(Header(text, form="file"), where)
    return [_pipeline(read, named, replace(empty, text=text)) for named in _named(read, folder)]


def _folder_name(folder: PipelineFolder) -> str:
    return folder.path.name or folder.path.resolve().name


class _Named(NamedTuple):
    """One variant, with the name of its pipeline and what is wrong with that."""

    scope: Scope
    name: str
    problems: tuple[Problem, ...] = ()


def _named(read: Read, folder: PipelineFolder) -> list[_Named]:
    """Return the variants. Their pipelines have different names, and one more variant changes none of the others'."""
    written = read.tree.text("name")
    found = []
    for scope in scopes_of(read.tree):
        filled, problems = scope.fill_in(_only_name(read.tree), frozenset())
        name = _folder_name(folder) if problems else filled.text("name") or _folder_name(folder)
        found.append(_Named(scope, name, tuple(problems)))
    counts = Counter(named.name for named in found)
    return [
        named._replace(name=f"{named.name}-{named.scope.variant}")
        if named.scope.variant and (not has_template(written) or counts[named.name] > 1 or named.problems)
        else named
        for named in found
    ]


def _only_name(tree: MapNode) -> MapNode:
    return MapNode(tree.place, {name: entry for name, entry in tree.entries.items() if name == "name"})


def _pipeline(read: Read, named: _Named, empty: PipelineFile) -> PipelineFile:
    scope = named.scope
    tree, unfilled = scope.fill_in(with_values(read.tree, scope), PIPELINE_FIELDS_OF_RUNS)
    tree = _with_name(tree, named.name)
    written = tree.get("default")
    default = judge(written, scope, path="default") if isinstance(written, MapNode) else None
    given = {} if tree.get("name") else {"name": named.name}
    pipeline, refused = validate(Pipeline, tree, given, _places_beside_pipelines)
    own = [*read.problems, *_nested(empty)]
    if read.readable:
        own += [*named.problems, *unfilled, *scope.problems, *refused, *check_variables(tree), *_inline_assets(tree)]
    elif default:
        default = Defaults(default.tree, readable=False)
    own = [replace(problem, path=scope.given.get(_place(problem), problem.path)) for problem in own]
    warnings = warn_of_no_effect(tree, PIPELINE_FIELDS_WITHOUT_EFFECT) if read.readable else ()
    return replace(
        empty,
        pipeline=pipeline if pipeline and not own else _shell(named.name, tree),
        named_at=locate(tree, ("name",))[0],
        scope=scope,
        default=default,
        connections={
            kind: entry for kind, entry in _connections(tree).items() if kind not in Notifications.model_fields
        },
        problems=tuple(sorted({*own, *empty.problems, *(default.problems if default else ())})),
        warnings=tuple(sorted({*warnings, *(default.warnings if default else ())})),
        scheduled_at=locate(tree, ("schedule",))[0],
    )


def _with_name(tree: MapNode, name: str) -> MapNode:
    entry = tree.entries.get("name")
    if not entry or not isinstance(entry.value, Scalar) or entry.value.text == name:
        return tree
    value = Scalar(name, plain=False, place=entry.value.place)
    return MapNode(tree.place, {**tree.entries, "name": Entry(entry.place, value)})


def _place(problem: Problem) -> Provenance:
    return Provenance(problem.file, problem.line, problem.column)


def _nested(pipeline: PipelineFile) -> Iterator[Problem]:
    folder = pipeline.folder
    if folder.inside is not None:
        outer = folder.inside.relative_to(pipeline.around.root).as_posix()
        message, hint = f"lies inside of the pipeline {outer}", "pipelines stand side by side"
        yield Problem(pipeline.named_at.file, 1, 1, "", message, hint, code="AM305")


def _inline_assets(tree: MapNode) -> Iterator[Problem]:
    assets = tree.get("assets")
    if (isinstance(assets, ListNode) and assets.items) or (isinstance(assets, MapNode) and assets.entries):
        message, hint = "assets have files of their own", "write each as assets/<name>.asset.yml"
        yield Problem(*tree.entries["assets"].place, "assets", message, hint, code="AM135")


def _connections(tree: MapNode) -> dict[str, Entry]:
    given = tree.get("default_connections")
    entries = given.entries.items() if isinstance(given, MapNode) else ()
    return {kind: entry for kind, entry in entries if isinstance(entry.value, Scalar) and entry.value.text}


def _shell(name: str, tree: MapNode) -> Pipeline:
    """Return the definition of a broken file: its name, its tasks, and how others know its tables."""
    connections = {
        kind: entry.value.text for kind, entry in _connections(tree).items() if isinstance(entry.value, Scalar)
    }
    tasks: Literal["one", "each"] = "each" if tree.text("check_tasks") == "each" else "one"
    return Pipeline.model_construct(name=name, default_connections=connections, check_tasks=tasks)
