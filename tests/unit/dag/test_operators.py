from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_materialize import AssetError, MaterializeError, asset_dags
from airflow_materialize.dag.operators import _tries_before
from airflow_materialize.errors import TransientError
from airflow_materialize.manifest import Manifest, signed
from airflow_materialize.plan.run_plan import RunPlan
from airflow_materialize.report import RunReport

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


def signed_manifest(task, workplace):
    """What `run` of this task leaves in its XCom."""
    plan = RunPlan(
        asset=task.parsed.asset,
        pipeline="shop",
        source="shop/orders.py",
        source_hash="0" * 64,
        dag_id="shop",
        run_id="manual__1",
        run_type="manual",
        interval=None,
        full_refresh=False,
        strategy="create+replace",
        connection="warehouse",
    )
    return json.loads(json.dumps(signed(Manifest(plan, RunReport("raw.orders", "no_data"), "1"), workplace.signer)))


@pytest.mark.parametrize("key", ["5wzPvsXnKzPDVCDKyVJQkD8B2Hl3FYpzBVPnDYmZAlI=", ""])
def test_what_another_hand_wrote_into_the_xcom_of_run_is_not_believed(run, key, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", key)
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__STAGED_FILES", str(tmp_path / "staged"))
    load = run.dag.get_task("raw__orders.load")
    made = signed_manifest(run, run.workplace())
    context = {
        "ti": SimpleNamespace(xcom_pull=lambda task_ids: made),
        "dag_run": SimpleNamespace(dag_id="shop", run_id="manual__1"),
    }
    assert load.manifest(context).plan.run_id == "manual__1"

    # The header's own SQL is part of the plan, so this would run in the warehouse.
    made["plan"]["asset"]["hooks"] = {"pre": [{"query": "DROP TABLE raw.customers"}]}
    with pytest.raises(MaterializeError) as raised:
        load.manifest(context)
    assert str(raised.value) == (
        "raw.orders: the manifest of its step run bears another signature: "
        "it was changed, or made where the key is another\n"
        "Hint: clear the step run to make a new one; workers on several machines need the same [core] fernet_key\n"
        "Nothing was changed in raw.orders."
    )
    assert (tmp_path / "staged" / ".key").exists() is not bool(key)
