"""Text → definitions: one asset, one pipeline, or everything below a root. All problems at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_materialize.definition.asset import Asset
from airflow_materialize.definition.effect import (
    ASSET_FIELDS_WITHOUT_EFFECT,
    PIPELINE_FIELDS_WITHOUT_EFFECT,
    warn_of_no_effect,
)
from airflow_materialize.definition.fields import quoted
from airflow_materialize.definition.graph import check_graph
from airflow_materialize.definition.inherit import NOT_INHERITED, inherit, move_load_options
from airflow_materialize.definition.materialization import Materialization
from airflow_materialize.definition.parsed import ParsedAsset, ParsedPipeline, Shape
from airflow_materialize.definition.pipeline import Pipeline
from airflow_materialize.definition.reading import Read, read_tree, validate
from airflow_materialize.definition.rules import check_rules
from airflow_materialize.definition.shape import checks_of, dependencies, is_table, shape_of
from airflow_materialize.definition.source import (
    Header,
    PipelineFolder,
    explain_missing_header,
    find_assets,
    find_pipelines,
    is_file,
    leads_out,
    name_from_path,
    read_source,
    slice_header,
    yaml_type,
)
from airflow_materialize.definition.tree import ListNode, MapNode, Provenance, locate
from airflow_materialize.errors import Problem

__all__ = ["ParsedAsset", "ParsedPipeline", "Shape", "parse_asset", "parse_pipeline", "parse_project"]

_OF_ASSETS = {
    **dict.fromkeys(Pipeline.model_fields, "it stands in pipeline.yml"),
    **dict.fromkeys(Materialization.model_fields, "it stands under `materialization`"),
}
_OF_PIPELINES = dict.fromkeys(Asset.model_fields, "it stands in the header of an asset, or under `default`")


@dataclass(frozen=True)
class PipelineFile:
    """What one `pipeline.yml` says, before its assets are read.

    Attributes:
        folder: The pipeline's folder.
        pipeline: The definition; one with its name alone where the file is broken.
        named_at: Where its name stands: the folder where there is no file.
        default: What its assets inherit.
        text: The file's text.
        problems, warnings: What was found in it.
    """

    folder: PipelineFolder
    pipeline: Pipeline
    named_at: Provenance
    default: MapNode | None = None
    text: str = ""
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def parse_project(
    root: Path, wanted: Callable[[str], bool] = lambda _: True, *, default_connection: str = ""
) -> list[ParsedPipeline]:
    """Read every pipeline below a folder.

    Args:
        root: The folder of all pipelines, or that of one pipeline. Paths in messages are relative to it.
        wanted: Whether to read the assets of the pipeline of a name; all others are left out.
        default_connection: The connection id of tables for which neither asset nor pipeline names one.
    """
    pipelines: dict[str, PipelineFile] = {}
    for folder in find_pipelines(root):
        found = parse_pipeline(folder, root)
        first = pipelines.setdefault(found.pipeline.name, found)
        if first is not found:
            pipelines[found.pipeline.name] = _shared_name(first, found)
    return [_with_assets(pipelines[name], root, default_connection) for name in sorted(filter(wanted, pipelines))]


def parse_folder(
    folder: PipelineFolder, root: Path, only: Path | None = None, default_connection: str = ""
) -> ParsedPipeline:
    """Read one pipeline.

    Args:
        folder: Where it is.
        root: The folder that paths in messages are relative to.
        only: The one file to look at; all others are as if they were not there.
        default_connection: The connection id of tables for which neither asset nor pipeline names one.
    """
    return _with_assets(parse_pipeline(folder, root), root, default_connection, only)


def _shared_name(first: PipelineFile, second: PipelineFile) -> PipelineFile:
    message = f"{second.pipeline.name!r} is the name of {first.named_at.file} too"
    problem = Problem(*second.named_at, "name", message, "one pipeline, one name")
    return replace(first, problems=(*first.problems, problem))


def _with_assets(
    pipeline: PipelineFile, root: Path, default_connection: str, only: Path | None = None
) -> ParsedPipeline:
    found = find_assets(pipeline.folder, root)
    assets: list[ParsedAsset] = []
    warnings = [*pipeline.warnings, *(found.warnings if only is None else ())]
    for file, base in found.files:
        if only not in {None, file}:
            continue
        parsed = parse_asset(file, root, pipeline, base=base, default_connection=default_connection)
        if isinstance(parsed, ParsedAsset):
            warnings += [warning for warning in parsed.warnings if warning.file == pipeline.named_at.file]
            own = tuple(warning for warning in parsed.warnings if warning.file != pipeline.named_at.file)
            assets.append(replace(parsed.with_problems(*pipeline.problems), warnings=own))
        elif parsed:
            warnings.append(parsed)
    return ParsedPipeline(
        name=pipeline.pipeline.name,
        path=pipeline.folder.path.relative_to(root).as_posix(),
        pipeline=pipeline.pipeline,
        problems=pipeline.problems,
        warnings=tuple(sorted(set(warnings))),
        assets=check_graph(assets),
    )


def parse_pipeline(folder: PipelineFolder, root: Path) -> PipelineFile:
    """Read one `pipeline.yml`. A folder without one is a daily pipeline of the folder's name, without catch-up."""
    name = folder.path.name or folder.path.resolve().name
    where = (folder.file or folder.path).relative_to(root).as_posix()
    if folder.file is None:
        return PipelineFile(folder, Pipeline.model_construct(name=name, schedule="daily"), Provenance(where, 0, 0))
    try:
        if leads_out(folder.file, root):
            raise OSError(0, "a link that leads out of the folder of all pipelines")
        text = read_source(folder.file)
    except OSError as error:
        problem = Problem(where, 0, 0, "", f"cannot be read: {error.strerror}")
        empty = Pipeline.model_construct(name=name)
        return PipelineFile(folder, empty, Provenance(where, 0, 0), problems=(problem,))
    tree, problems, readable = read_tree(Header(text, form="file"), where)
    name = tree.text("name") or name
    given = {} if tree.get("name") else {"name": name}
    pipeline, refused = validate(Pipeline, tree, given, _OF_PIPELINES)
    default, moved = _default(tree)
    problems += [*refused, *moved] if readable else []
    if folder.inside is not None:
        outer = folder.inside.relative_to(root).as_posix()
        problems.append(
            Problem(where, 1, 1, "", f"lies inside of the pipeline {outer}", "pipelines stand side by side")
        )
    return PipelineFile(
        folder,
        pipeline if pipeline and not problems else Pipeline.model_construct(name=name),
        locate(tree, ("name",))[0],
        default,
        text,
        tuple(sorted({*problems})),
        tuple(sorted(_pipeline_warnings(tree))) if readable else (),
    )


def _pipeline_warnings(tree: MapNode) -> Iterator[Problem]:
    yield from warn_of_no_effect(tree, PIPELINE_FIELDS_WITHOUT_EFFECT)
    default = tree.get("default")
    for name, entry in default.entries.items() if isinstance(default, MapNode) else ():
        if name in NOT_INHERITED:
            yield Problem(*entry.place, f"default.{name}", "is not inherited", "each asset has its own", "warning")


def _default(pipeline: MapNode) -> tuple[MapNode | None, list[Problem]]:
    default = pipeline.get("default")
    return move_load_options(default) if isinstance(default, MapNode) else (None, [])


def parse_asset(
    file: Path, root: Path, pipeline: PipelineFile, *, base: Path, default_connection: str = ""
) -> ParsedAsset | Problem | None:
    """Read one asset.

    Args:
        file: The Python file, or `x.asset.yml`.
        root: The folder of all pipelines.
        pipeline: The pipeline that the asset belongs to.
        base: The folder from which the asset's name counts where the header gives none.
        default_connection: The connection id where neither asset nor pipeline names one.

    Returns:
        The asset; a warning that says why the file is none; or None where nothing claims that it is one.
    """
    where = file.relative_to(root).as_posix()
    try:
        text = read_source(file)
    except OSError as error:
        return Problem(where, 0, 0, "", f"skipped: cannot be read: {error.strerror}", severity="warning")
    header = slice_header(text) if file.suffix == ".py" else Header(text, form="file")
    kind = yaml_type(text) if header and header.form == "file" else "python"
    if header is None:
        missing = explain_missing_header(text)
        return Problem(where, missing[0], 1, "", f"no asset: {missing[1]}", missing[2], "warning") if missing else None
    read = read_tree(header, where)
    if header.form != "file":
        kind = read.tree.text("type").lower() or "python"
    if kind != "python":
        what = f"an asset of type {kind}" if kind else "it neither has `type: python` nor runs a Python file"
        return Problem(where, 0, 0, "", f"skipped: {what}", "assets are Python files", "warning")
    reading = _Reading(file, where, root, pipeline, header)
    return reading.asset(read, name_from_path(file, base), default_connection)


@dataclass(frozen=True)
class _Reading:
    """One asset on its way from a tree to a definition."""

    file: Path
    where: str
    root: Path
    pipeline: PipelineFile
    header: Header

    def asset(self, read: Read, path_name: str, default_connection: str) -> ParsedAsset:
        own, found = move_load_options(read.tree)
        tree = inherit(own, self.pipeline.default)
        script, refused = self.script(tree)
        given = {} if tree.get("name") else {"name": path_name}
        if not tree.text("connection") and not isinstance(tree.get("connection"), ListNode | MapNode):
            given["connection"] = self.connection(default_connection)
            found += self.no_connection(tree) if not given["connection"] else []
        asset, invalid = validate(Asset, tree, given, _OF_ASSETS)
        found += [*refused, *invalid, *check_rules(tree), *warn_of_no_effect(tree, ASSET_FIELDS_WITHOUT_EFFECT)]
        # What follows from text that gives no tree would be noise.
        found = sorted({*read.problems, *(found if read.readable else ())})
        errors = tuple(problem for problem in found if problem.severity == "error")
        return ParsedAsset(
            name=tree.text("name") or path_name,
            path=self.where,
            script=script.relative_to(self.root.resolve()).as_posix() if script else self.where,
            asset=None if errors else asset,
            problems=errors,
            warnings=tuple(problem for problem in found if problem.severity == "warning"),
            shape=shape_of(tree),
            source_hash=self.source_hash(script),
            named_at=locate(tree, ("name",))[0],
            depends_at=dict(dependencies(tree)),
        )

    def connection(self, default_connection: str) -> str:
        defaults = self.pipeline.pipeline.default_connections
        return next(iter(defaults.values())) if len(defaults) == 1 else default_connection

    def no_connection(self, tree: MapNode) -> list[Problem]:
        if self.pipeline.problems or not (is_table(tree) or checks_of(tree)):
            return []
        field = "materialization" if is_table(tree) else "connection"
        place, path = locate(tree, (field,))
        there = self.pipeline.pipeline.default_connections
        choice = "; the pipeline has " + ", ".join(f"{kind}: {name}" for kind, name in there.items()) if there else ""
        hint = "add `connection: <conn_id>` to the header, or to `default` in pipeline.yml"
        return [Problem(*place, path, f"there is no connection to load to or check on{choice}", hint)]

    def script(self, tree: MapNode) -> tuple[Path | None, list[Problem]]:
        """Return the Python file that a YAML-defined asset runs, or why there is none."""
        run = tree.text("run")
        place, _ = locate(tree, ("run",))
        if self.header.form != "file":
            message, hint = "has an effect in *.asset.yml alone", "this file is what runs"
            return None, [Problem(*place, "run", message, hint, "warning")] if run else []
        if not run:
            return None, [Problem(*place, "run", "`run` is missing", "the Python file, relative to this file")]
        script = Path(os.path.realpath(self.file.parent / run))
        if Path(run).is_absolute() or leads_out(script, self.root):
            message = f"{quoted(run)} leads out of the folder of all pipelines"
            return None, [Problem(*place, "run", message, "a path relative to this file")]
        if script.suffix != ".py" or not is_file(script):
            what = "is no Python file" if os.access(script, os.F_OK) else "does not exist"
            shown = script.relative_to(self.root.resolve()).as_posix()
            return None, [Problem(*place, "run", f"{shown} {what}", "the Python file, relative to this file")]
        return script, []

    def source_hash(self, script: Path | None) -> str:
        pipeline = self.pipeline.text.encode("utf-8", "surrogateescape")
        parts = [self.file.read_bytes(), script.read_bytes() if script else b"", pipeline]
        digest = hashlib.sha256()
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()
