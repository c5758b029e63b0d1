from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from airflow_materialize.execution.environments.requirements import Requirements
from airflow_materialize.execution.failure import explain_failure


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


SLOW = """
import signal, subprocess, sys, time
from pathlib import Path

def materialize():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    helper = subprocess.Popen([sys.executable, "-c", code])
    Path("pids").write_text(f"{__import__('os').getpid()} {helper.pid}")
    print("waiting")
    yield {"id": 1}
    time.sleep(600)
"""


def test_a_process_that_lives_too_long_is_ended_with_all_that_it_started(run, plain_environment):
    began = time.monotonic()
    result = run(plain_environment, SLOW, timeout=3)
    assert (result.failed, result.timed_out, time.monotonic() - began < 60) == (True, True, True)
    pids = [int(pid) for pid in (run.folder / "pids").read_text().split()]
    assert [pid for pid in pids if runs(pid)] == []
    said = str(explain_failure(result, "raw.orders", run.file, Requirements(), "raw.orders", timeout="3s"))
    assert re.sub(r"was [\d,]+ MB", "was … MB", said) == (
        "raw.orders ran longer than its timeout of 3s\n"
        "It was in phase 'materialize'.\n"
        "Its last output:\n"
        "  waiting\n"
        "Its peak memory was … MB.\n"
        "Hint: give the header a longer `timeout`, or let the asset do less in one run\n"
        "Nothing was changed in raw.orders."
    )


def test_a_process_that_ends_in_time_is_left_alone(run, plain_environment):
    result = run(plain_environment, "def materialize():\n    return [{'id': 1}]\n", timeout=120)
    assert (result.outcome, result.stopped, result.timed_out) == ("staged", False, False)


@pytest.mark.parametrize("stall", ["sys.stdout.write('x'); sys.stdout.flush()", "socket.socket(fileno=FD).send(b'x')"])
def test_what_the_worker_waits_for_does_not_delay_the_end(run, plain_environment, stall):
    # The second one begins a message and never ends it.
    text = f"import socket, sys, time\nFD = int(sys.orig_argv[-1])\n{stall}\ntime.sleep(600)\n"
    began = time.monotonic()
    assert run(plain_environment, text, timeout=2).timed_out
    assert time.monotonic() - began < 45
