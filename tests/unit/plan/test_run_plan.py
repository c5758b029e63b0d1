from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.interval import Interval
from airflow_materialize.plan.planning import plan_run
from airflow_materialize.plan.run_plan import PLAN_VERSION, RunPlan, Trigger, bruin_environment

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
APRIL_1 = Interval(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 4, 2, tzinfo=UTC), "the DAG run's data interval")
SCHEDULED = Trigger("sales", "scheduled__2026-04-02", "scheduled", NOON, APRIL_1)
REFRESH = replace(SCHEDULED, full_refresh=True)


def asset_of(**header) -> Asset:
    return Asset.model_validate({"name": "raw.orders", "connection": "warehouse", **header})


def plan_of(trigger: Trigger = SCHEDULED, pipeline: dict | None = None, **header) -> RunPlan:
    return plan_run(
        asset_of(**header),
        Pipeline.model_validate({"name": "sales", **(pipeline or {})}),
        trigger,
        source="sales/assets/raw/orders.py",
        source_hash="ab12",
    )


MERGE = {"materialization": {"type": "table", "strategy": "merge"}, "columns": [{"name": "id", "primary_key": True}]}
RICH = {
    **MERGE,
    "depends": ["raw.customers", {"uri": "s3://x", "mode": "symbolic"}],
    "secrets": [{"key": "api"}],
    "interval_modifiers": {"start": "-2h"},
    "columns": [
        {
            "name": "id",
            "type": "integer",
            "primary_key": True,
            "checks": [{"name": "accepted_values", "value": ["001", "1.50"]}, {"name": "min", "value": 1.5}],
        },
        {"name": "note", "sensitive": True, "meta": {"a": "b"}},
    ],
    "custom_checks": [{"name": "some", "query": "SELECT {{ var.n }}", "count": 3, "blocking": False}],
    "enabled": "{{ not full_refresh }}",
    "retries": {"max": 3, "delay": "30s"},
    "hooks": {"pre": [{"query": "SELECT '{{ this }}'"}], "post": [{"query": "ANALYZE"}]},
    "parameters": {"deep": {"list": [1, "x", None, 2.5, True]}},
}


def test_a_plan_carries_the_run_and_the_header():
    plan = plan_of(**MERGE)
    assert plan.strategy == "merge"
    assert plan.connection == "warehouse"
    assert plan.interval == APRIL_1
    assert (plan.dag_id, plan.run_id, plan.run_type, plan.map_index) == (
        "sales",
        "scheduled__2026-04-02",
        "scheduled",
        -1,
    )
    assert (plan.source, plan.source_hash) == ("sales/assets/raw/orders.py", "ab12")
    assert (plan.full_refresh, plan.notes) == (False, ())


def test_a_plain_script_has_no_strategy():
    assert plan_of().strategy == ""
    assert plan_of(REFRESH).strategy == ""


def test_the_default_connection_is_that_of_an_asset_without_one():
    asset = Asset(name="raw.orders")
    plan = plan_run(asset, Pipeline(name="sales"), SCHEDULED, source="", source_hash="", default_connection="duck")
    assert plan.connection == "duck"


def test_a_plan_goes_to_json_and_back():
    variables = {"n": {"type": "integer", "default": 3, "minimum": 1}}
    plan = plan_of(replace(REFRESH, map_index=2), {"variables": variables, "start_date": "2026-01-01"}, **RICH)
    assert RunPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_plan_without_an_interval_goes_to_json_and_back():
    plan = plan_of(replace(SCHEDULED, interval=None))
    assert RunPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_plan_in_json_leaves_out_what_the_header_does_not_say():
    assert plan_of().to_json()["asset"] == {"name": "raw.orders", "connection": "warehouse"}


def test_a_plan_of_another_version_is_refused_with_both_versions():
    data = plan_of().to_json() | {"version": PLAN_VERSION + 1}
    with pytest.raises(MaterializeError) as caught:
        RunPlan.from_json(data)
    assert str(caught.value) == (
        f"The run plan has version {PLAN_VERSION + 1}, and this worker reads version {PLAN_VERSION}\n"
        "Hint: run the same airflow-materialize on every worker, then clear the run step"
    )


@pytest.mark.parametrize("data", [None, [], "plan", {}, {"version": "1"}])
def test_what_is_no_plan_is_refused(data):
    with pytest.raises(MaterializeError, match="This is no run plan"):
        RunPlan.from_json(data)


@pytest.mark.parametrize(
    "damage",
    [
        {"asset": {"name": "not a name!"}},
        {"asset": None},
        {"asset": {"name": "a", "colour": "red"}},
        {"notes": None},
        {"colour": "red"},
    ],
)
def test_a_damaged_plan_is_refused(damage):
    with pytest.raises(MaterializeError, match="The run plan is damaged"):
        RunPlan.from_json(plan_of().to_json() | damage)


def test_a_plan_that_lacks_a_field_is_refused():
    data = plan_of().to_json()
    del data["run_id"]
    with pytest.raises(MaterializeError, match="The run plan is damaged"):
        RunPlan.from_json(data)


def test_a_plan_with_a_damaged_interval_is_refused():
    with pytest.raises(MaterializeError, match="is no interval"):
        RunPlan.from_json(plan_of().to_json() | {"interval": {"start": "x"}})


def test_the_load_key_is_the_same_for_each_attempt():
    first = plan_of(**MERGE)
    second = plan_of(replace(SCHEDULED, try_number=2, task_instance="ff"), **MERGE, description="edited meanwhile")
    assert first.load_key == second.load_key
    assert len(first.load_key) == 64


@pytest.mark.parametrize(
    "other",
    [{"dag_id": "sales2"}, {"run_id": "manual__1"}, {"map_index": 0}, {"connection": "lake"}],
)
def test_the_load_key_differs_between_loads(other):
    plan = plan_of()
    assert replace(plan, **other).load_key != plan.load_key


def test_the_load_key_differs_between_assets():
    assert plan_of(name="raw.refunds").load_key != plan_of().load_key


def test_the_load_key_keeps_neighbouring_fields_apart():
    plan = plan_of()
    assert replace(plan, dag_id="ab", run_id="c").load_key != replace(plan, dag_id="a", run_id="bc").load_key


def test_a_full_refresh_replaces_the_table_from_the_assets_start_date():
    plan = plan_of(REFRESH, {"start_date": "2025-01-01"}, start_date="2026-01-15", **MERGE)
    assert (plan.full_refresh, plan.strategy) == (True, "create+replace")
    assert plan.interval == Interval(
        datetime(2026, 1, 15, tzinfo=UTC),
        APRIL_1.end,
        "from the asset's start_date to the end of the DAG run's data interval",
    )


def test_a_full_refresh_starts_at_the_pipelines_start_date_where_the_asset_has_none():
    plan = plan_of(REFRESH, {"start_date": "2025-01-01"}, **MERGE)
    assert plan.interval is not None
    assert plan.interval.start == datetime(2025, 1, 1, tzinfo=UTC)


def test_a_start_date_that_was_given_wins_over_that_of_the_asset():
    plan = plan_of(replace(REFRESH, start_given=True), start_date="2026-01-15", **MERGE)
    assert plan.interval == APRIL_1
    assert plan.strategy == "create+replace"


def test_a_full_refresh_without_any_start_date_says_what_it_covers():
    plan = plan_of(REFRESH, **MERGE)
    assert plan.interval == APRIL_1
    assert plan.notes == (
        (
            "Neither raw.orders nor its pipeline has a start_date: the full refresh covers "
            "[2026-04-01T00:00:00+00:00, 2026-04-02T00:00:00+00:00): the DAG run's data interval."
        ),
    )


def test_a_full_refresh_that_would_start_after_its_end_is_refused():
    with pytest.raises(MaterializeError) as caught:
        plan_of(REFRESH, start_date="2026-04-02", **MERGE)
    assert str(caught.value) == (
        "A full refresh of raw.orders would start at the asset's start_date 2026-04-02, "
        "and this run's interval ends at 2026-04-02T00:00:00+00:00\n"
        "Hint: give the DAG run a start_date, or an end_date that lies later"
    )


def test_a_start_date_means_nothing_to_an_incremental_run():
    assert plan_of(start_date="2026-01-15", **MERGE).interval == APRIL_1


@pytest.mark.parametrize(
    "header",
    [
        {"refresh_restricted": True},
        {"full_refresh_restricted": True},
        {"full_refresh_restricted": True, "refresh_restricted": False},
    ],
)
def test_a_restricted_full_refresh_runs_incrementally_and_says_so(header):
    plan = plan_of(REFRESH, start_date="2026-01-15", **MERGE, **header)
    assert (plan.full_refresh, plan.strategy, plan.interval) == (False, "merge", APRIL_1)
    assert plan.notes == ("raw.orders restricts full refreshes: this run is an incremental one.",)
    assert bruin_environment(plan, NOON)["BRUIN_FULL_REFRESH"] == ""


def test_the_longer_name_of_the_restriction_wins():
    plan = plan_of(REFRESH, **MERGE, full_refresh_restricted=False, refresh_restricted=True)
    assert plan.full_refresh


def test_a_restriction_says_nothing_in_an_incremental_run():
    assert plan_of(**MERGE, refresh_restricted=True).notes == ()


def test_interval_modifiers_apply_without_being_asked_for():
    plan = plan_of(interval_modifiers={"start": "-2h", "end": "1h"})
    environment = bruin_environment(plan, NOON)
    assert environment["BRUIN_START_TIMESTAMP"] == "2026-03-31T22:00:00.000000Z"
    assert environment["BRUIN_END_TIMESTAMP"] == "2026-04-02T00:59:59.999999Z"


def test_interval_modifiers_apply_to_a_full_refresh_too():
    plan = plan_of(REFRESH, start_date="2026-01-15", interval_modifiers={"start": "-1d"}, **MERGE)
    assert plan.interval is not None
    assert plan.interval.start == datetime(2026, 1, 14, tzinfo=UTC)


def test_an_interval_modifier_may_be_a_template():
    text = '{% if start_timestamp|date_format("%H") == "00" %}-20d{% else %}0{% endif %}'
    plan = plan_of(interval_modifiers={"start": text, "end": "{{ var.reach }}"}, pipeline={"variables": REACH})
    assert plan.interval is not None
    assert (plan.interval.start, plan.interval.end) == (
        datetime(2026, 3, 12, tzinfo=UTC),
        datetime(2026, 4, 2, 3, tzinfo=UTC),
    )


REACH = {"reach": {"type": "string", "default": "3h"}}


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ({"interval_modifiers": {"start": "-2h"}}, "interval_modifiers"),
        (
            {
                "materialization": {
                    "type": "table",
                    "strategy": "delete+insert",
                    "incremental_key": "day",
                    "delete_by": "interval",
                }
            },
            "delete_by: interval",
        ),
    ],
)
def test_an_asset_that_needs_an_interval_fails_with_the_choices_where_there_is_none(header, what):
    with pytest.raises(MaterializeError) as caught:
        plan_of(replace(SCHEDULED, interval=None), **header)
    assert str(caught.value) == (
        f"raw.orders has {what}, and this run has no interval\n"
        "Hint: give the DAG run start_date and end_date (trigger form, conf, or --start-date and --end-date), "
        "or give the pipeline a schedule"
    )


def test_a_variable_that_the_run_gives_reaches_the_plan():
    plan = plan_of(replace(SCHEDULED, variables={"reach": "5h"}), {"variables": REACH})
    assert plan.variables == {"reach": "5h"}
    assert plan.variables_schema == {"reach": {"type": "string"}}


def test_the_environment_has_bruins_names_and_formats():
    plan = plan_of(pipeline={"variables": REACH})
    assert bruin_environment(plan, NOON) == {
        "BRUIN_START_DATE": "2026-04-01",
        "BRUIN_START_DATETIME": "2026-04-01T00:00:00",
        "BRUIN_START_TIMESTAMP": "2026-04-01T00:00:00.000000Z",
        "BRUIN_END_DATE": "2026-04-01",
        "BRUIN_END_DATETIME": "2026-04-01T23:59:59",
        "BRUIN_END_TIMESTAMP": "2026-04-01T23:59:59.999999Z",
        "BRUIN_EXECUTION_DATE": "2026-04-02",
        "BRUIN_EXECUTION_DATETIME": "2026-04-02T12:00:00",
        "BRUIN_EXECUTION_TIMESTAMP": "2026-04-02T12:00:00.000000Z",
        "BRUIN_RUN_ID": "scheduled__2026-04-02",
        "BRUIN_PIPELINE": "sales",
        "BRUIN_ASSET": "raw.orders",
        "BRUIN_THIS": "raw.orders",
        "BRUIN_FULL_REFRESH": "",
        "BRUIN_COMMIT_HASH": "",
        "BRUIN_CONNECTION": "warehouse",
        "BRUIN_VARS": '{"reach": "3h"}',
        "BRUIN_VARS_SCHEMA": '{"reach": {"type": "string"}}',
        "BRUIN_SCHEMA_PREFIX": "",
        "PYTHONUNBUFFERED": "1",
    }


def test_the_environment_lacks_the_interval_where_there_is_none():
    environment = bruin_environment(plan_of(replace(SCHEDULED, interval=None)), NOON)
    assert not [name for name in environment if name.startswith(("BRUIN_START_", "BRUIN_END_"))]
    assert environment["BRUIN_EXECUTION_DATE"] == "2026-04-02"


def test_the_environment_marks_a_full_refresh():
    assert bruin_environment(plan_of(REFRESH, **MERGE), NOON)["BRUIN_FULL_REFRESH"] == "1"


def test_the_environment_of_a_script_without_a_connection_has_none():
    plan = plan_of(connection="")
    assert "BRUIN_CONNECTION" not in bruin_environment(plan, NOON)


def test_the_environment_has_empty_objects_where_there_are_no_variables():
    environment = bruin_environment(plan_of(), NOON)
    assert (environment["BRUIN_VARS"], environment["BRUIN_VARS_SCHEMA"]) == ("{}", "{}")


def test_the_environment_names_the_types_of_secrets_where_there_are_any():
    plan = plan_of(replace(SCHEDULED, commit_hash="c0ffee"))
    environment = bruin_environment(plan, NOON, connection_types={"api": "generic"})
    assert environment["BRUIN_CONNECTION_TYPES"] == '{"api": "generic"}'
    assert environment["BRUIN_COMMIT_HASH"] == "c0ffee"
