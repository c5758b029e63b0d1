from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_materialize import asset_dags

TABLE = """\
materialization:
  type: table
columns:
  - name: id
    checks:
      - name: unique
      - name: not_null
        blocking: false
"""


@pytest.fixture
def project(tmp_path: Path):
    """Writes a pipeline `shop` below a DAGs directory."""

    def write(assets: dict[str, str], pipeline: str = "name: shop\ndefault_connections: {duckdb: warehouse}\n") -> Path:
        folder = tmp_path / "shop"
        (folder / "assets").mkdir(parents=True, exist_ok=True)
        (folder / "pipeline.yml").write_text(pipeline)
        for name, header in assets.items():
            (folder / "assets" / f"{name}.py").write_text(f'"""@bruin\nname: {name}\n{header}@bruin"""\n')
        return tmp_path

    return write


def edges(dag) -> set[tuple[str, str]]:
    return {(task.task_id, after) for task in dag.tasks for after in task.downstream_task_ids}


def test_an_asset_is_a_task_group_of_run_load_check_and_check_warn(project):
    dag = asset_dags(project({"raw.orders": TABLE}))["shop"]
    assert edges(dag) == {
        ("raw__orders.run", "raw__orders.load"),
        ("raw__orders.load", "raw__orders.check"),
        ("raw__orders.load", "raw__orders.check_warn"),
    }
    assert dag.task_group.get_child_by_label("raw__orders").group_display_name == "raw.orders"
    assert dag.get_task("raw__orders.run").task_display_name == "raw.orders run"


def test_edges_go_from_the_last_blocking_step_to_run_and_never_wait_for_check_warn(project):
    root = project(
        {
            "a": TABLE,
            "b": "materialization: {type: table}\ndepends: [a]\n",
            "c": "depends: [b, a, some_sql]\n",
        }
    )
    (root / "shop" / "assets" / "some_sql.sql").write_text("SELECT 1")
    dag = asset_dags(root)["shop"]
    assert {edge for edge in edges(dag) if edge[0][0] != edge[1][0]} == {
        ("a.check", "b.run"),
        ("b.load", "c.run"),
        ("a.check", "c.run"),
    }


def test_an_asset_without_materialization_has_run_alone(project):
    assert asset_dags(project({"script": ""}))["shop"].task_ids == ["script.run"]


def test_a_schedule_gives_intervals_that_last(project):
    dag = asset_dags(project({"a": ""}, "name: shop\nschedule: daily\nstart_date: '2026-01-01'\n"))["shop"]
    assert type(dag.timetable).__name__ == "CronDataIntervalTimetable"
    assert dag.start_date.isoformat() == "2026-01-01T00:00:00+00:00"
    assert (dag.catchup, dag.max_active_runs) == (False, 1)


def test_a_broken_asset_keeps_its_tasks_and_edges_and_the_others_are_as_they_were(project):
    good = {"a": TABLE, "b": TABLE + "depends: [a]\n"}
    before = asset_dags(project(good))["shop"]
    after = asset_dags(project({**good, "a": TABLE.replace("unique", "uniqe")}))["shop"]
    assert set(after.task_ids) == set(before.task_ids)
    assert edges(after) == edges(before)
    assert "materialize-error" in after.tags
    assert "did you mean 'unique'?" in after.get_task("a.run").doc_md


def test_a_field_without_effect_is_named_in_the_docs_of_its_tasks(project):
    dag = asset_dags(project({"a": "freshness: 10m\n"}))["shop"]
    assert "shop/assets/a.py:3:1: warning: freshness: has no effect" in dag.get_task("a.run").doc_md


def test_a_broken_pipeline_file_keeps_the_dag_and_its_tasks(project):
    before = asset_dags(project({"a": TABLE}))["shop"]
    after = asset_dags(project({"a": TABLE}, "name: shop\nschedul: daily\n"))["shop"]
    assert set(after.task_ids) == set(before.task_ids)
    assert "did you mean 'schedule'?" in after.get_task("a.run").doc_md


def test_a_cycle_breaks_its_assets_and_no_dag(project):
    root = project({"a": "depends: [b]\n", "b": "depends: [a]\n", "c": "depends: [b]\n"})
    dag = asset_dags(root)["shop"]
    assert dag.topological_sort()
    assert "a cycle" in dag.get_task("a.run").doc_md
    assert "cycle" not in dag.get_task("c.run").doc_md


def test_a_pipeline_that_airflow_refuses_keeps_its_dag_with_the_reason(project):
    root = project({"a": TABLE})
    dag = asset_dags(root, tags=["x" * 101])["shop"]
    assert dag.task_ids == ["a.run", "a.load", "a.check", "a.check_warn"]
    (problem,) = dag.get_task("a.run").parsed.problems
    assert str(problem).startswith("shop: the pipeline cannot become a DAG: ")
    assert "100 characters" in str(problem)
    assert "100 characters" in dag.get_task("a.run").doc_md


def test_params_of_the_user_stand_beside_ours_and_no_task_has_a_copy_of_them(project):
    dag = asset_dags(project({"a": TABLE}), params={"mine": 1})["shop"]
    assert dag.params.dump() == {"mine": 1, "full_refresh": False, "start_date": None, "end_date": None}
    assert dag.get_task("a.load").params.dump() == {"mine": 1}


def test_a_worker_builds_the_one_asset_that_its_task_needs(project, monkeypatch):
    root = project({"a": TABLE, "b": TABLE + "depends: [a]\n"})
    (root / "other").mkdir()
    (root / "other" / "pipeline.yml").write_text("name: other\n")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "shop")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "b.load")
    dags = asset_dags(root)
    assert list(dags) == ["shop"]
    assert set(dags["shop"].task_ids) == {"b.run", "b.load", "b.check", "b.check_warn"}


def test_text_of_an_author_is_never_rendered_by_airflow(project):
    root = project({"a": "description: '{{ conn.warehouse.password }}'\n" + TABLE})
    task = asset_dags(root)["shop"].get_task("a.run")
    assert set(task.template_fields) == {"source_hash", "report"}
    assert task.report is None


SERIALIZE = """
import json, sys
from airflow.serialization.serialized_objects import DagSerialization
from airflow_materialize import asset_dags
heavy = [name for name in ("pandas", "polars", "pyarrow", "duckdb", "sqlglot") if name in sys.modules]
data = {name: DagSerialization.to_dict(dag) for name, dag in asset_dags(sys.argv[1]).items()}
before = json.dumps(data, sort_keys=True)
print(before.replace(sys.argv[1], "ROOT"))
"""


def test_serialized_dags_are_equal_in_two_processes_with_different_hash_seeds(project):
    root = project({"a": TABLE, "b": TABLE + "depends: [a]\ntags: [z, y, x]\n"})
    texts = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SERIALIZE, str(root)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        texts.add(done.stdout.strip().splitlines()[-1])
    assert len(texts) == 1
    assert set(json.loads(texts.pop())) == {"shop"}


def test_parsing_imports_nothing_heavy_and_no_user_code(project):
    root = project({"a": TABLE})
    asset = root / "shop" / "assets" / "a.py"
    asset.write_text(asset.read_text() + "\nraise SystemExit('user code ran at parse')\n")
    script = (
        "import sys\nfrom airflow.sdk import DAG\nbefore = set(sys.modules)\n"
        "from airflow_materialize import asset_dags\nasset_dags(sys.argv[1])\n"
        "heavy = {'pandas', 'polars', 'pyarrow', 'duckdb', 'sqlglot', 'sqlite3'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in set(sys.modules) - before}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(root)], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
