"""How often, how long and where the tasks of an asset run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_materialize import asset_dags
from airflow_materialize.dag.policy import is_retried, patience
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.report import Verdict

TABLE = """\
connection: warehouse
materialization: {type: table}
columns:
  - name: id
    checks:
      - {name: unique, retries: 4}
      - {name: not_null, blocking: false}
custom_checks:
  - {name: gaps, query: SELECT 0, retries: 1}
"""


@pytest.fixture
def dag(tmp_path):
    """The DAG of one pipeline with one asset `a`."""

    def build(header: str, pipeline: str = "", **defaults):
        (tmp_path / "shop" / "assets").mkdir(parents=True)
        (tmp_path / "shop" / "pipeline.yml").write_text(f"name: shop\n{pipeline}")
        (tmp_path / "shop" / "assets" / "a.py").write_text(f'"""@bruin\nname: a\n{header}@bruin"""\n')
        (built,) = asset_dags(tmp_path, **defaults).values()
        assert "materialize-error" not in built.tags, built.doc_md + built.tasks[0].doc_md
        return built

    return build


def step_of(task) -> str:
    return task.task_id.rpartition(".")[2]


def patience_of(task) -> tuple:
    backoff = task.retry_exponential_backoff
    return task.retries, task.retry_delay, backoff, task.max_retry_delay


@pytest.mark.parametrize(
    ("header", "pipeline", "expected"),
    [
        ("retries: 3\n", "retries: 5\n", (3, timedelta(minutes=5), 0, None)),
        ("retries: 0\n", "retries: 5\n", (0, timedelta(minutes=5), 0, None)),
        ("", "retries: 5\n", (5, timedelta(minutes=5), 0, None)),
        ("rerun_cooldown: 90\n", "", (0, timedelta(seconds=90), 0, None)),
        ("rerun_cooldown: -1\n", "", (0, timedelta(0), 0, None)),
        ("rerun_cooldown: 0\n", "", (0, timedelta(minutes=5), 0, None)),
        (
            "retries: {max: 2, delay: 30s, backoff: 3, max_delay: 10m}\nrerun_cooldown: 90\n",
            "",
            (2, timedelta(seconds=30), 3, timedelta(minutes=10)),
        ),
        ("retries: {max: 2, backoff: true}\nrerun_cooldown: 90\n", "", (2, timedelta(seconds=90), 2, None)),
        ("retries: 99999999999\nrerun_cooldown: 999999999999999\n", "", (10_000, timedelta(days=365), 0, None)),
    ],
)
def test_run_is_tried_again_as_often_and_as_patiently_as_the_header_says(dag, header, pipeline, expected):
    assert patience_of(dag(header, pipeline).get_task("a.run")) == expected


def test_what_neither_asset_nor_pipeline_says_is_left_to_the_users_defaults(dag):
    task = dag("", default_args={"retries": 7, "retry_delay": timedelta(seconds=3)}).get_task("a.run")
    assert patience_of(task)[:2] == (7, timedelta(seconds=3))


def test_load_and_check_try_again_for_themselves_and_checks_as_often_as_one_of_them_asks_for(dag):
    built = dag("retries: {max: 9, delay: 1s, backoff: 4}\n" + TABLE)
    steps = {step: patience_of(built.get_task(f"a.{step}")) for step in ("load", "check", "check_warn")}
    soon = timedelta(seconds=30)
    assert steps == {"load": (2, soon, 0, None), "check": (4, soon, 0, None), "check_warn": (2, soon, 0, None)}


def test_with_a_task_for_each_check_each_has_the_patience_of_its_own(dag):
    built = dag(TABLE, "check_tasks: each\n")
    retries = {step_of(task): task.retries for task in built.tasks if step_of(task).startswith("check_")}
    assert retries == {"check__id__unique": 4, "check__id__not_null": 2, "check__gaps": 2}
    assert built.get_task("a.check__id__unique").task_display_name == "a check id: unique"


def test_the_timeout_is_that_of_run_alone(dag):
    built = dag("timeout: 1h30m\n" + TABLE)
    assert {step_of(task): task.execution_timeout for task in built.tasks} == {
        "run": timedelta(minutes=90),
        "load": None,
        "check": None,
        "check_warn": None,
    }


@pytest.mark.parametrize(
    ("instance", "queue", "pool"),
    [
        ("b1.large", "b1.large", "default_pool"),
        ("queue:gpu", "gpu", "default_pool"),
        ("pool:api", "default", "api"),
        ("", "default", "default_pool"),
    ],
)
def test_all_steps_of_an_asset_run_in_the_queue_or_pool_that_it_names(dag, instance, queue, pool):
    built = dag(f"instance: '{instance}'\n" + TABLE)
    assert {(task.queue, task.pool) for task in built.tasks} == {(queue, pool)}
    assert len(built.tasks) == 4


def test_what_follows_a_disabled_asset_runs_and_its_own_steps_do_not(dag):
    built = dag("enabled: false\n" + TABLE)
    assert {step_of(task): task.trigger_rule.value for task in built.tasks} == {
        "run": "none_failed",
        "load": "all_success",
        "check": "all_success",
        "check_warn": "all_success",
    }


KINDS = ("requests.exceptions.ReadTimeout", "ReadTimeout", "requests.exceptions.Timeout", "Timeout", "OSError")


@pytest.mark.parametrize(
    ("on", "kinds", "retried"),
    [
        (["requests.exceptions.Timeout"], KINDS, True),
        (["requests.Timeout"], KINDS, True),
        (["Timeout"], KINDS, True),
        (["ValueError", "OSError"], KINDS, True),
        (["ValueError"], KINDS, False),
        (["httpx.Timeout"], KINDS, False),
        (["Time"], KINDS, False),
        ([], KINDS, True),
        (["ValueError"], (), True),
    ],
)
def test_an_exception_is_worth_another_attempt_if_it_is_one_of_those_that_the_header_names(on, kinds, retried):
    asset = Asset.model_validate({"name": "a", "retries": {"max": 2, "on": on}})
    assert is_retried(asset, kinds) is retried


@pytest.mark.parametrize("retries", [3, None])
def test_a_number_of_retries_is_for_all_exceptions(retries):
    assert is_retried(Asset.model_validate({"name": "a", "retries": retries}), KINDS)


def verdict(check: str, column: str) -> Verdict:
    return Verdict(check, column, blocking=True, passed=False, expected="", found="", count=1)


def test_the_most_patient_of_the_checks_that_failed_counts():
    asset = Asset.model_validate(
        {
            "name": "a",
            "columns": [{"name": "id", "checks": [{"name": "unique", "retries": 4}, {"name": "not_null"}]}],
            "custom_checks": [{"name": "gaps", "query": "SELECT 0", "retries": 1}],
        }
    )
    assert patience(asset, [verdict("not_null", "id"), verdict("gaps", "")]) == 1
    assert patience(asset, [verdict("unique", "id"), verdict("gaps", "")]) == 4
    assert patience(asset, [verdict("not_null", "id"), verdict("gone", "id")]) == 0


def test_the_pipeline_says_how_many_steps_run_at_a_time(dag):
    assert dag("", "max_active_steps: 3\n").max_active_tasks == 3
