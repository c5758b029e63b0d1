"""Airflow's own assets: what an asset emits, what it reads, and what starts a pipeline."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_materialize.definition.model.identity import SCHEME
from airflow_materialize.errors import Problem

_OWN = re.compile(rf"(?=.{{,1498}}\Z){SCHEME}://[\w%.~-]+/[\w%.~-]+", re.ASCII)
"""A URI of ours that Airflow leaves as it is, with room for two more characters."""

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Asset

    from airflow_materialize.definition.model.parsed import ParsedAsset, ParsedPipeline


def airflow_asset(uri: str, about: Mapping[str, Any]) -> Asset:
    """Return an Airflow asset that is the same as `Asset(uri)` in anyone's own DAG.

    Airflow knows an asset by its name and URI together, and two that share one of them are in each other's way.

    Args:
        uri: The URI, which is the name as well.
        about: What Airflow shows of it. Whoever names the asset says the same: Airflow keeps what it read last.
    """
    from airflow.sdk import Asset

    if not _OWN.fullmatch(uri):
        return Asset(name=uri, uri=uri, extra=dict(about))
    # Airflow asks all providers how a URI is written, and imports its database's models for it: longer than all else
    # that a task takes to start. Of a scheme for oneself (`x-`) it does not, and ours is written as it should be.
    asset = Asset(name=uri, uri=f"x-{uri}", extra=dict(about))
    object.__setattr__(asset, "uri", uri)
    return asset


def ports(parsed: ParsedAsset, *, first: bool, last: bool) -> dict[str, list[Asset]]:
    """Return the arguments of a step's operator about Airflow assets.

    Args:
        parsed: The asset.
        first: Whether the step is `run`, which reads.
        last: Whether the step is the last blocking one, after which the table is what it should be.
    """
    inlets = [airflow_asset(outside.uri, outside.about) for outside in parsed.outside] if first else []
    outlets = [airflow_asset(parsed.uri, parsed.about)] if last and parsed.uri else []
    return {name: assets for name, assets in (("inlets", inlets), ("outlets", outlets)) if assets}


def triggers(pipeline: ParsedPipeline) -> list[Asset]:
    """Return the Airflow assets that start a pipeline with `schedule: assets`, when each has a new event.

    They are assets and no references to them (`Asset.ref`): to a DAG run on references Airflow hands no events.
    """
    outside = (outside for asset in pipeline.assets for outside in asset.outside if not outside.symbolic)
    return [airflow_asset(uri, one.about) for uri, one in sorted({one.uri: one for one in outside}.items())]


def without_refused_uris(pipeline: ParsedPipeline) -> ParsedPipeline:
    """Return a pipeline without URIs that Airflow refuses; an asset that has one, or reads one, has a problem.

    For a scheme that a provider knows, as `postgres`, Airflow has rules of its own.
    """
    return replace(pipeline, assets=tuple(map(_without_refused_uris, pipeline.assets)))


def _without_refused_uris(asset: ParsedAsset) -> ParsedAsset:
    places = {asset.uri: asset.uri_at} if asset.uri_at else {}
    places |= {need.uri: need.place for need in asset.needs if need.uri}
    refused = {uri: error for uri in places if uri and (error := _refusal(uri))}
    if not refused:
        return asset
    problems = [
        Problem(
            *place,
            "uri" if place is asset.uri_at else "depends",
            f"Airflow refuses the URI: {refused[uri]}",
            code="AM131",
        )
        for uri, place in places.items()
        if place and uri in refused
    ]
    return replace(
        asset.with_problems(*(replace(problem, code="AM131") for problem in problems)),
        uri="" if asset.uri in refused else asset.uri,
        outside=tuple(outside for outside in asset.outside if outside.uri not in refused),
    )


def _refusal(uri: str) -> str:
    if uri.startswith(f"{SCHEME}:"):
        return ""
    try:
        airflow_asset(uri, {})
    except ValueError as error:
        return str(error)
    return ""
