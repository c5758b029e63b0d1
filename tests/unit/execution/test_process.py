from __future__ import annotations

import json
import os
import platform
import stat
import sys
import threading
import time
from pathlib import Path

import pyarrow.ipc
import pytest

from airflow_materialize.execution.environments.environment import ensure_environment
from airflow_materialize.execution.environments.interpreter import search_path
from airflow_materialize.execution.environments.requirements import Requirements
from airflow_materialize.execution.logs import LINE_LIMIT
from airflow_materialize.execution.process import START

OWN = platform.python_version().rpartition(".")[0]
PYTHONS = [
    version
    for version in ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
    if any(Path(folder, f"python{version}").exists() for folder in search_path(os.environ))
]


def test_a_result_is_staged_and_its_phases_are_timed(run, plain_environment):
    result = run(plain_environment, "def materialize():\n    return [{'id': 1}, {'id': 2}]\n")
    assert not result.failed
    assert (result.outcome, result.body["rows"], result.body["columns"]) == ("staged", 2, {"id": "int64"})
    assert list(result.seconds) == ["start", "import", "materialize", "write"]
    assert result.exit_code == 0
    with pyarrow.ipc.open_file(run.output) as staged:
        assert staged.read_all().to_pylist() == [{"id": 1}, {"id": 2}]


def test_nothing_is_no_data(run, plain_environment):
    result = run(plain_environment, "def materialize():\n    pass\n")
    assert (result.failed, result.outcome) == (False, "no_data")


def test_a_script_runs_as_main_in_the_pipelines_folder(run, plain_environment, records):
    result = run(plain_environment, "import os\nprint(__name__, os.getcwd())\n", kind="script")
    assert (result.failed, result.outcome) == (False, "done")
    assert ("INFO", f"__main__ {run.folder}") in records.lines


def test_what_it_prints_and_logs_arrives_at_its_level_and_while_it_runs(run, plain_environment, records):
    text = """
        import logging, os, sys, time
        print("to stdout")
        print("to stderr", file=sys.stderr)
        logging.getLogger("shop").error("to the log")
        while not os.path.exists("heard"):
            time.sleep(0.01)
    """
    # The asset ends once its output has been heard.
    heard = {"to stdout", "to stderr", "shop: to the log"}

    def answer():
        while not heard <= set(records.texts):
            time.sleep(0.01)
        (run.folder / "heard").write_text("")

    listener = threading.Thread(target=answer)
    listener.start()
    result = run(plain_environment, text, kind="script")
    listener.join()
    assert not result.failed
    assert {("INFO", "to stdout"), ("WARNING", "to stderr"), ("ERROR", "shop: to the log")} <= set(records.lines)


def test_nothing_is_written_beside_the_asset(run, plain_environment):
    (run.folder / "shared.py").write_text("rows = [{'id': 1}]\n")
    result = run(plain_environment, "import shared\n\ndef materialize():\n    return shared.rows\n")
    assert not result.failed
    assert sorted(path.name for path in run.folder.iterdir()) == ["orders.py", "shared.py"]
    assert list(plain_environment.path.glob("pycache/**/shared.*.pyc"))


def test_user_code_sees_no_secret_no_file_and_no_argument_of_the_worker(run, plain_environment, records, monkeypatch):
    canaries = [
        "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW_CONN_WAREHOUSE", "AIRFLOW_VAR_X",
        "__AIRFLOW_SUPERVISOR_FD", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "PGPASSWORD",
        "SSH_AUTH_SOCK", "KUBERNETES_SERVICE_HOST", "UV_INDEX_X_PASSWORD", "PIP_INDEX_URL", "BRUIN_OLD", "PYTHONPATH",
    ]  # fmt: skip
    for name in canaries:
        monkeypatch.setenv(name, "canary-in-the-mine")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:canary-in-the-mine@127.0.0.1:9")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (run.scratch.parent / "secret").write_text("canary-in-the-mine")
    inherited = os.open(run.scratch.parent / "secret", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    text = """
        import json, os, sys
        files = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                 if os.path.exists(f"/proc/self/fd/{fd}") or fd in "012"}
        umask = os.umask(0)
        print(json.dumps({
            "environ": dict(os.environ), "files": files, "argv": sys.argv, "umask": umask,
            "cmdline": open("/proc/self/cmdline").read().split(chr(0)), "stdin": sys.stdin.read(),
            "session": os.getsid(0) == os.getpid(), "path": sys.path, "flags": sys.dont_write_bytecode,
        }))
    """
    try:
        result = run(plain_environment, text, kind="script")
    finally:
        os.close(inherited)
    assert not result.failed, result
    dump = next(line for line in records.texts if line.startswith("{"))
    assert "canary-in-the-mine" not in dump
    seen = json.loads(dump)
    assert seen["environ"].keys().isdisjoint(canaries)
    assert seen["environ"]["HOME"] == str(run.scratch / "home")
    assert seen["files"].pop("0") == "/dev/null"
    kinds = sorted(target.partition(":")[0] for target in seen["files"].values() if not target.startswith("/proc"))
    assert kinds == ["pipe", "pipe", "socket"]
    assert seen["argv"] == [str(run.file)]
    assert seen["stdin"] == ""
    assert seen["umask"] == stat.S_IRWXG | stat.S_IRWXO
    assert seen["session"]
    assert not seen["flags"]
    assert not any(folder.startswith(sys.prefix) for folder in seen["path"])
    assert START in seen["cmdline"]


def test_megabytes_without_a_newline_do_not_hang(run, plain_environment, records):
    text = "import sys\nsys.stdout.write('x' * 5_000_000)\nsys.stderr.write('y' * 5_000_000)\n"
    result = run(plain_environment, text, kind="script")
    assert not result.failed
    assert sorted(len(text) for text in records.texts) == [LINE_LIMIT + 35] * 2


def test_both_streams_are_drained_however_they_alternate(run, plain_environment, records):
    text = """
        import sys
        for n in range(3000):
            print("o" * 500)
            print("e" * 500, file=sys.stderr)
    """
    assert not run(plain_environment, text, kind="script").failed
    assert (records.lines.count(("INFO", "o" * 500)), records.lines.count(("WARNING", "e" * 500))) == (3000, 3000)


def test_the_peak_of_memory_is_measured(run, plain_environment):
    result = run(plain_environment, "held = b'x' * 300_000_000\n", kind="script")
    assert 300_000_000 < result.peak_bytes < 2_000_000_000


def test_a_secret_is_masked_in_output_and_traceback(run, plain_environment, records):
    text = "print('hunter22')\ndef materialize():\n    raise ValueError('no hunter22')\n"
    result = run(plain_environment, text, secrets=["hunter22"])
    assert records.texts == ["***"]
    assert result.body["message"] == "no ***"
    assert "hunter22" not in str(result)


def test_noise_on_the_socket_is_no_result(run, plain_environment):
    text = """
        import os
        for fd in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{fd}").startswith("socket"):
                    os.write(int(fd), b"x" * 100)
            except OSError:
                pass
        os._exit(0)
    """
    result = run(plain_environment, text, kind="script")
    assert result.failed
    assert result.torn


@pytest.mark.parametrize("python", PYTHONS)
def test_an_asset_runs_on_each_python_at_hand(run, python, folder, log):
    environment = ensure_environment(Requirements(), python, folder, log)
    text = """
        import sys
        from bruin import context

        def materialize():
            return [{"version": "%d.%d" % sys.version_info[:2]}]
    """
    result = run(environment, text)
    assert not result.failed, result
    with pyarrow.ipc.open_file(run.output) as staged:
        assert staged.read_all().to_pylist() == [{"version": python}]
