from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from airflow_materialize.definition.inheritance.rendering import ENVIRONMENT
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.parsing.template_rules import NAMES as KNOWN
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.interval import Interval
from airflow_materialize.plan.planning import plan_run
from airflow_materialize.plan.run_plan import RunPlan, Trigger
from airflow_materialize.plan.template import bruin_names, render

NOON = datetime(2026, 4, 2, 12, tzinfo=UTC)
APRIL_1 = Interval(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 4, 2, tzinfo=UTC))
NAMES = {"start_date": "2026-04-01", "var": SimpleNamespace(country="BE", items=[1, 2])}


def plan_of(interval: Interval | None = APRIL_1, **variables) -> RunPlan:
    pipeline = Pipeline.model_validate(
        {"name": "sales", "variables": {name: {"type": "string", "default": v} for name, v in variables.items()}}
    )
    trigger = Trigger("sales", "manual__1", "manual", NOON, interval)
    return plan_run(Asset(name="raw.orders"), pipeline, trigger, source="sales/assets/raw/orders.py", source_hash="ab")


def test_text_without_a_template_is_left_as_it_is():
    assert render("a % b < c & 'd'\n", {}) == "a % b < c & 'd'\n"


def test_a_name_is_filled_in_without_escaping():
    assert render("x > '{{ var.country }}'\n", NAMES) == "x > 'BE'\n"


def test_a_variable_may_have_the_name_of_a_dicts_method():
    assert render("{% for n in var.items %}{{ n }};{% endfor %}", NAMES) == "1;2;"


def test_a_variable_may_be_asked_for_in_brackets():
    assert render("{{ var['country'] }}", NAMES) == "BE"


def test_an_unknown_name_is_an_error_with_the_names_that_there_are():
    with pytest.raises(MaterializeError) as caught:
        render("{{ strat_date }}", NAMES)
    assert str(caught.value) == (
        "The template '{{ strat_date }}' cannot be filled in: strat_date is unknown\nHint: there are: start_date, var"
    )


def test_an_unknown_variable_is_an_error_with_the_variables_that_there_are():
    with pytest.raises(MaterializeError, match=r"var\.region is unknown; the pipeline's variables: country, items"):
        render("{{ var.region }}", NAMES)


def test_a_start_date_without_an_interval_is_an_error_with_the_choices():
    names = bruin_names(plan_of(interval=None), NOON)
    with pytest.raises(MaterializeError) as caught:
        render("{{ start_date | add_days(1) }}", names)
    assert "start_date is unknown" in caught.value.message
    assert caught.value.hint.startswith("this DAG run has no interval: give the DAG run start_date and end_date")


@pytest.mark.parametrize(
    "text",
    [
        "{{ conn.warehouse.password }}",
        "{{ var.value.secret }}",
        "{{ var.json.secret }}",
        "{{ macros.datetime }}",
        "{{ ti }}",
    ],
)
def test_nothing_of_airflow_is_within_reach(text):
    with pytest.raises(MaterializeError, match="is unknown"):
        render(text, bruin_names(plan_of(), NOON))


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ (''|attr('__class__')) ~ '' }}",
        "{{ var.__dict__ }}",
        "{{ var.__init__.__globals__ }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ var.items.append(3) }}",
        "{{ range.__self__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler }}",
        "{% import 'os' as os %}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_a_way_out_of_the_sandbox_is_an_error(text):
    with pytest.raises(MaterializeError, match="cannot be filled in"):
        render(text, NAMES)


def test_a_malformed_template_is_an_error_with_its_line():
    with pytest.raises(MaterializeError, match=r"cannot be filled in: line 2: "):
        render("a\n{% if start_date %}b", NAMES)


def test_an_unknown_filter_is_an_error_with_the_filters_that_there_are():
    with pytest.raises(MaterializeError) as caught:
        render("{{ start_date | add_day(1) }}", NAMES)
    assert "No filter named 'add_day'" in caught.value.message
    assert "add_days, add_hours" in caught.value.hint


def test_an_error_of_arithmetic_is_an_error_of_the_template():
    with pytest.raises(MaterializeError, match="cannot be filled in: division by zero"):
        render("{{ 1 / 0 }}", NAMES)


def test_a_long_template_is_cut_in_its_error():
    with pytest.raises(MaterializeError) as caught:
        render("{{ nothing }}" + "x" * 5000, NAMES)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("'2022-02-07T04:00:00.948740Z' | date_add(3)", "2022-02-10T04:00:00.948740Z"),
        ("'2022-02-07T04:00:00.948740Z' | date_format('%Y-%m-%d')", "2022-02-07"),
        ("'2026-04-01' | add_days(-1)", "2026-03-31"),
        ("'2026-04-01' | add_days('2')", "2026-04-03"),
        ("'20260401' | add_days(1)", "20260402"),
        ("'2026-04-01' | add_hours(25)", "2026-04-02"),
        ("'2026-04-01T00:00:00' | add_hours(-1)", "2026-03-31T23:00:00"),
        ("'2026-04-01 10:00' | add_minutes(90)", "2026-04-01 11:30"),
        ("'2026-04-01T10:00:00+02:00' | add_seconds(1)", "2026-04-01T10:00:01+02:00"),
        ("'2026-04-01T10:00:00.000' | add_milliseconds(1)", "2026-04-01T10:00:00.001"),
        ("'2026-01-31' | add_months(1)", "2026-02-28"),
        ("'2026-01-31' | add_months(-2)", "2025-11-30"),
        ("'2024-02-29' | add_years(1)", "2025-02-28"),
        ("'2026-04-23T10:20:30.405060Z' | truncate_year", "2026-01-01T00:00:00.000000Z"),
        ("'2026-04-23T10:20:30' | truncate_month", "2026-04-01T00:00:00"),
        ("'2026-04-23 10:20:30' | truncate_day", "2026-04-23 00:00:00"),
        ("'2026-04-23T10:20' | truncate_hour", "2026-04-23T10:00"),
        ("'2026-04-23' | truncate_month | add_months(1) | add_days(-1)", "2026-04-30"),
    ],
)
def test_a_date_filter_answers_in_the_spelling_that_it_was_given(expression, result):
    assert render(f"{{{{ {expression} }}}}", {}) == result


@pytest.mark.parametrize("value", ["soon", "2026-02-30", "2026-04", 5])
def test_a_date_filter_refuses_what_is_no_date(value):
    with pytest.raises(MaterializeError, match=f"{value}' is no date"):
        render("{{ value | add_days(1) }}", {"value": value})


@pytest.mark.parametrize("number", ["1.5", "'x'", "none", "10000000"])
def test_a_date_filter_refuses_what_it_cannot_add(number):
    with pytest.raises(MaterializeError, match="days cannot be added to 2026-04-01"):
        render(f"{{{{ '2026-04-01' | add_days({number}) }}}}", {})


def test_bruins_names_are_those_of_its_documentation():
    assert bruin_names(plan_of(country="BE"), NOON) == {
        "start_date": "2026-04-01",
        "start_date_nodash": "20260401",
        "start_datetime": "2026-04-01T00:00:00",
        "start_timestamp": "2026-04-01T00:00:00.000000Z",
        "end_date": "2026-04-01",
        "end_date_nodash": "20260401",
        "end_datetime": "2026-04-01T23:59:59",
        "end_timestamp": "2026-04-01T23:59:59.999999Z",
        "execution_date": "2026-04-02",
        "execution_date_nodash": "20260402",
        "execution_datetime": "2026-04-02T12:00:00",
        "execution_timestamp": "2026-04-02T12:00:00.000000Z",
        "pipeline": "sales",
        "run_id": "manual__1",
        "full_refresh": False,
        "commit_hash": "",
        "schema_prefix": "",
        "this": "raw.orders",
        "var": SimpleNamespace(country="BE"),
    }


def test_a_condition_of_bruins_own_documentation_is_decided():
    text = '{% if start_timestamp|date_format("%H") == "00" %}-20d{% else %}0{% endif %}'
    assert render(text, bruin_names(plan_of(), NOON)) == "-20d"


def test_the_names_that_parsing_knows_are_those_that_a_run_has():
    assert {*bruin_names(plan_of(), NOON), *ENVIRONMENT.globals} == KNOWN
