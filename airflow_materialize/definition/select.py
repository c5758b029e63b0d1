"""Which assets a path names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from airflow_materialize.definition.graph import AssetGraph
from airflow_materialize.definition.parse import parse_folder, parse_project
from airflow_materialize.definition.parsed import ParsedAsset, ParsedPipeline
from airflow_materialize.definition.source import PIPELINE_FILES, PipelineFolder
from airflow_materialize.errors import AssetError, Problem


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
        pipeline = parse_folder(PipelineFolder(inside, _pipeline_file(inside)), root, only, default_connection)
        below = "" if only or path in {inside, _pipeline_file(inside)} else f"{path.relative_to(root).as_posix()}/"
        selections = [_select(root, pipeline, below)]
    elif path.is_file():
        home = path.parent
        selections = [_select(home, parse_folder(PipelineFolder(home), home, path, default_connection))]
    else:
        pipelines = parse_project(path, default_connection=default_connection)
        selections = [_select(path, pipeline) for pipeline in pipelines]
    if not any(selection.names or selection.pipeline.problems for selection in selections):
        raise _nothing(path, "there is no asset here", [w for s in selections for w in s.pipeline.warnings])
    return selections


def _select(root: Path, pipeline: ParsedPipeline, below: str = "") -> Selection:
    chosen = {asset.name for asset in pipeline.assets if asset.path.startswith(below)}
    order = AssetGraph.of(pipeline.assets).order()
    return Selection(root, pipeline, tuple(name for name in order if name in chosen))


def _pipeline_file(folder: Path) -> Path | None:
    return next((folder / name for name in PIPELINE_FILES if (folder / name).is_file()), None)


def _root_of(pipeline: Path) -> Path:
    """Return the DAGs directory that a pipeline lies in, else its repository, else the folder above it."""
    for sign in (".airflowignore", ".git"):
        for folder in pipeline.parents:
            if (folder / sign).exists():
                return folder
    return pipeline.parent


def _nothing(path: Path, message: str, warnings: Iterable[Problem] = ()) -> AssetError:
    return AssetError([*warnings, Problem(str(path), 0, 0, "", message)])
