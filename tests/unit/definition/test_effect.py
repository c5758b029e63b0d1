from __future__ import annotations

import pytest

from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.model.effect import ASSET_FIELDS_WITHOUT_EFFECT, PIPELINE_FIELDS_WITHOUT_EFFECT
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.project.project import parse_project
from airflow_materialize.definition.text.problems import _fields


def warnings_of(parsed):
    return [str(problem).removeprefix("sales/assets/raw/orders.py:") for problem in parsed.warnings]


def test_a_field_without_effect_is_a_warning_at_its_place_with_the_reason(parse):
    parsed = parse(
        """
        snowflake: {warehouse: x}
        routing: {egress_gateway: x}
        unit_tests: [{name: x}]
        outputs: [a, b]
        columns:
          - name: id
            checks: [{name: unique, notifications: {slack: []}}]
        materialization:
          type: table
          partition_by: day
        """
    )
    assert parsed.problems == ()
    assert warnings_of(parsed) == [
        "2:1: warning: snowflake: has no effect: it is for Snowflake destinations alone",
        "3:1: warning: routing: has no effect: it is read by Bruin Cloud alone",
        "4:1: warning: unit_tests: has no effect: assets are tested with pytest",
        "5:1: warning: outputs: has no effect: an asset makes one table; several x.asset.yml may `run` one file",
        "8:29: warning: columns[0].checks[0].notifications: has no effect: whom the asset notifies hears of its checks",
        (
            "11:3: warning: materialization.partition_by: has no effect: tables are made without partitions and clusters; "
            "a table that has them keeps them"
        ),
    ]


def test_a_value_that_asks_for_nothing_is_no_warning(parse):
    parsed = parse("unit_tests: []\nbigquery: {}\nfreshness:\nmaterialization: {type: table, cluster_by: []}")
    assert (parsed.problems, warnings_of(parsed)) == ((), [])


def test_fields_that_have_their_effect_are_no_warning(parse):
    parsed = parse(
        """
        uri: s3://shop/orders
        enabled: false
        instance: pool:big
        tier: 1
        domains: [a]
        meta: {a: b}
        metadata: {a: b}
        secrets: [{key: a}]
        parameters: {a: 1}
        rerun_cooldown: 60
        timeout: 1h
        retries: {max: 3, delay: 30s, backoff: 2, max_delay: 10m, on: [TimeoutError]}
        notifications: {slack: [{channel: "#x"}]}
        hooks: {pre: [{query: SELECT 1}]}
        interval_modifiers: {start: -2h}
        materialization:
          {type: table, strategy: delete+insert, incremental_key: d, publish: after_checks}
        columns:
          - {name: d, type: decimal, primary_key: true, nullable: false, sensitive: true, meta: {a: b}}
          - {name: e, type: text, default: "'x'", source_column: E, upstreams: [{table: a, column: b}],
             checks: [{name: unique, retries: 1}]}
        custom_checks: [{name: x, query: select 1, retries: 2}]
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
        "sales/pipeline.yml": "name: sales\ndefault: {routing: {egress_gateway: x}}\nid: old\ncommit: abc\n",
        "sales/assets/a.py": header,
        "sales/assets/b.py": header,
    }
    [pipeline] = parse_project(write(files))
    assert [str(problem) for problem in pipeline.warnings] == [
        "sales/pipeline.yml:2:11: warning: routing: has no effect: it is read by Bruin Cloud alone",
        "sales/pipeline.yml:3:1: warning: id: has no effect: the DAG's id is the name",
        "sales/pipeline.yml:4:1: warning: commit: has no effect: it is read by Bruin Cloud alone",
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
