"""What an asset is to the rest of Airflow: the URI that it is known by, and what it says of itself."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic_core import PydanticCustomError

from airflow_materialize.definition.model.uris import as_uri

if TYPE_CHECKING:
    from airflow_materialize.definition.model.asset import Asset
    from airflow_materialize.definition.model.column import Column

SCHEME = "materialize"
"""Of the URI of an asset that gives itself none."""

_LONGEST = 1500  # In Airflow's table of assets.
_HASHED = 64 + len("___")


def asset_uri(explicit: str, connection: str, name: str) -> str:
    """Return the URI of a table asset's Airflow asset: `materialize://<connection>/<name>` unless its header gives one.

    No connection is looked up for it. Whatever is no plain character of a URI is percent-encoded, and what would be too
    long for Airflow ends in its hash, so no two tables have one URI.

    Args:
        explicit: The header's `uri`. One that is none counts as not given.
        connection: The connection id of the table.
        name: The asset's name.

    Returns:
        The URI; empty where there is neither `uri` nor connection.
    """
    given = _valid(explicit)
    if given or not connection:
        return given
    uri = f"{SCHEME}://{_encoded(connection)}/{_encoded(name)}"
    if len(uri) <= _LONGEST:
        return uri
    return f"{uri[: _LONGEST - _HASHED]}___{sha256(uri.encode()).hexdigest()}"


def _valid(uri: str) -> str:
    try:
        return as_uri(uri)
    except PydanticCustomError:
        return ""


def _encoded(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


def spelling(uri: str) -> str:
    """Return what two spellings of one URI have in common: Airflow takes no notice of slashes at the end."""
    return uri.rstrip("/")


def about(asset: Asset, pipeline: str) -> dict[str, Any]:
    """Return what an asset says of itself, for its Airflow asset: plain data, the same at every parse.

    Args:
        asset: Its definition.
        pipeline: The name of its pipeline.
    """
    said = {
        "description": asset.description,
        "owner": asset.owner,
        "tags": list(asset.tags),
        "domains": list(asset.domains),
        "tier": asset.tier,
        "meta": {**asset.metadata, **asset.meta},
        "upstreams": {column.name: _sources(column) for column in asset.columns if column.upstreams},
    }
    return {"name": asset.name, "pipeline": pipeline, **{key: value for key, value in said.items() if value}}


def _sources(column: Column) -> list[str]:
    return [".".join(filter(None, (upstream.table, upstream.column))) for upstream in column.upstreams]
