"""The main job under a real scheduler, as a user would have it: folders dropped, days backfilled, steps cleared."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
from functools import partial

import duckdb
import pytest

from airflow_materialize import materialize
from airflow_materialize.execution.warden.tree import look

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

USER_CODE = "fragile-child-of-an-asset"
TABLES = ("appended", "replaced", "kept", "merged")


def contents(deployment) -> dict[str, list[tuple]]:
    return {table: deployment.rows(f'SELECT * FROM days."{table}" ORDER BY ALL') for table in TABLES}


def test_a_dropped_folder_becomes_a_dag_whose_run_loads_exact_rows(deployment):
    deployment.unpause("days")
    run = deployment.trigger("days", "2026-03-02")
    states = deployment.finished("days", run)

    assert set(states.values()) == {"success"}, states
    assert set(states) == {
        *(f"days__{table}.{step}" for table in TABLES for step in ("run", "load")),
        "days__appended.check",
        "days__kept.check",
        "days__kept.check_warn",
        "days__merged.check",
        "days__script.run",
    }
    assert deployment.rows(
        "SELECT day::text, count(*), sum(number) FROM days.appended WHERE day = '2026-03-02' GROUP BY 1"
    ) == [("2026-03-02", 100, 4950)]
    assert "a plain script ran" in deployment.airflow.log("days", run, "days__script.run")


def test_a_backfill_of_seven_days_with_four_runs_at_a_time_equals_one_run_after_another(
    deployment, tmp_path, environments, monkeypatch
):
    deployment.unpause("week")
    deployment.airflow.backfill("week", "2026-03-09", "2026-03-15", max_active_runs=4)

    def ended() -> list[dict]:
        """The seven runs of the backfill, and the one that the scheduler started for the newest interval."""
        runs = deployment.airflow.runs("week")
        return runs if len(runs) == 8 and all(run["state"] in {"success", "failed"} for run in runs) else []

    runs = deployment.airflow.wait(ended, "eight runs end", seconds=300)
    assert {run["state"] for run in runs} == {"success"}
    days = sorted(run["data_interval_start"][:10] for run in runs)
    assert days[:7] == [f"2026-03-{day:02d}" for day in range(9, 16)]

    monkeypatch.setenv("AIRFLOW__MATERIALIZE__ENVIRONMENTS", str(environments))
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__STAGED_FILES", str(tmp_path / "staged"))
    other = tmp_path / "other.duckdb"
    for day in days:
        materialize(
            [deployment.airflow.dags / "week"], start=day, end=day, connections={"warehouse": f"duckdb:///{other}"}
        )
    with duckdb.connect(str(other), read_only=True) as connection:
        for table in TABLES:
            sql = f'SELECT * FROM week."{table}" ORDER BY ALL'
            assert deployment.rows(sql) == connection.execute(sql).fetchall(), table
    assert deployment.rows("SELECT count(*) FROM week.appended") == [(800,)]


def test_a_full_refresh_in_a_backfill_is_refused_with_the_one_run_that_does_it(deployment):
    deployment.unpause("clearing")
    conf = '{"full_refresh": true}'
    deployment.airflow.backfill("clearing", "2026-02-02", "2026-02-02", max_active_runs=1, conf=conf)

    def ended() -> list[dict]:
        runs = [run for run in deployment.airflow.runs("clearing") if run["run_type"] == "backfill"]
        return [run for run in runs if run["state"] in {"success", "failed"}]

    (run,) = deployment.airflow.wait(ended, "the backfill ends", seconds=120)
    text = deployment.airflow.log("clearing", run["dag_run_id"], "clearing__judged.run")
    assert "full_refresh in the conf of a backfill" in text
    assert "airflow dags trigger clearing --conf" in text
    assert run["state"] == "failed"


def test_a_step_that_is_cleared_alone_never_doubles_a_row(deployment):
    deployment.unpause("days")
    run = deployment.trigger("days", "2026-03-04")
    assert set(deployment.finished("days", run).values()) == {"success"}
    count = "SELECT count(*) FROM days.appended WHERE day = '2026-03-04'"
    assert deployment.rows(count) == [(100,)]

    deployment.clear("days", run, "days__appended.load")
    assert set(deployment.finished("days", run).values()) == {"success"}
    assert deployment.airflow.xcom("days", run, "days__appended.load")["outcome"] == "already_loaded"
    assert deployment.rows(count) == [(100,)]

    deployment.clear("days", run, "days__appended.check")
    assert set(deployment.finished("days", run).values()) == {"success"}

    deployment.clear("days", run, "days__kept.run", "days__kept.load")
    assert set(deployment.finished("days", run).values()) == {"success"}
    assert deployment.airflow.xcom("days", run, "days__kept.load")["outcome"] == "loaded"
    assert deployment.rows("SELECT count(*) FROM days.kept WHERE day = '2026-03-04'") == [(1,)]

    deployment.clear("days", run, "days__appended.run")
    assert set(deployment.finished("days", run).values()) == {"success"}
    assert deployment.rows(count) == [(100,)]
    deployment.clear("days", run, "days__appended.load")
    assert deployment.finished("days", run)["days__appended.load"] == "failed"
    assert deployment.rows(count) == [(100,)]
    assert "_materialize_load_key" in deployment.airflow.log("days", run, "days__appended.load", 3)


def test_a_header_that_breaks_while_its_run_is_active_stops_only_the_next_run(deployment):
    deployment.unpause("fragile")
    asset = deployment.airflow.dags / "fragile" / "assets" / "slow.py"
    whole = asset.read_text()

    def days() -> list[str]:
        return [day for (day,) in deployment.rows("SELECT day FROM fragile.slow WHERE day < '2026-04' ORDER BY 1")]

    run = deployment.trigger("fragile", "2026-03-02", {"variables": {"seconds": 8}})
    deployment.airflow.wait(lambda: processes_of(USER_CODE), "user code runs", seconds=60)
    asset.write_text(whole.replace("strategy: append", "strategy: apend"))
    assert set(deployment.finished("fragile", run).values()) == {"success"}
    assert days() == ["2026-03-02"]

    second = deployment.trigger("fragile", "2026-03-03")
    states = deployment.finished("fragile", second)
    assert states == {
        "fragile__slow.run": "failed",
        "fragile__slow.load": "upstream_failed",
        "fragile__slow.check": "upstream_failed",
        "fragile__sound.run": "success",
    }
    text = deployment.airflow.log("fragile", second, "fragile__slow.run")
    assert "fragile/assets/slow.py:5:3: materialization.strategy:" in text
    assert "Nothing was changed in fragile.slow." in text

    asset.write_text(whole)
    deployment.clear("fragile", second, "fragile__slow.run", "fragile__slow.load", "fragile__slow.check")
    assert set(deployment.finished("fragile", second).values()) == {"success"}
    assert days() == ["2026-03-02", "2026-03-03"]
    assert {task["try_number"] for task in deployment.airflow.tasks("fragile", run)} == {1}


def test_a_broken_pipeline_file_keeps_its_dag_and_history_and_mending_it_brings_the_pipeline_back(deployment):
    deployment.unpause("breaking")
    file = deployment.airflow.dags / "breaking" / "pipeline.yml"
    whole = file.read_text()
    first = deployment.trigger("breaking", "2026-03-02")
    assert set(deployment.finished("breaking", first).values()) == {"success"}

    def tags() -> set[str]:
        return {tag["name"] for tag in deployment.airflow.api("GET", "dags/breaking")["tags"]}

    file.write_text(whole.replace("schedule: daily", "schedul: daily"))
    deployment.airflow.wait(lambda: "materialize-error" in tags(), "the DAG has the tag of a broken one", seconds=90)
    second = deployment.trigger("breaking", "2026-03-03")
    states = deployment.finished("breaking", second)
    assert states == {
        "breaking__one.run": "failed",
        "breaking__one.load": "upstream_failed",
        "breaking__two.run": "upstream_failed",
        "breaking__two.load": "upstream_failed",
    }
    text = deployment.airflow.log("breaking", second, "breaking__one.run")
    assert "breaking/pipeline.yml:2:1: schedul: unknown field (did you mean 'schedule'?" in text
    assert "2 | schedul: daily" in text

    file.write_text(whole)
    deployment.airflow.wait(lambda: "materialize-error" not in tags(), "the tag is gone", seconds=90)
    deployment.clear("breaking", second, *states)
    assert set(deployment.finished("breaking", second).values()) == {"success"}
    assert {task["try_number"] for task in deployment.airflow.tasks("breaking", first)} == {1}
    days = "SELECT day FROM breaking.two WHERE day IN ('2026-03-02', '2026-03-03') ORDER BY day"
    assert deployment.rows(days) == [("2026-03-02",), ("2026-03-03",)]


def test_marking_a_run_as_failed_ends_every_process_of_its_asset(deployment):
    deployment.unpause("fragile")
    run = deployment.trigger("fragile", "2026-03-05", {"variables": {"seconds": 600}})
    deployment.airflow.wait(lambda: processes_of(USER_CODE), "user code runs", seconds=60)
    path = f"dags/fragile/dagRuns/{run}/taskInstances/fragile__slow.run"
    deployment.airflow.api("PATCH", path, {"new_state": "failed"})

    assert deployment.airflow.wait(lambda: not processes_of(USER_CODE), "the child is gone", seconds=20)
    # `execute` raises: what was killed is no success, whatever Airflow makes of its end.
    said = "fragile.slow: the run was stopped in phase 'materialize'"
    log = partial(deployment.airflow.log, "fragile", run, "fragile__slow.run")
    assert deployment.airflow.wait(lambda: said in log(), "the log says so", seconds=20)


def test_user_code_ends_with_the_process_that_watches_over_its_task(deployment):
    deployment.unpause("fragile")
    run = deployment.trigger("fragile", "2026-03-06", {"variables": {"seconds": 600}})
    [code] = deployment.airflow.wait(lambda: processes_of(USER_CODE), "user code runs", seconds=60)
    # Above it are the asset's process, its warden, the task's process, and who watches over that.
    above = int(code)
    for _ in range(4):
        above = look(above).parent
    os.kill(above, signal.SIGKILL)

    assert deployment.airflow.wait(lambda: not processes_of(USER_CODE), "user code is gone", seconds=15)
    deployment.airflow.api("PATCH", f"dags/fragile/dagRuns/{run}", {"state": "failed"})


def test_a_check_that_is_mended_and_cleared_alone_passes_on_the_same_table(deployment):
    deployment.unpause("clearing")
    run = deployment.trigger("clearing", "2026-03-02")
    assert deployment.finished("clearing", run)["clearing__judged.check"] == "failed"
    text = deployment.airflow.log("clearing", run, "clearing__judged.check")
    assert "price: max: expected" in text
    assert deployment.airflow.xcom("clearing", run, "clearing__judged.check")["verdicts"][0]["count"] == 1

    asset = deployment.airflow.dags / "clearing" / "assets" / "judged.py"
    asset.write_text(asset.read_text().replace("value: 1\n", "value: 10\n"))
    deployment.clear("clearing", run, "clearing__judged.check")
    assert deployment.finished("clearing", run)["clearing__judged.check"] == "success"


def test_a_load_that_failed_loads_its_kept_file_when_it_is_cleared_alone(deployment):
    deployment.unpause("clearing")
    run = deployment.trigger("clearing", "2026-03-03")
    states = deployment.finished("clearing", run, seconds=180)
    assert states["clearing__late.run"] == "success"
    assert states["clearing__late.load"] == "failed"
    text = deployment.airflow.log("clearing", run, "clearing__late.load")
    assert "Nothing was changed in clearing.late." in text

    folder = deployment.warehouse.parent / "not_yet"
    folder.mkdir()
    deployment.clear("clearing", run, "clearing__late.load")
    assert deployment.finished("clearing", run)["clearing__late.load"] == "success"
    report = deployment.airflow.xcom("clearing", run, "clearing__late.load")
    assert (report["outcome"], report["rows_inserted"]) == ("loaded", 3)
    assert "user code ran" not in deployment.airflow.log("clearing", run, "clearing__late.load", 2)


def test_a_manifest_and_a_file_of_another_hand_are_refused(deployment):
    deployment.unpause("clearing")
    run = deployment.trigger("clearing", "2026-03-06")
    assert deployment.finished("clearing", run)["clearing__judged.load"] == "success"
    before = deployment.rows("SELECT * FROM clearing.judged ORDER BY ALL")

    manifest = deployment.airflow.xcom("clearing", run, "clearing__judged.run")
    forged = b"what nobody examined"
    (file,) = manifest["files"]
    path = deployment.airflow.home / "materialize" / "staged" / file["path"]
    path.write_bytes(forged)
    file |= {"size": len(forged), "sha256": hashlib.sha256(forged).hexdigest()}
    manifest["report"]["bytes"] = len(forged)
    entry = f"dags/clearing/dagRuns/{run}/taskInstances/clearing__judged.run/xcomEntries/return_value"
    deployment.airflow.api("PATCH", entry, {"value": manifest})

    deployment.clear("clearing", run, "clearing__judged.load")
    assert deployment.finished("clearing", run)["clearing__judged.load"] == "failed"
    text = deployment.airflow.log("clearing", run, "clearing__judged.load", 2)
    assert "clearing.judged: the manifest of its step run bears another signature" in text
    assert deployment.rows("SELECT * FROM clearing.judged ORDER BY ALL") == before


def test_no_secret_of_the_platform_stands_in_anything_that_was_written(deployment):
    """Logs, the metadata database with XCom and serialized DAGs, staged files, warehouse, scratch: everything.

    Assets looked for it as well, in all processes: one that went well, one that failed, one that crashed.
    """
    deployment.unpause("days")
    deployment.unpause("spies")
    run, spies = deployment.trigger("days", "2026-03-06"), deployment.trigger("spies", "2026-03-06")
    assert set(deployment.finished("days", run).values()) == {"success"}
    states = deployment.finished("spies", spies, seconds=240)
    expected = {"well": "success", "badly": "failed", "crashing": "failed"}
    assert {end: states[f"spies__{end}.run"] for end in expected} == expected
    for end in expected:
        text = deployment.airflow.log("spies", spies, f"spies__{end}.run")
        assert {*re.findall(r"found (.*?) end", text)} == {"[]"}, end
    assert "SIGSEGV" in deployment.airflow.log("spies", spies, "spies__crashing.run")
    files = [path for path in deployment.airflow.home.rglob("*") if path.is_file()]
    assert any(path.name == "airflow.db" for path in files)
    assert any("task_id=days__appended.run" in str(path) for path in files)
    for canary in deployment.canaries:
        assert [str(path) for path in files if canary.encode() in path.read_bytes()] == []


def processes_of(word: str) -> list[str]:
    found = subprocess.run(["pgrep", "-f", word], capture_output=True, text=True, check=False)
    return found.stdout.split()
