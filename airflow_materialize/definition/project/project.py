"""Everything below a root → definitions, with the problems that pipelines and assets have with one another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from airflow_materialize.definition.inheritance.surroundings import Surroundings
from airflow_materialize.definition.model.identity import SCHEME
from airflow_materialize.definition.model.parsed import ParsedPipeline
from airflow_materialize.definition.model.pipeline import ON_ASSETS
from airflow_materialize.definition.parsing.pipeline_file import PipelineFile, parse_pipelines
from airflow_materialize.definition.project.cache import ParseCache
from airflow_materialize.definition.project.excerpts import quote_lines
from airflow_materialize.definition.project.graph import OwnAssets
from airflow_materialize.definition.project.links import Index, Links
from airflow_materialize.definition.project.neighbours import Known, Neighbours, OtherKinds
from airflow_materialize.definition.project.pipeline_assets import Reader
from airflow_materialize.definition.text.source import PipelineFolder, find_pipelines
from airflow_materialize.errors import Problem

__all__ = ["ParsedPipeline", "parse_folder", "parse_project"]


def parse_project(
    root: Path,
    wanted: Callable[[str], bool] = lambda _: True,
    *,
    default_connection: str = "",
    cache: ParseCache | None = None,
) -> list[ParsedPipeline]:
    """Read every pipeline below a folder.

    Args:
        root: The folder of all pipelines, or that of one pipeline. Paths in messages are relative to it.
        wanted: Whether to read the assets of the pipeline of a name; all others are left out.
        default_connection: The connection id of tables for which neither asset nor pipeline names one.
        cache: Where pipelines are kept that were parsed before.
    """
    pipelines = _by_name(find_pipelines(root), Surroundings(root))
    reader = Reader(root, default_connection, cache)
    read = {name: reader.pipeline(pipelines[name]) for name in sorted(filter(wanted, pipelines))}
    return quote_lines(_linked(read, pipelines, reader), root)


def parse_folder(
    folder: PipelineFolder,
    root: Path,
    only: Path | None = None,
    default_connection: str = "",
    others: Iterable[PipelineFolder] = (),
) -> list[ParsedPipeline]:
    """Read one pipeline, or each of its variants.

    Args:
        folder: Where it is.
        root: The folder that paths in messages are relative to.
        only: The one file to look at; all others are as if they were not there.
        default_connection: The connection id of tables for which neither asset nor pipeline names one.
        others: The other pipelines, on whose assets its own may depend.
    """
    around = Surroundings(root)
    own = _by_name([folder], around)
    reader = Reader(root, default_connection)
    read = {name: reader.pipeline(file, only) for name, file in own.items()}
    if only is None:
        pipelines = {**_by_name(others, around), **own}
        read = dict(zip(read, _linked(read, pipelines, reader), strict=True))
    return quote_lines([*read.values()], root)


def _by_name(folders: Iterable[PipelineFolder], around: Surroundings) -> dict[str, PipelineFile]:
    pipelines: dict[str, PipelineFile] = {}
    for found in (file for folder in folders for file in parse_pipelines(folder, around)):
        first = pipelines.setdefault(found.pipeline.name, found)
        if first is not found:
            pipelines[found.pipeline.name] = _shared_name(first, found)
    return pipelines


def _linked(
    read: Mapping[str, ParsedPipeline], pipelines: Mapping[str, PipelineFile], reader: Reader
) -> list[ParsedPipeline]:
    """Return pipelines with what they have to do with all others, of which no more is parsed than it takes."""
    if not read:
        return []
    others = Neighbours(
        [file for name, file in pipelines.items() if name not in read], reader.root, reader.default_connection
    )
    loaded = dict(read)
    while True:
        index = Index([*_known(loaded.values()), *_met(loaded, read.keys(), others)])
        # Whether pipelines wait for one another in a circle, only all of their assets tell.
        waits = (wait for one in loaded.values() if one.pipeline.schedule == ON_ASSETS for wait in index.waits(one))
        more = {wait.upstream.pipeline for wait in waits if wait.upstream.schedule == ON_ASSETS} - loaded.keys()
        if not more:
            links = Links(loaded, index, others, OtherKinds(pipelines.values(), reader.root))
            return [links.linked(pipeline) for pipeline in read.values()]
        loaded |= {name: reader.pipeline(pipelines[name]) for name in sorted(more)}


def _known(pipelines: Iterable[ParsedPipeline]) -> Iterator[Known]:
    for pipeline in pipelines:
        yield from (Known(pipeline.name, pipeline.pipeline.schedule, asset) for asset in pipeline.assets)


def _met(loaded: Mapping[str, ParsedPipeline], read: Collection[str], others: Neighbours) -> Iterator[Known]:
    """Yield the assets of others by whose name or URI some pipelines are concerned."""
    words: set[str] = set()
    for pipeline in loaded.values() if others.pipelines else ():
        own = OwnAssets(pipeline.assets)
        for asset in pipeline.assets:
            words |= {need.name or need.uri for need in asset.needs if not own.find(need)}
            if asset.uri and pipeline.name in read:
                words |= {asset.name, asset.uri}
    # The name of an asset that has no URI of its own stands in what others know it by.
    words |= {unquote(word.rpartition("/")[2]) for word in words if word.startswith(f"{SCHEME}:")}
    return (known for known in others.find(words) if known.pipeline not in loaded)


def _shared_name(first: PipelineFile, second: PipelineFile) -> PipelineFile:
    message = f"{second.pipeline.name!r} is the name of {first.named_at.file} too"
    problem = Problem(*second.named_at, "name", message, "one pipeline, one name", code="AM306")
    return replace(first, problems=(*first.problems, problem))
