from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.model.column import CHECKS
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.model.retries import Retries
from airflow_materialize.definition.text.problems import _model_in

GLOSSARY = {"glossary.yml": "entities: {Order: {attributes: {id: {type: integer}}}}"}
EVERYTHING = """
name: raw.orders
uri: postgres://x/y
enabled: "{{ var.on }}"
description: |
  Orders.
depends:
  - raw.a
  - asset: raw.b
    mode: SYMBOLIC
    columns: [x, {name: y, usage: z}]
  - uri: s3://x
parameters: {a: 1, b: 1.50, c: 2024-01-01, d: yes, e: true, f: [x, ~], g: 007}
connection: warehouse
connections: {gcp: other}
secrets: [{key: a}, {key: b, inject_as: B}]
image: python:3.12
materialization:
  type: TABLE
  strategy: Delete+Insert
  partition_by: day
  cluster_by: [a]
  incremental_key: day
  incremental_predicate: x > 1
  time_granularity: date
  on_schema_change: sync
  enforce_schema: yes
  enforce_key: yes
  on_duplicate: last
  on_null_key: match
  delete_by: interval
  allow_empty: true
  publish: after_checks
  guarantee: at_least_once
tier: 1
start_date: 2024-01-01
extends: [Order]
columns:
  - name: id
    type: integer
    primary_key: true
    nullable: false
    default: 0
    checks:
      - {name: min, value: 1, blocking: off}
      - {name: max, value: 2.5}
      - {name: accepted_values, value: [1, 2]}
      - {name: accepted_values, value: [001, 1.50, NO]}
      - {name: pattern, value: 12}
      - {name: relationships}
    foreign_key: {table: raw.a, column: id}
    upstreams: [{table: raw.a, column: id}]
    extends: Order.id
    meta: {a: 1}
    sensitive: true
  - {name: price, type: decimal, precision: 10, scale: 2, update_on_merge: true, merge_sql: a + b, mask: hash}
custom_checks:
  - {name: some, query: select 1, value: 1}
  - {name: none, query: select 1, count: 0, blocking: false}
unit_tests: [{name: x}]
hooks: {pre: [{query: select 1}]}
tags: [a, b]
domains: [c]
meta: {a: b}
interval_modifiers: {start: -2h, end: "{{ x }}"}
retries: {max: 3, delay: 10s}
rerun_cooldown: 60
timeout: 1h30m
refresh_restricted: true
notifications: {slack: [{channel: "#x", success: false}]}
routing: {egress_gateway: x}
bigquery: {require_partition_filter: true}
resources: {memory: 1GB}
freshness: 1d
"""


def test_an_asset_survives_json(parse, write):
    write(GLOSSARY)
    asset = parse(EVERYTHING).asset
    again = Asset.model_validate(json.loads(json.dumps(asset.model_dump(mode="json"))))
    assert again == asset
    assert again.model_dump() == asset.model_dump()


def test_scalars_keep_their_text_and_take_a_type_where_one_is_asked_for(parse, write):
    write(GLOSSARY)
    asset = parse(EVERYTHING).asset
    assert asset.parameters == {
        "a": 1, "b": 1.5, "c": "2024-01-01", "d": "yes", "e": True, "f": ["x", None], "g": "007",
    }  # fmt: skip
    assert (asset.start_date, asset.columns[0].default, asset.columns[0].meta) == ("2024-01-01", "0", {"a": "1"})
    assert (asset.materialization.enforce_schema, asset.columns[0].checks[0].blocking) == (True, False)
    assert asset.materialization.enforce_key is True
    assert [check.value for check in asset.columns[0].checks] == [
        1, 2.5, (1, 2), ("001", "1.50", "NO"), "12", None,
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["NO", "2024", "3.10", "null_", "1e3", "2024-01-01", "on"])
def test_a_name_is_what_stands_there(parse, text):
    assert parse(f"description: {text}").asset.description == text


def test_an_empty_value_counts_as_absent(parse):
    asset = parse("owner:\ncolumns: ~\ndepends:\nmaterialization: null").asset
    assert (asset.owner, asset.columns, asset.depends, asset.materialization) == ("", (), (), None)


@pytest.mark.parametrize("header", ["owner: x", "materialization: {type: none}", "materialization: {}"])
def test_an_asset_without_a_type_of_materialization_is_a_script(parse, header):
    asset = parse(header).asset
    assert asset.materialization is None
    assert not asset.is_table


def test_a_table_is_made_by_create_replace_unless_it_says_otherwise(parse):
    materialization = parse("materialization: {type: table}").asset.materialization
    assert (materialization.strategy, materialization.on_schema_change) == ("create+replace", "evolve")


def test_the_primary_key_is_in_the_order_of_the_columns(parse):
    columns = "columns: [{name: b, primary_key: true}, {name: x}, {name: a, primary_key: true}]"
    assert parse(columns).asset.primary_key == ("b", "a")


@pytest.mark.parametrize("depends", ["raw.a", "[raw.a]", "{asset: raw.a}", "[{asset: raw.a}]"])
def test_one_dependency_may_stand_in_any_form(parse, depends):
    [dependency] = parse(f"depends: {depends}").asset.depends
    assert (dependency.asset, dependency.mode) == ("raw.a", "full")


def test_retries_are_a_number_or_a_rule(parse):
    assert parse("retries: 3").asset.retries == 3
    assert parse("retries: {max: 3}").asset.retries == Retries(max=3)


def test_patterns_of_databases_are_taken(parse):
    for pattern in (r"^[[:alpha:]]+$", r"\p{L}+\z", "(?i)x", "a(?i)b"):
        asset = parse(f"columns: [{{name: a, checks: [{{name: pattern, value: '{pattern}'}}]}}]").asset
        assert asset.columns[0].checks[0].value == pattern


def test_every_field_and_check_is_described():
    waiting, seen = [Asset, Pipeline], set()
    while waiting:
        model = waiting.pop()
        seen.add(model)
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            inner = _model_in(field.annotation)
            waiting += [inner] if inner and inner not in seen else []
    assert all(issubclass(model, BaseModel) for model in seen)
    assert len(seen) > 10
    assert all(kind.description for kind in CHECKS.values())
