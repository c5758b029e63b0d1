"""The fields that a header may have and that change nothing, each with the reason. Using one is a warning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from airflow_materialize.definition.text.tree import Entry, ListNode, MapNode, Node, Scalar
from airflow_materialize.errors import Problem

_CLOUD = "it is read by Bruin Cloud alone"
_NO_PARTITIONS = "tables are made without partitions and clusters; a table that has them keeps them"

ASSET_FIELDS_WITHOUT_EFFECT: dict[str, str] = {
    "freshness": "the age of a table is not watched in this version",
    "outputs": "an asset makes one table; several x.asset.yml may `run` one file",
    "unit_tests": "assets are tested with pytest",
    "routing": _CLOUD,
    "snowflake": "it is for Snowflake destinations alone",
    "athena": "it is for Athena destinations alone",
    "bigquery": "it is for BigQuery destinations alone",
    "doris": "it is for Doris destinations alone",
    "starrocks": "it is for StarRocks destinations alone",
    "materialization.partition_by": _NO_PARTITIONS,
    "materialization.cluster_by": _NO_PARTITIONS,
    "materialization.time_granularity": _NO_PARTITIONS,
    "columns[].checks[].notifications": "whom the asset notifies hears of its checks",
    "custom_checks[].notifications": "whom the asset notifies hears of its checks",
}
"""Fields, as `columns[].checks[].notifications` → why they have no effect."""

PIPELINE_FIELDS_WITHOUT_EFFECT: dict[str, str] = {
    "id": "the DAG's id is the name",
    "metadata_push": "it is for BigQuery destinations alone",
    "commit": _CLOUD,
    "snapshot": _CLOUD,
    "agent": _CLOUD,
}


def warn_of_no_effect(tree: MapNode, without_effect: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a warning for each field of a header that has no effect.

    Args:
        tree: The header.
        without_effect: Fields, as `columns[].mask` → why they have no effect.
    """
    yield from _below(tree, "", "", without_effect)


@cache
def _ways(fields: tuple[str, ...]) -> frozenset[str]:
    """All that lies on the way to some fields."""
    return frozenset(field[:place] for field in fields for place, sign in enumerate(field) if sign in "[.")


def _below(node: Node, pattern: str, path: str, without_effect: Mapping[str, str]) -> Iterator[Problem]:
    if isinstance(node, ListNode):
        for index, item in enumerate(node.items):
            yield from _below(item, f"{pattern}[]", f"{path}[{index}]", without_effect)
    elif isinstance(node, MapNode):
        ways = _ways(tuple(without_effect))
        for name, entry in node.entries.items():
            below = f"{pattern}.{name}" if pattern else name
            if below in ways:
                yield from _below(entry.value, below, f"{path}.{name}" if path else name, without_effect)
            elif below in without_effect and _asks(entry):
                message, shown = f"has no effect: {without_effect[below]}", f"{path}.{name}" if path else name
                yield Problem(*entry.place, shown, message, severity="warning", code="AM501")


def _asks(entry: Entry) -> bool:
    value = entry.value
    if isinstance(value, Scalar):
        return not value.empty and value.text != ""
    return bool(value.items if isinstance(value, ListNode) else value.entries)
