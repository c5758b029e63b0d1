"""What assets of different pipelines have to do with one another, under a real scheduler."""

from __future__ import annotations

from urllib.parse import quote

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SOLD, RETURNED = "materialize://warehouse/shop.sold", "materialize://warehouse/shop.returned"


@pytest.fixture
def events(deployment):
    """The events of one DAG run, by the URI of their asset."""

    def _events(dag_id: str, run_id: str) -> dict[str, dict]:
        path = f"assets/events?source_dag_id={dag_id}&source_run_id={quote(run_id)}"
        return {event["uri"]: event for event in deployment.airflow.api("GET", path)["asset_events"]}

    return _events


def settled(deployment, dag_id: str, how_many: int) -> list[dict]:
    """Wait until a DAG has had so many runs, and return them, the newest last."""

    def ended() -> list[dict]:
        runs = deployment.airflow.runs(dag_id)
        done = len(runs) >= how_many and all(run["state"] in {"success", "failed"} for run in runs)
        return sorted(runs, key=lambda run: run["run_after"]) if done else []

    return deployment.airflow.wait(ended, f"{how_many} runs of {dag_id} end", seconds=120)


@pytest.fixture(scope="module")
def sold(deployment) -> tuple[str, dict]:
    """A run of `shop`, and the run of `reports` that it started. No other run may send events before it."""
    deployment.unpause("reports")
    deployment.unpause("shop")
    settled(deployment, "shop", 1)
    before = settled(deployment, "reports", 1)
    run = deployment.trigger("shop", "2026-03-02")
    assert set(deployment.finished("shop", run).values()) == {"success"}
    # Airflow answers for events with an error as long as a DAG run that they made has not begun.
    return run, settled(deployment, "reports", len(before) + 1)[-1]


def test_a_run_starts_the_pipeline_that_waits_for_its_tables_which_gets_its_interval(deployment, events, sold):
    run, started = sold
    told = {uri: event["extra"] for uri, event in events("shop", run).items()}
    assert set(told) == {SOLD, RETURNED}
    extra = told[SOLD]
    assert (extra["asset"], extra["run_id"], extra["materialized"]) == ("shop.sold", run, True)
    assert (extra["rows_in"], extra["rows_inserted"]) == (3, 3)
    assert extra["seconds"] > 0
    assert (extra["interval"]["start"], extra["interval"]["end"]) == (
        "2026-03-02T00:00:00+00:00",
        "2026-03-03T00:00:00+00:00",
    )
    assert told[RETURNED]["materialized"] is False

    assert (started["run_type"], started["state"]) == ("asset_triggered", "success")
    assert "the intervals of 2 triggering asset events" in deployment.airflow.log(
        "reports", started["dag_run_id"], "reports__days.run"
    )
    days = deployment.rows("SELECT strftime(first, '%Y-%m-%d'), strftime(after, '%Y-%m-%d') FROM reports.days")
    assert ("2026-03-02", "2026-03-03") in days


@pytest.mark.usefixtures("sold")
def test_a_blocking_check_that_fails_emits_no_event_and_so_starts_nothing(deployment, events):
    run = deployment.trigger("shop", "2026-03-04", {"variables": {"price": 99}})
    states = deployment.finished("shop", run)
    assert (states["shop__sold.load"], states["shop__sold.check"]) == ("success", "failed")
    assert set(events("shop", run)) == {RETURNED}


def test_airflow_shows_what_an_asset_says_of_itself_though_others_name_it_too(deployment):
    deployment.airflow.wait(lambda: deployment.has("reports"), "the DAG appears", seconds=60)
    assets = {asset["uri"]: asset for asset in deployment.airflow.api("GET", "assets?limit=100")["assets"]}
    assert assets[SOLD]["name"] == SOLD
    assert assets[SOLD]["extra"] == {
        "name": "shop.sold",
        "pipeline": "shop",
        "description": "What was sold on each day.",
        "owner": "ann",
    }
    assert [task["dag_id"] for task in assets[SOLD]["producing_tasks"]] == ["shop"]
    assert [dag["dag_id"] for dag in assets[SOLD]["scheduled_dags"]] == ["reports"]
    kept = assets["materialize://warehouse/days.kept"]
    assert [task["task_id"] for task in kept["consuming_tasks"]] == ["reports__days.run"]
    assert kept["scheduled_dags"] == []


def test_an_event_without_an_interval_counts_from_the_last_run_that_succeeded(deployment):
    deployment.unpause("letters")
    [asset] = [
        asset
        for asset in deployment.airflow.api("GET", "assets?limit=100")["assets"]
        if asset["uri"] == "s3://outside/letters"
    ]
    times = []
    for number in (1, 2):
        event = deployment.airflow.api("POST", "assets/events", {"asset_id": asset["id"], "extra": {}})
        times.append(event["timestamp"][:19])
        runs = settled(deployment, "letters", number)
        assert {run["state"] for run in runs} == {"success"}
    logs = [deployment.airflow.log("letters", run["dag_run_id"], "letters__read.run") for run in runs]
    assert "from None to None" in logs[0]
    assert f"from {times[0]}" in logs[1]
    assert f"to {times[1]}" in logs[1]
    assert "1 of them without one and counted from the last successful DAG run" in logs[1]
