from __future__ import annotations

import pytest

from airflow_materialize.definition.asset import Asset
from airflow_materialize.definition.effect import ASSET_FIELDS_WITHOUT_EFFECT, PIPELINE_FIELDS_WITHOUT_EFFECT
from airflow_materialize.definition.parse import parse_project
from airflow_materialize.definition.pipeline import Pipeline
from airflow_materialize.definition.problems import _fields


def warnings_of(parsed):
    return [str(problem).removeprefix("sales/assets/raw/orders.py:") for problem in parsed.warnings]


def test_a_field_without_effect_is_a_warning_at_its_place(parse):
    parsed = parse(
        """
        instance: b1.small
        secrets: [{key: a}]
        parameters: {a: 1}
        retries: {max: 3}
        columns:
          - name: id
            mask: hash
            nullable: false
            checks: [{name: unique, retries: 1}]
        materialization:
          type: table
          publish: after_checks
        """
    )
    end = "has no effect in this version"
    assert parsed.problems == ()
    assert warnings_of(parsed) == [
        f"2:1: warning: instance: {end}",
        f"3:1: warning: secrets: {end}",
        f"4:1: warning: parameters: {end}",
        f"5:11: warning: retries.max: {end}",
        f"8:5: warning: columns[0].mask: {end}",
        f"9:5: warning: columns[0].nullable: {end}",
        f"10:29: warning: columns[0].checks[0].retries: {end}",
        f"13:3: warning: materialization.publish: {end}",
    ]


def test_a_value_that_asks_for_nothing_is_no_warning(parse):
    parsed = parse(
        """
        enabled: true
        secrets: []
        meta: {}
        instance:
        refresh_restricted: false
        parameters: {enforce_schema: true}
        columns: [{name: id, nullable: True, sensitive: false}]
        materialization: {type: table, publish: at_once, guarantee: exactly_once}
        """
    )
    assert warnings_of(parsed) == []


def test_fields_that_have_their_effect_are_no_warning(parse):
    parsed = parse(
        """
        name: raw.orders
        type: python
        description: x
        depends: [a, {asset: b, mode: symbolic}]
        connection: c
        image: python:3.12
        owner: me
        tags: [a]
        start_date: 2024-01-01
        retries: 2
        interval_modifiers: {start: -2h}
        materialization:
          {type: table, strategy: delete+insert, incremental_key: d, enforce_schema: true, on_schema_change: sync,
           allow_empty: true, delete_by: interval}
        columns:
          - {name: d, type: decimal, description: x, primary_key: true, precision: 3, scale: 2}
          - {name: e, type: text, length: 3, update_on_merge: true, foreign_key: {table: a, column: b},
             checks: [{name: relationships, description: x, blocking: false}]}
        custom_checks: [{name: x, description: y, query: select 1, value: 1, count: 2, blocking: false}]
        """
    )
    assert (parsed.problems, warnings_of(parsed)) == ((), [])


def test_a_value_for_a_check_that_takes_none_is_a_warning(parse):
    parsed = parse("columns: [{name: id, checks: [{name: unique, value: 1}]}]")
    assert warnings_of(parsed) == ["2:46: warning: columns[0].checks[0].value: unique takes no value: it has no effect"]


def test_materialization_without_a_type_is_a_warning(parse):
    parsed = parse("materialization: {strategy: append}")
    assert warnings_of(parsed) == [
        "2:1: warning: materialization: has no effect without a `type` (type: table makes a table)"
    ]


def test_run_in_a_python_file_is_a_warning(parse):
    assert warnings_of(parse("run: x.py")) == [
        "2:1: warning: run: has an effect in *.asset.yml alone (this file is what runs)"
    ]


def test_what_assets_inherit_is_warned_of_once(write):
    header = "# @bruin.owner: x\n"
    files = {
        "sales/pipeline.yml": "name: sales\ndefault: {instance: big}\ncheck_tasks: each\n",
        "sales/assets/a.py": header,
        "sales/assets/b.py": header,
    }
    [pipeline] = parse_project(write(files))
    assert [str(problem) for problem in pipeline.warnings] == [
        "sales/pipeline.yml:2:11: warning: instance: has no effect in this version",
        "sales/pipeline.yml:3:1: warning: check_tasks: has no effect in this version",
    ]
    assert [asset.warnings for asset in pipeline.assets] == [(), ()]


@pytest.mark.parametrize(
    ("model", "pattern"),
    [
        *((Asset, pattern) for pattern in ASSET_FIELDS_WITHOUT_EFFECT),
        *((Pipeline, pattern) for pattern in PIPELINE_FIELDS_WITHOUT_EFFECT),
    ],
)
def test_the_table_names_fields_that_exist(model, pattern):
    *above, name = pattern.replace("[]", "").split(".")
    assert name in _fields(model, tuple(above))
