"""`validate`: every mistake, each with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from airflow_materialize.cli import FINE, INVALID
from airflow_materialize.cli.problems import findings, print_github, print_json, print_text
from airflow_materialize.connections import airflow_option
from airflow_materialize.dag.discovery import with_import_warnings
from airflow_materialize.definition.project.explain import Origin, explain
from airflow_materialize.definition.project.select import Selection, select_assets
from airflow_materialize.errors import AssetError, Problem
from airflow_materialize.execution.environments.requirements import find_requirements
from airflow_materialize.settings import Settings, read_settings
from airflow_materialize.workplace import Workplace

_PRINTERS: Mapping[str, Callable[..., None]] = MappingProxyType(
    {"text": print_text, "json": print_json, "github": print_github}
)


def validate(path: Path, form: str = "text", *, strict: bool = False, explained: bool = False) -> int:
    """Print all problems of what a path names, and return the exit code.

    Args:
        path: An asset's file or a folder.
        form: `text`, `json` or `github`.
        strict: Whether warnings count as errors.
        explained: Whether to show where each value of each asset comes from.
    """
    default_connection = airflow_option("default_connection") or ""
    try:
        selections = [_with_import_warnings(chosen, path) for chosen in select_assets(path, default_connection)]
        selections = [_with_requirements(chosen, read_settings(airflow_option)) for chosen in selections]
    except AssetError as error:
        _PRINTERS[form]([], error.problems)
        return INVALID
    origins = [_origins(selection, default_connection) if explained else {} for selection in selections]
    found = [findings(*pair, strict=strict) for pair in zip(selections, origins, strict=True)]
    _PRINTERS[form](found)
    return INVALID if any(pipeline.count("error") for pipeline in found) else FINE


def _origins(selection: Selection, default_connection: str) -> dict[str, tuple[Origin, ...]]:
    root, pipeline = selection.root, selection.pipeline
    return {asset.name: explain(root, pipeline, asset, default_connection) for asset in selection.chosen}


def _with_requirements(selection: Selection, settings: Settings) -> Selection:
    """Add to each asset that was asked for what is wrong with its requirements."""
    place = Workplace(selection.root, selection.pipeline.path, settings)
    problems: dict[str, tuple[Problem, ...]] = {}
    for asset in selection.chosen:
        try:
            find_requirements(selection.root / asset.script, place.top, settings.requirements)
        except AssetError as error:
            problems[asset.path] = tuple(error.problems)
    assets = (
        replace(asset, problems=(*asset.problems, *problems.get(asset.path, ()))) for asset in selection.pipeline.assets
    )
    return replace(selection, pipeline=replace(selection.pipeline, assets=tuple(assets)))


def _with_import_warnings(selection: Selection, asked: Path) -> Selection:
    """Add a warning for each file that Airflow would import, of those that were asked for."""
    [pipeline] = with_import_warnings([selection.pipeline], selection.root)
    known = {*selection.pipeline.warnings}
    warnings = [
        warning
        for warning in pipeline.warnings
        if warning in known or (selection.root / warning.file).is_relative_to(asked.absolute())
    ]
    return replace(selection, pipeline=replace(pipeline, warnings=tuple(warnings)))
