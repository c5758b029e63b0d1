from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from airflow_materialize.cli.main import main
from airflow_materialize.execution import leak_scan
from airflow_materialize.execution.containment import Child, run_contained
from airflow_materialize.execution.isolation import Isolation, refusal_of_namespaces
from airflow_materialize.execution.leak_scan import scan
from airflow_materialize.execution.view import View
from airflow_materialize.execution.warden import kernel
from airflow_materialize.settings import Settings

pytestmark = pytest.mark.skipif(not kernel.LINUX, reason="other systems are set apart by hardly anything")

CANARY = "canary-in-a-definition"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with one pipeline, on a machine where all is well."""
    (tmp_path / "dags/shop/assets").mkdir(parents=True)
    (tmp_path / "dags/shop/assets/orders.py").write_text(
        '"""@bruin\nname: raw.orders\nconnection: warehouse\nmaterialization: {type: table}\n@bruin"""\n'
    )
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__ENVIRONMENTS", str(tmp_path / "environments"))
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__STAGED_FILES", str(tmp_path / "staged"))
    warehouse = {"conn_type": "duckdb", "host": str(tmp_path / "w.duckdb")}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(warehouse))
    return tmp_path / "dags"


@pytest.fixture
def doctor(folder, capsys):
    """Runs it, and gives its exit code and the findings by what they are about."""

    def run():
        code = main(["doctor", str(folder), "--format", "json"])
        printed = capsys.readouterr()
        assert CANARY not in printed.out + printed.err
        # A test of Airflow's in this process may have set up its log, which then goes to the standard output as well.
        told = json.loads(printed.out[printed.out.index("{\n") :])
        assert (code == 1) == bool(told["broken"])
        return {(each["subject"], each["state"]): each for each in told["findings"]}

    return run


def test_a_machine_where_all_is_well_is_told_line_by_line(folder, capsys):
    assert main(["doctor", str(folder)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1].endswith(" 0 broken")
    for line in (
        "isolation: process (the worker is ",
        "leak scan: no planted secret is found (variables, arguments, descriptors, standard input, processes)",
        f"staged_files: {folder.parent}/staged, made when it is needed, ",
        f"environments: {folder.parent}/environments, made when it is needed, ",
        "uv: ",
        f"python: {sys.version_info[0]}.{sys.version_info[1]}",
        "connection warehouse: opens (duckdb, exactly once)",
    ):
        assert any(each.removeprefix("ok      ").startswith(line) for each in printed), line
    assert not (folder.parent / "staged").exists()


def test_at_namespaces_files_are_scanned_too(doctor, monkeypatch):
    if refusal := refusal_of_namespaces():
        pytest.skip(refusal)
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__ISOLATION", "namespaces")
    told = doctor()
    assert told["isolation", "ok"]["text"] == "namespaces"
    assert told["leak scan", "ok"]["text"].endswith("processes and files)")


def test_namespaces_that_are_demanded_and_refused_are_broken(folder):
    """A worker that is in such namespaces itself can make no others."""
    if refusal := refusal_of_namespaces():
        pytest.skip(refusal)
    env = {**os.environ, "AIRFLOW__MATERIALIZE__ISOLATION": "namespaces", "AIRFLOW_HOME": str(folder.parent)}
    command = [
        sys.executable,
        "-c",
        "from airflow_materialize.cli.main import main; raise SystemExit(main())",
        "doctor",
        str(folder),
    ]
    view = View(apart=True).writing(folder.parent)
    ended = run_contained(command, env=env, cwd=Path("/"), child=Child(view))
    assert ended.returncode == 1, ended.stderr
    line = ended.stdout.splitlines()[0]
    assert line.startswith("broken  isolation: namespaces are demanded, and a user namespace cannot be made: the limit")
    assert "leak scan" not in ended.stdout


def test_the_scan_finds_what_is_handed_over(tmp_path, monkeypatch):
    def careless(*_: object) -> dict[str, str]:
        return {**os.environ}

    settings = Settings(tmp_path / "staged", tmp_path / "environments")
    assert scan(Isolation(settings, tmp_path)) == []
    monkeypatch.setattr(leak_scan, "child_environment", careless)
    assert scan(Isolation(settings, tmp_path)) == ["environment of itself"]


def test_a_worker_whose_own_interpreter_is_in_a_hidden_home_is_scanned_as_well(tmp_path, monkeypatch):
    if refusal := refusal_of_namespaces():
        pytest.skip(refusal)
    monkeypatch.setenv("HOME", str(Path(sys.prefix).parent))
    settings = Settings(tmp_path / "staged", tmp_path / "environments", isolation="namespaces")
    assert scan(Isolation(settings, tmp_path)) == []


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        (None, "is not defined, or its definition cannot be read"),
        ({"conn_type": "duckdb", "host": "/no/such/folder/w.duckdb", "password": CANARY}, "does not open: "),
        ({"conn_type": "duckdb", "host": f"/no/such/{CANARY}/w.duckdb", "password": CANARY}, "does not open: "),
        ({"conn_type": "http", "host": "nowhere", "password": CANARY}, "does not open: "),
        ({"conn_type": "duckdb", "host": "/dev/null", "extra": {"token": CANARY}}, "does not open: "),
        (f"{{{CANARY}", "is not defined, or"),
    ],
)
def test_a_connection_that_does_not_open_is_broken_and_no_secret_of_it_is_shown(doctor, monkeypatch, definition, text):
    if definition is None:
        monkeypatch.delenv("AIRFLOW_CONN_WAREHOUSE")
    else:
        value = definition if isinstance(definition, str) else json.dumps(definition)
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", value)
    assert doctor()["connection warehouse", "broken"]["text"].startswith(text)


def test_a_folder_that_cannot_be_written_is_broken(doctor, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    for option in ("STAGED_FILES", "ENVIRONMENTS"):
        monkeypatch.setenv(f"AIRFLOW__MATERIALIZE__{option}", str(tmp_path / "file" / "below"))
    told = doctor()
    for option in ("staged_files", "environments"):
        assert told[option, "broken"]["text"] == f"{tmp_path}/file/below cannot be written"
        assert told[option, "broken"]["hint"] == f"point [materialize] {option} to a folder that the worker may write"


def test_a_folder_that_others_may_read_and_a_disk_that_is_full_are_told(doctor, monkeypatch, tmp_path):
    (tmp_path / "staged").mkdir(mode=0o755)
    (tmp_path / "environments").mkdir(mode=0o700)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    told = doctor()
    assert told["environments", "warning"]["text"].endswith("environments, 1.0 GB free")
    assert told["staged_files", "warning"]["text"] == f"{tmp_path}/staged is open to other users"


def test_staged_files_that_another_machine_would_not_see_are_broken(doctor, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    assert "CeleryExecutor may load on another machine" in doctor()["staged_files", "broken"]["text"]
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__STAGED_FILES_SHARED", "True")
    assert ("staged_files", "broken") not in doctor()


def test_a_python_that_is_not_there_is_told_and_not_downloaded(doctor, folder, monkeypatch):
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__PYTHON", "3.9.1")
    told = doctor()["python", "warning"]
    assert told["text"] == "3.9.1 is not on this machine (for raw.orders)"
    assert "uv python install 3.9.1" in told["hint"]


def test_a_path_that_names_nothing_is_a_wrong_call(tmp_path, capsys):
    assert main(["doctor", str(tmp_path / "nothing")]) == 2
    assert "there is no such file or folder" in capsys.readouterr().err


def test_clean_says_what_was_left_in_each_database(folder, capsys):
    assert main(["doctor", str(folder), "--clean"]) == 0
    assert "leftovers in warehouse: none" in capsys.readouterr().out
