"""`env`: the assets' environments on this machine."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from airflow_materialize.cli import FINE, INVALID
from airflow_materialize.connections import airflow_option
from airflow_materialize.definition.model.parsed import ParsedAsset
from airflow_materialize.definition.project.select import Selection, select_assets
from airflow_materialize.errors import AssetError, MaterializeError
from airflow_materialize.execution.containment import Child
from airflow_materialize.execution.environments.cache import CachedEnvironment, list_environments, prune
from airflow_materialize.execution.environments.environment import BuildOptions, Environment, use_environment
from airflow_materialize.execution.environments.requirements import find_requirements, python_version
from airflow_materialize.execution.isolation import Isolation
from airflow_materialize.settings import Settings, read_settings
from airflow_materialize.sizes import parse_size
from airflow_materialize.workplace import Workplace

ACTIONS = ("list", "build", "prune", "path")

log = logging.getLogger("airflow_materialize")


def env(options: argparse.Namespace) -> int:
    """Do one action on the environments of this machine, and return the exit code."""
    needs_path = options.action in ("build", "path")
    if needs_path != (options.path is not None):
        says = "needs the path of an asset or a folder" if needs_path else "takes no path"
        raise MaterializeError(f"env {options.action} {says}")
    if options.max_size and options.action != "prune":
        raise MaterializeError("--max-size is for env prune alone")
    if options.upgrade and options.action != "build":
        raise MaterializeError("--upgrade is for env build alone")
    settings = read_settings(airflow_option)
    if options.action == "build":
        return _build(options.path, settings, renew=options.upgrade)
    if options.action == "path":
        return _path(options.path, settings)
    if options.action == "prune":
        return _prune(options.max_size, settings)
    return _list(settings)


def _list(settings: Settings) -> int:
    for environment in list_environments(settings.environments):
        print(_line(environment))
    return FINE


def _line(environment: CachedEnvironment) -> str:
    state = "in use" if environment.in_use else "unused"
    size = f"{environment.size / 1e6:.1f} MB"
    used = f"{environment.last_used.astimezone():%Y-%m-%d %H:%M}"
    unit = "package" if environment.packages == 1 else "packages"
    counted = f"{environment.packages:>5} {unit:<8}"
    return f"{environment.python:<8}{counted}{size:>12}  {used}  {state}  {environment.path}"


def _prune(max_size: str | None, settings: Settings) -> int:
    try:
        size = settings.environments_max_size if max_size is None else parse_size(max_size)
    except ValueError as error:
        raise MaterializeError(f"--max-size: {error}", hint="as 5GB") from None
    removed = prune(settings.environments, size, log)
    freed = sum(environment.size for environment in removed) / 1e6
    count = "1 environment" if len(removed) == 1 else f"{len(removed) or 'no'} environments"
    print(f"pruned {count}, {freed:.1f} MB")
    return FINE


def _build(path: Path, settings: Settings, *, renew: bool) -> int:
    """Build what all assets need. None of these goes to make room for another of them."""
    code = FINE
    users: dict[Path, set[str]] = {}
    with ExitStack() as held:
        for asset, selection in _assets(path):
            try:
                environment = held.enter_context(_environment(asset, selection, settings, renew=renew))
                users.setdefault(environment.path, set()).add(asset.name)
            except MaterializeError as error:
                print(f"{asset.name}: {error}", file=sys.stderr)
                code = INVALID
    for place, names in users.items():
        print(f"{place}  {', '.join(sorted(names))}")
    return code


def _path(path: Path, settings: Settings) -> int:
    found = {asset.path: (asset, selection) for asset, selection in _assets(path)}
    if len(found) != 1:
        raise MaterializeError(f"{path} names {len(found)} assets", hint="the path of one asset's file")
    [(asset, selection)] = found.values()
    with _environment(asset, selection, settings) as environment:
        print(environment.python)
    return FINE


def _assets(path: Path) -> Iterator[tuple[ParsedAsset, Selection]]:
    for selection in select_assets(path, airflow_option("default_connection") or ""):
        for asset in selection.chosen:
            yield asset, selection


def _environment(
    asset: ParsedAsset, selection: Selection, settings: Settings, *, renew: bool = False
) -> AbstractContextManager[Environment]:
    """Give the environment of an asset, and build it if it is missing.

    Raises:
        AssetError: The asset is invalid.
    """
    if asset.asset is None:
        raise AssetError(asset.problems)
    top = Workplace(selection.root, selection.pipeline.path, settings).top
    requirements = find_requirements(selection.root / asset.script, top, settings.requirements)
    python = python_version(asset.asset.image, requirements, settings.python)
    child = Child(Isolation(settings, selection.root).to_build())
    made = BuildOptions(child, settings.environments_max_size, settings.index, asset.name, renew=renew)
    return use_environment(requirements, python, settings.environments, log, made)
