from __future__ import annotations

import logging

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout

from airflow_materialize import asset_dags
from airflow_materialize.dag.ending import ending
from airflow_materialize.dag.log_groups import GroupedLog
from airflow_materialize.errors import AssetError, Ending, MaterializeError, Problem, RunError, TransientError

HEADER = '"""@bruin\nname: raw.orders\nconnection: warehouse\nmaterialization: {type: table}\n@bruin"""\n'


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    """The tasks of one table asset, and what they log."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.py").write_text(HEADER)
    dag, said = asset_dags(tmp_path)["shop"], []
    found = {step: dag.get_task(f"raw__orders.{step}") for step in ("run", "load")}
    for task in found.values():
        monkeypatch.setattr(task.log, "error", lambda message, *given: said.append(message % given), raising=False)
    return found, said


def test_a_callback_finds_in_fields_what_the_error_says():
    failed = RunError(
        "raw.orders: failed in phase 'import': KeyError: 'X'",
        Ending("KeyError: 'X'", "Traceback …", ("reading",), 42, "/envs/1/requirements.lock"),
        hint="set X",
        unchanged="raw.orders",
        phase="import",
    )
    told = ending(failed, may_pass=True)

    assert isinstance(told, AirflowException)
    assert not isinstance(told, AirflowFailException)
    assert str(told) == str(failed)
    assert (told.error, told.phase, told.hint, told.unchanged) == (failed, "import", "set X", "raw.orders")
    assert (told.cause, told.traceback, told.output) == ("KeyError: 'X'", "Traceback …", ("reading",))
    assert (told.peak_memory_bytes, told.environment) == (42, "/envs/1/requirements.lock")


def test_an_error_of_a_header_has_its_problems_and_is_final():
    problem = Problem("orders.py", 2, 1, "name", "is missing")
    told = ending(AssetError([problem]), may_pass=False)

    assert isinstance(told, AirflowFailException)
    assert (told.problems, told.cause) == ((problem,), "orders.py:2:1: name: is missing")


@pytest.mark.parametrize(
    ("raised", "step", "kind", "phase"),
    [
        (MaterializeError("no such column"), "load", AirflowFailException, "load"),
        (TransientError("locked"), "load", AirflowException, "load"),
        (MaterializeError("exit 3", phase="materialize"), "run", AirflowException, "materialize"),
        (AirflowTaskTimeout("Timeout, PID: 1"), "load", AirflowTaskTimeout, "load"),
        (AirflowTaskTimeout("Timeout, PID: 1"), "run", AirflowTaskTimeout, "environment"),
    ],
)
def test_each_step_ends_with_its_phase_and_the_same_text_in_the_log(tasks, raised, step, kind, phase, monkeypatch):
    found, said = tasks

    def do(_context):
        raise raised

    monkeypatch.setattr(found[step], "do", do)
    context = {}
    with pytest.raises(kind) as told:
        # Airflow warns where `execute` is called without a task runner.
        type(found[step]).execute.__wrapped__(found[step], context)
    assert told.value.phase == phase
    assert context["exception"] is told.value
    assert said == [str(told.value)]


def test_the_lines_of_a_phase_stand_in_a_group_and_a_phase_without_lines_has_none():
    said = []

    class Keeper(logging.Handler):
        def emit(self, record):
            said.append((record.levelname, record.getMessage()))

    log = logging.Logger("task", logging.DEBUG)  # noqa: LOG001
    log.addHandler(Keeper())
    grouped = GroupedLog(log)
    grouped.info("before")
    grouped.enter("environment")
    grouped.enter("import")
    grouped.log(logging.WARNING, "%s of %s", 1, 2)
    grouped.error("two")
    grouped.enter("materialize")
    grouped.debug("three")
    grouped.enter("")
    grouped.enter("")
    grouped.warning("after")
    assert said == [
        ("INFO", "before"),
        ("INFO", "::group::import"),
        ("WARNING", "1 of 2"),
        ("ERROR", "two"),
        ("INFO", "::endgroup::"),
        ("INFO", "::group::materialize"),
        ("DEBUG", "three"),
        ("INFO", "::endgroup::"),
        ("WARNING", "after"),
    ]
