"""Where each value of an asset comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from airflow_materialize.definition.inheritance.surroundings import Surroundings
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.model.parsed import ParsedAsset, ParsedPipeline
from airflow_materialize.definition.parsing.parse import Reading, read_asset
from airflow_materialize.definition.parsing.pipeline_file import parse_pipelines
from airflow_materialize.definition.text.source import PIPELINE_FILES, PipelineFolder, is_file
from airflow_materialize.definition.text.tree import ListNode, MapNode, Node, Provenance


class Origin(NamedTuple):
    """One value and its origin.

    Attributes:
        path: The field, as `columns[2].type`.
        value: The value, as text.
        place: Where it stands; None where that is in no file.
        source: What gives a value that stands in no file.
    """

    path: str
    value: str
    place: Provenance | None
    source: str = ""

    @property
    def where(self) -> str:
        """The place, or what gives the value."""
        return f"{self.place.file}:{self.place.line}:{self.place.column}" if self.place else self.source


def explain(
    root: Path, pipeline: ParsedPipeline, asset: ParsedAsset, default_connection: str = ""
) -> tuple[Origin, ...]:
    """Return each value that an asset has and where it comes from, in the order of the fields of a header.

    What no file and no setting says, and a field therefore has by itself, is left out.

    Args:
        root: The folder that paths are relative to.
        pipeline: The asset's pipeline.
        asset: The asset.
        default_connection: As for `parse_project`.
    """
    reading = _reading(root, pipeline, asset, default_connection)
    if reading is None:
        return ()
    tree = reading.merged.tree
    found = [
        origin
        for name, entry in tree.entries.items()
        if tree.get(name) is not None
        for origin in _values(entry.value, name)
    ]
    given = {**reading.given, **({"name": asset.name} if "name" in reading.given else {})}
    sources = {"name": "the path of the file", "connection": "the setting default_connection"}
    found += [Origin(name, value, None, sources[name]) for name, value in given.items() if value]
    fields = list(Asset.model_fields)
    order = {name: index for index, name in enumerate(fields)}
    return tuple(
        sorted(found, key=lambda origin: order.get(origin.path.partition(".")[0].partition("[")[0], len(fields)))
    )


def _reading(root: Path, pipeline: ParsedPipeline, asset: ParsedAsset, default_connection: str) -> Reading | None:
    path = root / pipeline.path
    file = next((path / name for name in PIPELINE_FILES if is_file(path / name)), None)
    files = parse_pipelines(PipelineFolder(path, file), Surroundings(root))
    same = next((found for found in files if found.scope.variant == pipeline.variant), None)
    where = root / asset.path
    reading = read_asset(where, root, same, base=where.parent, default_connection=default_connection) if same else None
    return reading if isinstance(reading, Reading) else None


def _values(node: Node, path: str) -> Iterator[Origin]:
    if isinstance(node, MapNode) and node.entries:
        for name, entry in node.entries.items():
            yield from _values(entry.value, f"{path}.{name}")
    elif isinstance(node, ListNode) and node.items:
        for index, item in enumerate(node.items):
            yield from _values(item, f"{path}[{index}]")
    elif isinstance(node, MapNode | ListNode):
        yield Origin(path, "{}" if isinstance(node, MapNode) else "[]", node.place)
    elif not node.empty:
        yield Origin(path, node.text, node.place)
