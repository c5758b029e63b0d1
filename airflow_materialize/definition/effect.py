"""The fields that a header may have and that change nothing yet. Using one is a warning, never silence."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_materialize.definition.tree import Entry, ListNode, MapNode, Node, Scalar
from airflow_materialize.errors import Problem

# Each with the value that asks for nothing, where it has one.
ASSET_FIELDS_WITHOUT_EFFECT: dict[str, str] = {
    **dict.fromkeys(
        (
            *("uri", "connections", "secrets", "instance", "tier", "extends", "unit_tests", "hooks", "domains", "meta"),
            *("metadata", "rerun_cooldown", "timeout", "notifications", "routing", "resources", "freshness", "outputs"),
            *("snowflake", "athena", "bigquery", "doris", "starrocks", "retries.max", "retries.delay"),
            *("retries.backoff", "retries.max_delay", "retries.on", "depends[].uri", "depends[].columns"),
            *("columns[].default", "columns[].merge_sql", "columns[].mask", "columns[].source_column"),
            *("columns[].collation", "columns[].upstreams", "columns[].tags", "columns[].domains", "columns[].meta"),
            *("columns[].owner", "columns[].extends", "columns[].checks[].retries"),
            *("columns[].checks[].notifications", "custom_checks[].retries", "custom_checks[].notifications"),
            *("materialization.partition_by", "materialization.cluster_by", "materialization.time_granularity"),
            "materialization.incremental_predicate",
        ),
        "",
    ),
    "enabled": "true",
    "columns[].nullable": "true",
    "columns[].sensitive": "false",
    "materialization.on_duplicate_key": "error",
    "materialization.on_null_key": "error",
    "materialization.publish": "at_once",
    "parameters": "",
}

PIPELINE_FIELDS_WITHOUT_EFFECT: dict[str, str] = {
    **dict.fromkeys(
        (
            *("id", "domains", "meta", "max_active_steps", "notifications", "metadata_push", "variants", "assets"),
            *("commit", "snapshot", "agent"),
        ),
        "",
    ),
    "check_tasks": "one",
}


def warn_of_no_effect(tree: MapNode, without_effect: dict[str, str]) -> Iterator[Problem]:
    """Yield a warning for each field of a header that has no effect.

    Args:
        tree: The header.
        without_effect: Fields, as `columns[].mask` → the value that asks for nothing.
    """
    yield from _below(tree, "", "", without_effect)


def _below(node: Node, pattern: str, path: str, without_effect: dict[str, str]) -> Iterator[Problem]:
    if isinstance(node, ListNode):
        for index, item in enumerate(node.items):
            yield from _below(item, f"{pattern}[]", f"{path}[{index}]", without_effect)
    elif isinstance(node, MapNode):
        for name, entry in node.entries.items():
            below, shown = (f"{pattern}.{name}", f"{path}.{name}") if pattern else (name, name)
            if below not in without_effect:
                yield from _below(entry.value, below, shown, without_effect)
            elif _asks(entry, without_effect[below]):
                yield Problem(*entry.place, shown, "has no effect in this version", severity="warning")


def _asks(entry: Entry, nothing: str) -> bool:
    value = entry.value
    if isinstance(value, Scalar):
        return not value.empty and value.text.lower() not in {"", nothing}
    return bool(value.items if isinstance(value, ListNode) else value.entries)
