"""Which assets a path names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_materialize.definition.model.parsed import ParsedAsset, ParsedPipeline
from airflow_materialize.definition.project.graph import AssetGraph
from airflow_materialize.definition.project.project import parse_folder, parse_project
from airflow_materialize.definition.text.problems import suggest
from airflow_materialize.definition.text.source import PIPELINE_FILES, PipelineFolder, find_pipelines, is_file
from airflow_materialize.errors import AssetError, MaterializeError, Problem


@dataclass(frozen=True)
class Selection:
    """Assets of one pipeline.

    Attributes:
        root: The folder that paths are relative to.
        pipeline: The pipeline, with all of its assets.
        names: The chosen ones, each after what it depends on.
    """

    root: Path
    pipeline: ParsedPipeline
    names: tuple[str, ...]

    @property
    def chosen(self) -> tuple[ParsedAsset, ...]:
        """The chosen assets."""
        known = {asset.name: asset for asset in self.pipeline.assets}
        return tuple(known[name] for name in self.names)


def select_assets(path: str | Path, default_connection: str = "") -> list[Selection]:
    """Find what a path names: one asset's file, a pipeline or a folder in it, or a folder of pipelines.

    Args:
        path: The file or folder.
        default_connection: The connection id of tables for which neither asset nor pipeline names one.

    Raises:
        AssetError: There is nothing of the kind.
    """
    path = Path(path).absolute()
    folders = (path, *path.parents) if path.is_dir() else path.parents
    inside = next((folder for folder in folders if _pipeline_file(folder)), None)
    if not path.exists():
        raise _nothing(path, "there is no such file or folder")
    if inside is not None:
        root = _root_of(inside)
        only = path if path.is_file() and path.name not in PIPELINE_FILES else None
        others = _others(inside, root) if only is None else ()
        folder = PipelineFolder(inside, _pipeline_file(inside))
        pipelines = parse_folder(folder, root, only, default_connection, others)
        below = "" if only or path in {inside, _pipeline_file(inside)} else f"{path.relative_to(root).as_posix()}/"
        selections = [_select(root, pipeline, below) for pipeline in pipelines]
    elif path.is_file():
        home = path.parent
        pipelines = parse_folder(PipelineFolder(home), home, path, default_connection)
        selections = [_select(home, pipeline) for pipeline in pipelines]
    else:
        pipelines = parse_project(path, default_connection=default_connection)
        selections = [_select(path, pipeline) for pipeline in pipelines]
    if not any(selection.names or selection.pipeline.problems for selection in selections):
        found = [(selection.root, warning) for selection in selections for warning in selection.pipeline.warnings]
        warnings = [replace(warning, file=str(root / warning.file)) for root, warning in found]
        raise _nothing(path, "there is no asset here", warnings)
    return selections


def choose_variant(selections: Iterable[Selection], variant: str) -> list[Selection]:
    """Return the selections of one variant, beside those of pipelines without variants.

    Args:
        selections: What paths name.
        variant: The variant's name; empty where nobody gave one.

    Raises:
        MaterializeError: A pipeline has variants and the given one is none of them, or none was given; or one was given
            and there are no variants.
    """
    listed = list(selections)
    variants: dict[str, list[str]] = {}
    for selection in listed:
        if selection.pipeline.variant:
            variants.setdefault(selection.pipeline.path, []).append(selection.pipeline.variant)
    if variant and not variants:
        raise MaterializeError(f"There is no variant {variant!r}", hint="no pipeline here has variants")
    for path, names in variants.items():
        if variant not in names:
            message = (
                f"{path} has no variant {variant!r}" if variant else f"{path} has variants, and each is a pipeline"
            )
            hint = suggest(variant, names) if variant else f"choose one of: {', '.join(sorted(names))}"
            raise MaterializeError(message, hint=hint)
    return [selection for selection in listed if selection.pipeline.variant in {"", variant}]


def _select(root: Path, pipeline: ParsedPipeline, below: str = "") -> Selection:
    chosen = {asset.name for asset in pipeline.assets if asset.path.startswith(below)}
    order = AssetGraph.of(pipeline.assets).order()
    return Selection(root, pipeline, tuple(name for name in order if name in chosen))


def _pipeline_file(folder: Path) -> Path | None:
    return next((folder / name for name in PIPELINE_FILES if is_file(folder / name)), None)


def _root_of(pipeline: Path) -> Path:
    """Return the DAGs directory that a pipeline lies in, else its repository, else the folder above it."""
    return _signed(pipeline) or pipeline.parent


def _signed(pipeline: Path) -> Path | None:
    for sign in (".airflowignore", ".git"):
        for folder in pipeline.parents:
            if (folder / sign).exists():
                return folder
    return None


def _others(pipeline: Path, root: Path) -> list[PipelineFolder]:
    """Return the other pipelines of the same DAGs directory; where nothing says which it is, those beside the pipeline.

    Above the pipeline may be everything that a person has, and to walk through it would take its time.
    """
    if _signed(pipeline):
        return [other for other in find_pipelines(root) if other.path != pipeline]
    beside = sorted(folder for folder in root.iterdir() if folder != pipeline and not folder.is_symlink())
    return [PipelineFolder(folder, file) for folder in beside if (file := _pipeline_file(folder))]


def _nothing(path: Path, message: str, warnings: Iterable[Problem] = ()) -> AssetError:
    return AssetError([*warnings, Problem(str(path), 0, 0, "", message, code="AM404")])
