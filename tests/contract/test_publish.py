"""publish: after_checks: the blocking checks are asked before anybody can see the load."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from airflow_materialize.checks.asset import AssetChecks, ChecksFailedError, publishes_after_checks
from airflow_materialize.definition.model.asset import CustomCheck
from airflow_materialize.load.loader import already_loaded, load_nothing
from airflow_materialize.report import LoadReport

POSITIVE = {"name": "v", "checks": [{"name": "positive"}, {"name": "max", "value": 5, "blocking": False}]}
NOW = datetime(2026, 4, 2, tzinfo=UTC)


def plan_of(warehouse, *queries, strategy="create+replace", columns=(POSITIVE,), **changes):
    plan = warehouse.plan(strategy, columns=columns, options={"publish": "after_checks"}, **changes)
    checks = tuple(CustomCheck(name=f"check {number}", query=query) for number, query in enumerate(queries))
    return replace(plan, asset=plan.asset.model_copy(update={"custom_checks": checks}))


def load(warehouse, data, plan):
    assert publishes_after_checks(plan)
    checks = AssetChecks(warehouse.destination, plan, NOW)
    return warehouse.load(data, plan=plan, before_commit=checks.before_commit)


def test_a_load_whose_blocking_checks_hold_is_published_with_their_verdicts(warehouse):
    report = load(
        warehouse,
        {"v": [1, 9]},
        plan_of(
            warehouse,
            "SELECT count(*) - 2 FROM {{ this }}".replace("{{ this }}", warehouse.written("raw.orders")),
        ),
    )
    assert warehouse.rows() == [(1,), (9,)]
    assert [(verdict.check, verdict.passed) for verdict in report.checks.verdicts] == [
        ("positive", True),
        ("check 0", True),
    ]
    assert str(report).endswith(f"2 in raw.orders, 2 checks passed ({warehouse.destination.guarantee})")
    assert LoadReport.from_json(report.to_json()) == report


@pytest.mark.parametrize("strategy", ["create+replace", "append", "merge", "delete+insert"])
def test_a_failing_blocking_check_takes_the_load_back(warehouse, strategy):
    columns = [{**POSITIVE, "primary_key": True}]
    warehouse.load({"v": [1]})
    plan = plan_of(warehouse, strategy=strategy, columns=columns, run="bad", incremental_key="v")
    with pytest.raises(ChecksFailedError) as caught:
        load(warehouse, {"v": [-1, 1], "new": ["x", "y"]}, plan)
    text = str(caught.value)
    assert text.startswith("1 of 1 check of raw.orders failed (")
    assert "  v: positive: expected only values above 0, found 1 value of 0 or less" in text
    assert text.endswith("Nothing was changed in raw.orders.")
    assert "stays" not in text
    assert [verdict.passed for verdict in caught.value.report.verdicts] == [False]
    assert (warehouse.rows(), warehouse.ledger("run_id")) == ([(1,)], [("run 1",)])
    assert load(warehouse, {"v": [2]}, plan).outcome == "loaded"


def test_a_first_load_that_is_refused_leaves_no_table(warehouse):
    with pytest.raises(ChecksFailedError):
        load(warehouse, {"v": [-1]}, plan_of(warehouse))
    assert warehouse.types() is None


def test_checks_see_what_the_hooks_after_the_load_have_done(warehouse):
    name = warehouse.written("raw.orders")
    hooks = (f"UPDATE {name} SET v = -v WHERE v < 0",)
    load(warehouse, {"v": [-1]}, plan_of(warehouse, hooks_post=hooks))
    assert warehouse.rows() == [(1,)]


def test_a_check_that_the_database_refuses_fails_the_load_and_says_why(warehouse):
    plan = plan_of(warehouse, "SELECT count(*) - 1 FROM nowhere", "SELECT 0")
    with pytest.raises(ChecksFailedError) as caught:
        load(warehouse, {"v": [1]}, plan)
    [_, first, *_] = caught.value.report.verdicts
    assert "nowhere" in first.found
    assert warehouse.types() is None


def test_a_column_check_that_the_database_refuses_does_not_pass_for_a_lost_connection(warehouse):
    columns = [POSITIVE, {"name": "t", "checks": [{"name": "pattern", "value": "(?P<a>x)(?=y)"}, {"name": "not_null"}]}]
    if warehouse.kind in {"mysql", "sqlite"}:
        pytest.skip("it knows this pattern, and goes on after a refused statement")
    with pytest.raises(ChecksFailedError) as caught:
        load(warehouse, {"v": [1], "t": ["a"]}, plan_of(warehouse, columns=columns))
    words = "(?=" if warehouse.kind == "duckdb" else "invalid regular expression"
    assert all(words in verdict.found for verdict in caught.value.report.failed)


def test_a_load_that_changes_nothing_asks_the_table_as_it_is(warehouse, between):
    days = {"interval": between("2026-04-02", "2026-04-03"), "run_type": "scheduled"}
    plan, file = plan_of(warehouse, run="once", **days), warehouse.stage({"v": [1]})
    ask = AssetChecks(warehouse.destination, plan, NOW).before_commit
    load(warehouse, file, plan)
    earlier = plan_of(warehouse, run="earlier", **{**days, "interval": between("2026-04-01", "2026-04-02")})

    def reports():
        yield lambda: load(warehouse, file, plan)
        yield lambda: already_loaded(warehouse.destination, plan, file.id, file.sha256, before_commit=ask)
        yield lambda: load(warehouse, {"v": [5]}, earlier)
        yield lambda: load_nothing(warehouse.destination, plan, before_commit=ask)

    done = [report() for report in reports()]
    assert [report.outcome for report in done] == ["already_loaded", "already_loaded", "superseded", "no_data"]
    assert [len(report.checks.verdicts) for report in done] == [1] * 4
    warehouse.run("INSERT INTO {t} VALUES (-1)")
    for report in reports():
        with pytest.raises(ChecksFailedError, match="1 value of 0 or less in 2 rows"):
            report()


def test_no_data_and_no_table_leave_nothing_to_ask(warehouse):
    plan = plan_of(warehouse)
    report = load_nothing(
        warehouse.destination, plan, before_commit=AssetChecks(warehouse.destination, plan, NOW).before_commit
    )
    assert (report.outcome, report.checks) == ("no_data", None)


def test_an_empty_table_that_fails_its_checks_is_not_created(warehouse):
    plan = plan_of(warehouse, "SELECT 1", columns=[{"name": "v", "type": "integer"}])
    with pytest.raises(ChecksFailedError):
        load_nothing(
            warehouse.destination, plan, before_commit=AssetChecks(warehouse.destination, plan, NOW).before_commit
        )
    assert warehouse.types() is None


def test_only_blocking_checks_are_waited_for(warehouse):
    warn = {"name": "v", "checks": [{"name": "positive", "blocking": False}]}
    assert not publishes_after_checks(plan_of(warehouse, columns=[warn]))
    assert not publishes_after_checks(warehouse.plan(columns=[POSITIVE]))


def test_values_of_a_sensitive_column_stay_out_of_what_checks_say(warehouse):
    name = warehouse.written("raw.orders")
    columns = [{"name": "mail", "sensitive": True, "checks": [{"name": "max", "value": 3}]}]
    plan = plan_of(warehouse, f"SELECT CAST(mail AS INTEGER) FROM {name}", columns=columns)
    with pytest.raises(ChecksFailedError) as caught:
        load(warehouse, {"mail": pa.array(["ann@secret.example"])}, plan)
    assert "secret" not in str(caught.value)
