from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.interval import Interval
from airflow_materialize.plan.planning import plan_run
from airflow_materialize.plan.run_plan import RunPlan, Trigger
from airflow_materialize.plan.template import bruin_names, render

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
APRIL_1 = Interval(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 4, 2, tzinfo=UTC), "the DAG run's data interval")
SCHEDULED = Trigger("sales", "scheduled__2026-04-02", "scheduled", NOON, APRIL_1)
VARIABLES = {"variables": {"region": {"type": "string", "default": "eu"}, "on": {"type": "boolean", "default": False}}}


def plan_of(trigger: Trigger = SCHEDULED, macros: str = "", **header) -> RunPlan:
    return plan_run(
        Asset.model_validate({"name": "raw.orders", "connection": "warehouse", **header}),
        Pipeline.model_validate({"name": "sales", **VARIABLES}),
        trigger,
        source="sales/assets/raw/orders.py",
        source_hash="ab12",
        macros=macros,
    )


@pytest.mark.parametrize(
    ("enabled", "runs"),
    [
        (True, True),
        (False, False),
        ("{{ var.on }}", False),
        ("{{ var.region == 'eu' }}", True),
        ("{% if full_refresh %}true{% endif %}", False),
        ("{{ 1 if start_date == '2026-04-01' else 0 }}", True),
    ],
)
def test_an_asset_runs_if_its_header_says_so_in_this_run(enabled, runs):
    assert plan_of(enabled=enabled).enabled is runs


def test_a_template_that_gives_no_boolean_is_refused_with_what_it_gave():
    with pytest.raises(MaterializeError) as error:
        plan_of(enabled="{{ var.region }}")
    assert str(error.value) == (
        "raw.orders: `enabled` is the template '{{ var.region }}', which gives 'eu'\nHint: true or false"
    )


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ({"parameters": {"deep": [{"region": "{{ var.regin }}"}]}}, "parameters.deep[0].region"),
        ({"hooks": {"pre": [{"query": "SELECT {{ var.regin }}"}]}}, "hooks.pre"),
        ({"hooks": {"post": [{"query": "SELECT {{ var.regin }}"}]}}, "hooks.post"),
        ({"enabled": "{{ var.regin }}"}, "enabled"),
        ({"interval_modifiers": {"start": "{{ var.regin }}"}}, "interval_modifiers.start"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_named_with_its_asset_and_field(header, field):
    with pytest.raises(MaterializeError) as error:
        plan_of(**header)
    assert str(error.value).startswith(f"raw.orders: {field}: the template ")
    assert "var.regin is unknown; the pipeline's variables: on, region" in str(error.value)


def test_parameters_are_filled_in_at_every_depth_and_keep_their_types():
    parameters = {
        "url": " https://{{ var.region }}.example ",
        "deep": [{"day": "{{ start_date }}"}, 3, None, 1.5, True],
    }
    assert plan_of(parameters=parameters).parameters == {
        "url": "https://eu.example",
        "deep": [{"day": "2026-04-01"}, 3, None, 1.5, True],
    }


def test_hooks_are_frozen_with_their_templates_filled_in():
    plan = plan_of(
        hooks={
            "pre": [{"query": "DELETE FROM log WHERE day = '{{ start_date }}'"}],
            "post": [{"query": "ANALYZE {{ this }}"}],
        }
    )
    assert plan.hooks_pre == ("DELETE FROM log WHERE day = '2026-04-01'",)
    assert plan.hooks_post == ("ANALYZE raw.orders",)


def test_a_disabled_asset_needs_no_value_for_its_other_templates():
    nowhere = replace(SCHEDULED, interval=None)
    assert plan_of(nowhere, enabled=False, parameters={"day": "{{ start_date }}"}).parameters == {}
    with pytest.raises(MaterializeError, match="start_date"):
        plan_of(nowhere, parameters={"day": "{{ start_date }}"})


def test_macros_of_the_pipeline_see_the_run_and_serve_its_templates():
    macros = "{% macro since(column) %}{{ column }} >= '{{ start_date }}'{% endmacro %}"
    plan = plan_of(macros=macros, parameters={"where": "{{ since('day') }}"})
    assert plan.parameters == {"where": "day >= '2026-04-01'"}
    assert render("SELECT 1 WHERE {{ since('d') }}", bruin_names(plan, NOON)) == "SELECT 1 WHERE d >= '2026-04-01'"


def test_broken_macros_are_refused_with_their_line():
    with pytest.raises(MaterializeError, match="macros of the pipeline cannot be read: line 2"):
        plan_of(macros="{% macro x() %}{% endmacro %}\n{% macro")


def test_a_template_reaches_nothing_of_airflow():
    for text in ("{{ conn.warehouse.password }}", "{{ var.value.secret }}", "{{ ti.task_id }}", "{{ macros.uuid }}"):
        with pytest.raises(MaterializeError, match="unknown"):
            plan_of(parameters={"secret": text})
