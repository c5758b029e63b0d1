from __future__ import annotations

from dataclasses import replace

from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.model.stated import Patience, Stated, stated

HEADER = {
    "name": "raw.orders",
    "description": "All of them ☕",
    "owner": "Ada",
    "tags": ["gold"],
    "instance": "pool:api",
    "connection": "warehouse",
    "enabled": "{{ var.on }}",
    "materialization": {"type": "table", "strategy": "merge", "incremental_key": "day"},
    "retries": {"max": 2, "delay": "30s", "backoff": True, "on": ["OSError"]},
    "notifications": {"slack": [{"channel": "#data"}]},
    "parameters": {"deep": [1, "x", None, 2.5, True], "endless": float("inf")},
    "columns": [
        {
            "name": "id",
            "type": "varchar",
            "length": 20,
            "primary_key": True,
            "checks": [{"name": "unique", "retries": 4}, {"name": "accepted_values", "value": ["001", "2.50"]}],
        }
    ],
    "custom_checks": [{"name": "gaps", "query": "SELECT 0", "blocking": False, "retries": 1}],
    "interval_modifiers": {"start": "-2h"},
    "secrets": [{"key": "api"}],
}


def test_a_header_that_is_kept_is_the_header_when_someone_asks_for_it():
    asset = Asset.model_validate(HEADER)
    assert stated(asset).asset == asset
    assert stated(asset).asset.model_fields_set == asset.model_fields_set


def test_what_a_dag_is_made_of_is_known_without_reading_the_header():
    known = stated(Asset.model_validate(HEADER))
    summary = replace(known, text="no header").summary
    assert (summary.owner, summary.tags, summary.instance, summary.disabled) == ("Ada", ("gold",), "pool:api", False)
    assert summary.retries.max == 2
    assert summary.notifications.slack[0].channel == "#data"
    assert summary.patience == (Patience("id", "unique", True, 4), Patience("", "gaps", False, 1))
    assert "All of them ☕" in summary.page


def test_a_header_that_is_kept_shows_nothing_of_its_text_where_it_is_printed():
    assert "secrets" not in repr(Stated(stated(Asset.model_validate(HEADER)).summary, '{"secrets": 1}'))
