"""What a header says about when, where and how often, under a real scheduler; and who hears of it."""

from __future__ import annotations

import json
import subprocess

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def run(deployment) -> str:
    """A DAG run as the trigger form starts it: with all fields in `conf`, one of them changed."""
    deployment.unpause("surface")
    form = {"full_refresh": False, "start_date": None, "end_date": None, "country": "FR", "switched_on": False}
    return deployment.airflow.api(
        "POST", "dags/surface/dagRuns", {"logical_date": None, "conf": {**form, "variables": {}}}
    )["dag_run_id"]


@pytest.fixture(scope="module")
def tasks(deployment, run) -> dict[str, dict]:
    deployment.finished("surface", run, seconds=240)
    return {task["task_id"].removeprefix("surface__"): task for task in deployment.airflow.tasks("surface", run)}


def test_a_disabled_asset_is_skipped_and_what_depends_on_it_runs(deployment, run, tasks):
    states = {name: task["state"] for name, task in tasks.items() if name.startswith(("off", "switched"))}
    assert states == dict.fromkeys(
        ("off.run", "off.load", "off.check__id__unique", "off.check", "switched.run"), "skipped"
    )
    assert tasks["follower.run"]["state"] == "success"
    assert "surface.off is disabled by its header" in json.dumps(
        deployment.airflow.api(
            "GET", f"dags/surface/dagRuns/{run}/taskInstances/surface__off.run/logs/1?full_content=true"
        )
    )


def test_a_variable_that_was_changed_in_the_form_arrives(deployment, tasks):
    assert tasks["follower.load"]["state"] == "success"
    assert deployment.rows("SELECT country FROM surface.follower") == [("FR",)]


def test_each_check_is_a_task_and_what_follows_waits_for_the_blocking_ones_alone(tasks):
    states = {
        name.removeprefix("follower."): task["state"] for name, task in tasks.items() if name.startswith("follower.")
    }
    assert states == {
        "run": "success",
        "load": "success",
        "check__country__not_null": "success",
        "check__country__unique": "success",
        "check__country__accepted_values": "failed",
        next(name for name in states if name.startswith("check__one_row___")): "success",
        "check": "success",
    }
    assert tasks["last.run"]["state"] == "success"


def test_a_check_that_fails_is_asked_again_as_often_as_it_says(tasks):
    assert tasks["follower.check__country__accepted_values"]["try_number"] == 2


def test_a_run_that_takes_too_long_is_ended_with_all_it_started_and_tried_again(deployment, run, tasks):
    assert (tasks["slow.run"]["state"], tasks["slow.run"]["try_number"]) == ("failed", 2)
    for attempt in (1, 2):
        text = deployment.airflow.log("surface", run, "surface__slow.run", attempt)
        assert "surface.slow ran longer than its timeout of 3s" in text
        assert "Nothing was changed in surface.slow." in text
    assert subprocess.run(["pgrep", "-f", "sleep 86397"], capture_output=True, check=False).returncode == 1


def test_an_exception_that_the_header_does_not_name_fails_at_once(tasks):
    assert (tasks["picky.run"]["state"], tasks["picky.run"]["try_number"]) == ("failed", 1)


def test_people_hear_of_assets_and_of_the_dag_run(deployment, run, tasks):
    def heard() -> list[dict]:
        told = [news for news in deployment.news if news["run_id"] == run]
        return told if any(news["asset"] is None for news in told) else []

    news = deployment.airflow.wait(heard, "the DAG run's end is told", seconds=90)
    told = {(one["asset"], one["step"]): one for one in news}
    assert {place: one["status"] for place, one in told.items()} == {
        ("surface.follower", "check"): "success",
        ("surface.follower", "check__country__accepted_values"): "failure",
        ("surface.picky", "run"): "failure",
        (None, None): "failure",
    }
    assert len(news) == 4, "a try that is followed by another is no failure"
    assert "ValueError: no other try will help" in told["surface.picky", "run"]["error"]
    assert told["surface.picky", "run"]["url"].startswith(f"{deployment.airflow.url}/dags/surface/runs/")


def test_the_ui_shows_tags_owner_and_docs(deployment):
    dag = deployment.airflow.api("GET", "dags/surface/details")
    assert {tag["name"] for tag in dag["tags"]} == {"gold", "materialize"}
    assert dag["owners"] == ["Ada"]
    assert dag["doc_md"].startswith("# surface\n")
    assert dag["params"]["country"]["value"] == "BE"


def test_what_follows_a_skip_decides_by_itself_also_after_clears(deployment):
    state = deployment.airflow.dags / "skipping" / "state.txt"
    deployment.unpause("skipping")
    run = deployment.airflow.api("POST", "dags/skipping/dagRuns", {"logical_date": None, "conf": {}})["dag_run_id"]

    def states(*cleared: str) -> dict[str, str]:
        if cleared:
            deployment.clear("skipping", run, *(f"skipping__{step}" for step in cleared))
        found = deployment.finished("skipping", run, seconds=180)
        return {step.removeprefix("skipping__"): state for step, state in found.items()}

    source = ("source.run", "source.load", "source.check")
    both = ("both.run", "both.load", "both.check")
    others = {"other.run": "success", "other.load": "success"}
    ran = {**dict.fromkeys(both, "success"), "last.run": "success", **others}

    assert states() == {**ran, **dict.fromkeys((*source, "only.run"), "skipped")}
    report = deployment.airflow.xcom("skipping", run, "skipping__only.run")["report"]
    assert report["skip"] == {"mode": "soft", "reason": "the state is soft", "after": "skipping.source"}
    assert deployment.rows("SELECT said, other FROM skipping.both") == [("'nothing'", 1)]

    state.write_text("data")
    assert states(*source, "only.run", *both) == {**ran, **dict.fromkeys((*source, "only.run"), "success")}
    said = "Outcome(metadata={'state': 'data', 'rows': 1}, materialized=True, rows=1)"
    assert deployment.rows("SELECT said FROM skipping.both") == [(said,)]
    (event,) = deployment.airflow.api("GET", "assets/events?source_task_id=skipping__source.check")["asset_events"]
    assert (event["extra"]["metadata"], event["extra"]["materialized"]) == ({"state": "data", "rows": 1}, True)

    state.write_text("hard")
    skipped = {**others, **dict.fromkeys((*source, *both, "only.run", "last.run"), "skipped")}
    assert states(*source, *both, "only.run", "last.run") == skipped
    assert states("last.run") == skipped
    report = deployment.airflow.xcom("skipping", run, "skipping__last.run")["report"]
    assert report["skip"] == {"mode": "hard", "reason": "the state is hard", "after": "skipping.source"}
    assert deployment.rows("SELECT state FROM skipping.source") == [("data",)]
