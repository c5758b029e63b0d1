from __future__ import annotations

import datetime as dt
import json

import pytest

from airflow_materialize import sdk
from airflow_materialize.sdk.run_context import ContextError, context

UTC = dt.timezone.utc  # noqa: UP017  # CPython 3.9 has no other name


@pytest.mark.parametrize(
    ("variable", "text", "attribute", "value"),
    [
        ("BRUIN_START_DATE", "2026-04-01", "start_date", dt.date(2026, 4, 1)),
        ("BRUIN_END_DATE", "2026-04-01", "end_date", dt.date(2026, 4, 1)),
        ("BRUIN_START_DATETIME", "2026-04-01T00:00:00", "start_datetime", dt.datetime(2026, 4, 1)),
        ("BRUIN_END_DATETIME", "2026-04-01T23:59:59", "end_datetime", dt.datetime(2026, 4, 1, 23, 59, 59)),
        (
            "BRUIN_END_TIMESTAMP",
            "2026-04-01T23:59:59.999999Z",
            "end_timestamp",
            dt.datetime(2026, 4, 1, 23, 59, 59, 999999, UTC),
        ),
        (
            "BRUIN_START_TIMESTAMP",
            "2026-04-01T00:00:00.000000Z",
            "start_timestamp",
            dt.datetime(2026, 4, 1, tzinfo=UTC),
        ),
        ("BRUIN_EXECUTION_DATE", "2026-04-01", "execution_date", dt.date(2026, 4, 1)),
        ("BRUIN_RUN_ID", "manual__1", "run_id", "manual__1"),
        ("BRUIN_PIPELINE", "sales", "pipeline", "sales"),
        ("BRUIN_ASSET", "raw.orders", "asset_name", "raw.orders"),
        ("BRUIN_CONNECTION", "wh", "connection", "wh"),
        ("BRUIN_COMMIT_HASH", "", "commit_hash", None),
        ("BRUIN_FULL_REFRESH", "1", "is_full_refresh", True),
        ("BRUIN_FULL_REFRESH", "", "is_full_refresh", False),
        (
            "MATERIALIZE_DATA_INTERVAL_END",
            "2026-04-02T00:00:00+00:00",
            "data_interval_end",
            dt.datetime(2026, 4, 2, tzinfo=UTC),
        ),
    ],
)
def test_attributes_are_read_at_each_access(monkeypatch, variable, text, attribute, value):
    monkeypatch.setenv(variable, text)

    assert getattr(context, attribute) == value


@pytest.mark.parametrize("attribute", ["run_id", "pipeline", "asset_name", "execution_date", "execution_timestamp"])
def test_what_is_not_set_is_none(monkeypatch, attribute):
    for name in ("RUN_ID", "PIPELINE", "ASSET", "EXECUTION_DATE", "EXECUTION_TIMESTAMP"):
        monkeypatch.delenv(f"BRUIN_{name}", raising=False)

    assert getattr(context, attribute) is None


@pytest.mark.parametrize(
    "attribute", ["start_date", "end_datetime", "start_timestamp", "data_interval_start", "data_interval_end"]
)
def test_a_run_without_an_interval_answers_with_the_choices(monkeypatch, attribute):
    for name in ("BRUIN_START_DATE", "BRUIN_END_DATETIME", "BRUIN_START_TIMESTAMP"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ContextError, match=r"this run has no data interval, .* give start_date and end_date in the"):
        getattr(context, attribute)


def test_a_date_that_is_none_is_named(monkeypatch):
    monkeypatch.setenv("BRUIN_START_DATE", "yesterday")

    with pytest.raises(ContextError, match="BRUIN_START_DATE is 'yesterday': Invalid isoformat"):
        _ = context.start_date


def test_variables_have_their_declared_types(monkeypatch):
    values = {"a": "5", "b": 5.0, "c": "true", "d": "[1]", "e": 1, "f": "x", "g": None, "h": "2.5"}
    kinds = {"a": "integer", "b": "integer", "c": "boolean", "d": "array", "e": "string", "g": "integer", "h": "number"}
    monkeypatch.setenv("BRUIN_VARS", json.dumps(values))
    monkeypatch.setenv("BRUIN_VARS_SCHEMA", json.dumps({name: {"type": kind} for name, kind in kinds.items()}))

    assert context.vars == {"a": 5, "b": 5, "c": True, "d": [1], "e": "1", "f": "x", "g": None, "h": 2.5}
    assert isinstance(context.vars["b"], int)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ("{", "BRUIN_VARS is not JSON"),
        ("[1]", "BRUIN_VARS is not a JSON object"),
        ('{"a": 1.5}', "the variable a is 1.5"),
    ],
)
def test_variables_that_cannot_be_read_are_named(monkeypatch, values, problem):
    monkeypatch.setenv("BRUIN_VARS", values)
    monkeypatch.setenv("BRUIN_VARS_SCHEMA", '{"a": {"type": "integer"}}')

    with pytest.raises(ContextError, match=problem):
        _ = context.vars


def test_the_log_is_the_assets_by_either_name():
    assert sdk.log.name == "asset"
    assert context.log is sdk.log


def test_the_partition_is_there_where_the_run_is_about_one(monkeypatch):
    assert context.partition_key is None
    monkeypatch.setenv("MATERIALIZE_PARTITION_KEY", "2026-04-01")
    assert context.partition_key == "2026-04-01"


def test_parameters_have_the_types_that_yaml_gave_them(monkeypatch):
    assert context.parameters == {}
    monkeypatch.setenv("MATERIALIZE_PARAMETERS", '{"a": 1, "b": [true, null, 1.5], "c": {"d": "x"}}')
    assert context.parameters == {"a": 1, "b": [True, None, 1.5], "c": {"d": "x"}}
