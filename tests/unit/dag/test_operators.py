from __future__ import annotations

from pathlib import Path

import pytest

from airflow_materialize import MaterializeError, asset_dags

HEADER = '"""@bruin\nname: raw.orders\nconnection: warehouse\nmaterialization: {type: table}\n@bruin"""\n'


@pytest.fixture
def run(tmp_path: Path):
    """The task `run` of one table asset."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.py").write_text(HEADER)
    return asset_dags(tmp_path)["shop"].get_task("raw__orders.run")


@pytest.mark.parametrize("executor", ["CeleryExecutor", "LocalExecutor,CeleryExecutor", "a.b.KubernetesExecutor"])
def test_an_executor_on_many_machines_needs_a_folder_that_is_declared_shared(run, executor, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__STAGED_FILES", "/srv/staged")
    with pytest.raises(MaterializeError) as raised:
        run.refuse_lonely_folder(run.workplace())
    assert "/srv/staged" in str(raised.value)
    assert "staged_files_shared" in str(raised.value)
    assert "Nothing was changed in raw.orders." in str(raised.value)


@pytest.mark.parametrize(
    ("executor", "shared"), [("LocalExecutor", "False"), ("CeleryExecutor", "True"), ("alias:LocalExecutor", "False")]
)
def test_one_machine_or_a_shared_folder_is_fine(run, executor, shared, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__STAGED_FILES_SHARED", shared)
    assert run.refuse_lonely_folder(run.workplace()) is None


def test_a_task_that_is_killed_before_its_child_starts_has_nothing_to_end(run):
    assert run.on_kill() is None
