from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_materialize import AssetError, MaterializeError, asset_dags
from airflow_materialize.dag.operators import _tries_before
from airflow_materialize.errors import TransientError

HEADER = '"""@bruin\nname: raw.orders\nconnection: warehouse\nmaterialization: {type: table}\n@bruin"""\n'
PICKY = HEADER.replace('@bruin"', 'retries: {max: 2, on: [TimeoutError]}\n@bruin"')


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


@pytest.fixture
def picky(tmp_path: Path):
    """The task `run` of an asset that names the one exception that is worth another attempt."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.py").write_text(PICKY)
    return asset_dags(tmp_path)["shop"].get_task("raw__orders.run")


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (MaterializeError("x", kinds=("ReadTimeout", "TimeoutError", "OSError")), True),
        (MaterializeError("x", kinds=("ValueError",)), False),
        (MaterializeError("x", kinds=("Timeout",)), False),
        (MaterializeError("x"), True),
        (TransientError("x"), True),
        (AssetError([]), False),
    ],
)
def test_another_attempt_is_for_the_exceptions_that_the_header_names_and_for_what_is_no_fault_of_user_code(
    picky, error, retried
):
    assert picky.may_pass(error) is retried


@pytest.mark.parametrize(
    ("try_number", "max_tries", "before"),
    [(1, 2, 0), (3, 2, 2), (4, 5, 0), (5, 5, 1)],  # The third failed, and was cleared: Airflow counts on.
)
def test_tries_are_counted_from_the_last_clear(try_number, max_tries, before):
    task = SimpleNamespace(retries=2)
    context = {"ti": SimpleNamespace(try_number=try_number, max_tries=max_tries), "task": task}
    assert _tries_before(context) == before
