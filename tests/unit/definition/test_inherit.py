from __future__ import annotations

from airflow_materialize.definition.project.project import parse_project

DEFAULT = """
name: sales
default_connections: {duckdb: warehouse}
default:
  type: ingestr
  owner: team
  tags: [daily, a]
  depends: raw.first
  parameters: {x: 1, y: 2}
  retries: 2
  interval_modifiers: {start: -1d, end: 1d}
  materialization: {type: table, on_schema_change: freeze}
  hooks: {pre: [{query: select 1}]}
  secrets: [{key: shared}]
  columns:
    - name: ID
      type: integer
      primary_key: true
      checks: [{name: unique}, {name: not_null}]
    - name: loaded
      type: timestamp
  custom_checks: [{name: some, query: select 1}]
"""


def test_an_asset_takes_what_it_does_not_say(parse):
    asset = parse("owner: ''\n", pipeline=DEFAULT).asset
    assert (asset.type, asset.owner, asset.tags, asset.retries) == ("python", "team", ("daily", "a"), 2)
    assert (asset.is_table, asset.primary_key, asset.hooks.pre[0].query) == (True, ("ID",), "select 1")
    assert [(secret.key, secret.inject_as) for secret in asset.secrets] == [("shared", "shared")]


def test_an_asset_wins_and_is_filled_up(parse):
    asset = parse(
        """
        owner: me
        tags: [b, a]
        depends: [raw.own]
        parameters: {x: 9}
        interval_modifiers: {start: -2h}
        materialization: {strategy: merge}
        columns:
          - name: id
            type: bigint
            checks: [{name: unique, blocking: false}]
        custom_checks: [{name: some, query: select 2}]
        """,
        pipeline=DEFAULT,
    ).asset
    assert (asset.owner, asset.tags) == ("me", ("b", "a", "daily"))
    assert [dependency.asset for dependency in asset.depends] == ["raw.own", "raw.first"]
    assert asset.parameters == {"x": 9, "y": 2}
    assert (asset.interval_modifiers.start, asset.interval_modifiers.end) == ("-2h", "1d")
    assert (asset.materialization.strategy, asset.materialization.on_schema_change) == ("merge", "freeze")
    key, loaded = asset.columns
    assert (key.name, key.type, key.primary_key, loaded.name) == ("id", "bigint", True, "loaded")
    assert [(check.name, check.blocking) for check in key.checks] == [("unique", False), ("not_null", True)]
    assert [check.query for check in asset.custom_checks] == ["select 2"]


def test_a_mistake_in_an_inherited_value_is_reported_where_it_is_written(parse):
    parsed = parse("owner: me", pipeline="name: sales\ndefault:\n  tier: high\n  ownr: x\n")
    assert [str(problem) for problem in parsed.problems] == [
        "sales/pipeline.yml:3:3: tier: 'high' is no whole number",
        "sales/pipeline.yml:4:3: ownr: unknown field (did you mean 'owner'?)",
    ]


def test_what_assets_do_not_inherit_is_a_warning(write):
    root = write({"sales/pipeline.yml": "name: sales\ndefault:\n  name: x\n"})
    assert [str(problem) for problem in parse_project(root)[0].warnings] == [
        "sales/pipeline.yml:3:3: warning: default.name: is not inherited (each asset has its own)"
    ]


def test_retries_tags_and_owner_of_the_pipeline_stay_with_it(parse):
    asset = parse("name: a", pipeline="name: sales\nretries: 3\ntags: [x]\nowner: team\n").asset
    assert (asset.retries, asset.tags, asset.owner) == (None, (), "")


def test_load_options_under_parameters_are_read_as_if_under_materialization(parse):
    parsed = parse(
        """
        materialization: {type: table, strategy: append}
        parameters:
          enforce_schema: true
          incremental_strategy: append
          incremental_key: day
          cluster_by: region
          own: 1
        """
    )
    materialization = parsed.asset.materialization
    assert (materialization.enforce_schema, materialization.incremental_key) == (True, "day")
    assert (materialization.strategy, materialization.cluster_by) == ("append", ("region",))
    assert parsed.asset.parameters == {"own": 1}


def test_the_strategy_under_parameters_may_be_called_replace(parse):
    asset = parse("materialization: {type: table}\nparameters: {incremental_strategy: replace}").asset
    assert asset.materialization.strategy == "create+replace"


def test_a_load_option_of_the_asset_wins_over_an_inherited_parameter(parse):
    pipeline = "name: sales\ndefault_connections: {d: w}\ndefault: {parameters: {enforce_schema: true}}\n"
    parsed = parse("materialization: {type: table, enforce_schema: false}", pipeline=pipeline)
    assert parsed.problems == ()
    assert parsed.asset.materialization.enforce_schema is False


def test_limits_come_one_by_one_from_the_nearest_place_that_has_them(parse):
    pipeline = "name: sales\ndefault: {resources: {memory: 2GB, cpu_time: 10m}}\n"
    resources = parse("resources: {cpu_time: 5s, processes: 4}", pipeline=pipeline).asset.resources
    assert (resources.memory, resources.cpu_time, resources.processes) == (2_000_000_000, 5.0, 4)
