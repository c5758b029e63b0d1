from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from airflow_materialize.execution.containment import Child


def is_alive(pid):
    """Whether the process runs; one that nobody has reaped does not."""
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    return False


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextlib.contextmanager
def signalled(handler):
    """Call the handler in this thread's midst, a moment from now, as Airflow does when a task is to end."""
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: handler())
    timer = threading.Timer(0.2, signal.pthread_kill, [threading.get_ident(), signal.SIGUSR1])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGUSR1, before)


GRANDCHILD = """
    import os, signal, subprocess, sys, time
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    grandchild = subprocess.Popen([sys.executable, "-c", code], start_new_session={new_session})
    with open("pid.tmp", "w") as file:
        file.write(str(grandchild.pid))
    os.rename("pid.tmp", "pid")
"""


def grandchild(run):
    return int((run.folder / "pid").read_text())


def test_what_an_asset_leaves_running_ends_with_it(run, plain_environment):
    result = run(plain_environment, GRANDCHILD.format(new_session=False), kind="script")
    assert not result.failed
    wait_until(lambda: not is_alive(grandchild(run)))


def test_a_daemon_ends_with_the_asset_and_is_named(run, plain_environment, records):
    result = run(plain_environment, GRANDCHILD.format(new_session=True), kind="script")
    assert not result.failed
    assert not is_alive(grandchild(run))
    assert records.lines == [("WARNING", "processes that the asset left running were ended: python")]


def test_kill_from_a_signal_handler_ends_a_child_that_ignores_sigterm_and_its_group(run, plain_environment, records):
    child = Child()
    text = (
        GRANDCHILD.format(new_session=False) + "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    time.sleep(600)"
    )

    def stop():
        wait_until((run.folder / "pid").exists)
        time.sleep(0.3)
        child.kill(grace_seconds=0.5)

    with signalled(stop):
        result = run(plain_environment, text, kind="script", child=child)
    assert result.failed
    assert result.stopped
    assert result.exit_code == -signal.SIGKILL
    wait_until(lambda: not is_alive(grandchild(run)))


def test_a_child_that_heeds_sigterm_may_finish_what_it_does(run, plain_environment, records):
    child = Child()
    text = """
        import signal, sys, time
        def end(*_):
            time.sleep(0.2)
            print("tidied up")
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        print("ready")
        time.sleep(600)
    """

    def stop():
        wait_until(lambda: "ready" in records.texts)
        child.kill(grace_seconds=10)

    thread = threading.Thread(target=stop)
    thread.start()
    result = run(plain_environment, text, kind="script", child=child)
    thread.join()
    assert result.stopped
    assert result.failed
    assert "tidied up" in records.texts


def test_a_child_that_was_stopped_before_its_start_never_starts(run, plain_environment):
    child = Child()
    child.kill()
    result = run(plain_environment, "open('ran', 'w')\n", kind="script", child=child)
    assert result.stopped
    assert result.failed
    assert not (run.folder / "ran").exists()


def test_kill_after_the_end_touches_nothing(run, plain_environment):
    child = Child()
    assert not run(plain_environment, "print(1)\n", kind="script", child=child).failed
    bystander = subprocess.Popen(["sleep", "600"])
    child.kill()
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_an_exception_in_the_worker_ends_the_child(run, plain_environment):
    def give_up():
        wait_until((run.folder / "pid").exists)
        raise TimeoutError("the task's time is over")

    text = (
        "import os, time\nopen('pid.tmp', 'w').write(str(os.getpid()))\nos.rename('pid.tmp', 'pid')\ntime.sleep(600)\n"
    )
    with signalled(give_up), pytest.raises(TimeoutError):
        run(plain_environment, text, kind="script")
    assert not is_alive(int((run.folder / "pid").read_text()))


WORKER = """
import hashlib, logging, sys
from pathlib import Path
from airflow_materialize.execution.environments.environment import Environment
from airflow_materialize.execution.logs import OutputLog, Redactor
from airflow_materialize.execution.process import run_child
venv, file = map(Path, sys.argv[1:])
environment = Environment(venv, venv / "bin/python", "", "", venv / "pycache")
spec = {"kind": "script", "file": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "search_path": [str(file.parent)], "cwd": str(file.parent)}
run_child(environment, spec, {}, OutputLog(logging.getLogger(), Redactor()))
"""


def test_the_child_dies_with_a_worker_that_is_killed(run, plain_environment):
    run.file.write_text(
        "import os, time\nopen('tmp', 'w').write(str(os.getpid()))\nos.rename('tmp', 'pid')\ntime.sleep(600)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", WORKER, plain_environment.path, run.file])
    wait_until(lambda: (run.folder / "pid").exists() or worker.poll() is not None)
    pid = int((run.folder / "pid").read_text())
    assert is_alive(pid)
    worker.kill()
    worker.wait()
    wait_until(lambda: not is_alive(pid))
