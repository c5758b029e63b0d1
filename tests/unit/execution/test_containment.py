"""What runs under a warden: how it ends, and that nothing is left of it. Each test counts processes by a marker."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.containment import Child, Contained, run_contained
from airflow_materialize.execution.limits import Limits
from airflow_materialize.execution.warden import kernel, tree

pytestmark = pytest.mark.skipif(not kernel.LINUX, reason="there are process groups alone")

# What the issue allows: TERM, ten seconds, KILL.
ALLOWED_SECONDS = 15


pytestmark = pytest.mark.usefixtures("tier")


@pytest.fixture
def marker():
    """A word in the arguments of each process of a test."""
    word = f"marker-{uuid.uuid4().hex}"
    yield word
    for pid in marked(word):
        os.kill(pid, signal.SIGKILL)


def marked(word):
    """Return the processes that have the word among their arguments and have not ended."""
    found = []
    for process in tree.processes():
        with contextlib.suppress(OSError):
            arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
            if process.runs and word.encode() in arguments:
                found.append(process.pid)
    return found


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return True


def python(text, marker):
    return [sys.executable, "-I", "-S", "-c", text, marker]


def contain(text, marker, child=None, **options):
    return Contained(python(text, marker), env={}, cwd=Path("/"), child=child or Child(), **options)


# Each starts more processes, one way or another, and prints `ready`.
IGNORE = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
SAY = "print('ready', flush=True)\n"
SLEEP = "import time; time.sleep(600)\n"
START = "import os, subprocess, sys\nstart = lambda text, **how: subprocess.Popen([sys.executable, '-I', '-S', '-c', text, sys.argv[1]], **how)\n"
MANY = f"""
{START}
for number in range(8):
    start({SLEEP!r}, start_new_session=number % 2 == 0)
"""
DOUBLE_FORK = """
import os
for number in range(4):
    if not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir("/")
        for fd in range(3):
            os.close(fd)
        import time
        time.sleep(600)
"""
STOPPED = f"""
{START}
import signal
children = [start({SLEEP!r}) for _ in range(3)]
for one in children:
    one.send_signal(signal.SIGSTOP)
"""
ORPHANS_THAT_IGNORE = f"""
{START}
for number in range(3):
    if not os.fork():
        os.setsid()
        start({IGNORE + SLEEP!r}, start_new_session=True)
        os._exit(0)
"""
# Every child makes one more and ends, each in a session of its own: any list of processes is out of date.
RABBIT = """
import os
if not os.fork():
    while True:
        if os.fork():
            os._exit(0)
        os.setsid()
"""
STORM = """
import os, time
until = time.monotonic() + 1.0
while time.monotonic() < until and sum(1 for _ in os.scandir("/proc")) < 700:
    try:
        os.fork()
    except OSError:
        pass
"""
SHAPES = {
    "many": MANY + SAY,
    "double fork": DOUBLE_FORK + SAY,
    "stopped": STOPPED + SAY,
    "orphans that ignore SIGTERM": ORPHANS_THAT_IGNORE + SAY,
    "rabbit": RABBIT + SAY,
    "storm": SAY + STORM,
}


def ready(contained):
    assert contained.stdout.readline() == b"ready\n"


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_left_after_a_normal_end(shape, marker):
    child = Child()
    with contain(SHAPES[shape], marker, child) as contained:
        ready(contained)
        timer = threading.Timer(1.5, child.kill, [0.2])
        timer.start()
        end = contained.wait()
        timer.cancel()
    assert marked(marker) == []
    assert end.exit_code in ((0, -signal.SIGKILL, -signal.SIGTERM) if shape == "storm" else (0,))


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_left_after_a_kill(shape, marker):
    child = Child()
    with contain(IGNORE + SHAPES[shape] + SLEEP, marker, child) as contained:
        ready(contained)
        child.kill(grace_seconds=0.5)
        end = contained.wait()
    assert marked(marker) == []
    assert end.exit_code == -signal.SIGKILL


WORKER = """
import sys
from pathlib import Path
from airflow_materialize.execution.containment import Child, Contained
from airflow_materialize.execution.view import View
command = [sys.executable, "-I", "-S", "-c", sys.argv[1], sys.argv[2]]
with Contained(command, env={}, cwd=Path("/"), child=Child(View(apart=sys.argv[3] == "namespaces"))) as contained:
    print(contained.stdout.readline().decode().strip(), flush=True)
    contained.wait()
"""


def work(text, marker, tier):
    worker = subprocess.Popen([sys.executable, "-c", WORKER, text, marker, tier], stdout=subprocess.PIPE, text=True)
    assert worker.stdout.readline() == "ready\n"
    return worker


def test_nothing_is_left_after_the_end_of_the_worker(marker, tier):
    shapes = [IGNORE + shape + SLEEP for name, shape in SHAPES.items() if name != "storm"] + [SHAPES["storm"] + SLEEP]
    numbers = (signal.SIGKILL, signal.SIGTERM)
    workers = [(number, work(shape, marker, tier)) for number in numbers for shape in shapes]
    for number, worker in workers:
        with worker:
            worker.send_signal(number)
    assert wait_until(lambda: marked(marker) == [], ALLOWED_SECONDS)


def test_kills_of_worker_and_warden_at_random_moments_leave_nothing(marker, tier):
    chance = random.Random(7)
    text = MANY + DOUBLE_FORK + SLEEP
    workers = []
    for _ in range(12):
        worker = subprocess.Popen([sys.executable, "-c", WORKER, text, marker, tier], stdout=subprocess.DEVNULL)
        workers.append(worker)
        time.sleep(chance.uniform(0, 0.6))
        worker.kill()
    for worker in workers:
        worker.wait()
    assert wait_until(lambda: marked(marker) == [], ALLOWED_SECONDS)


@pytest.mark.parametrize("shape", ["many", "double fork", "orphans that ignore SIGTERM"])
def test_nothing_is_left_of_a_warden_that_was_killed(shape, marker):
    bystander = subprocess.Popen(["sleep", "600"])
    with contain(IGNORE + SHAPES[shape] + SLEEP, marker) as contained:
        ready(contained)
        os.kill(contained._process.pid, signal.SIGKILL)
        end = contained.wait()
    assert end.exit_code == -signal.SIGKILL
    assert marked(marker) == []
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_warden_that_was_stopped_ends_with_all_it_kept(marker, monkeypatch):
    monkeypatch.setattr("airflow_materialize.execution.containment._OVERDUE_SECONDS", 0.5)
    child = Child()
    with contain(SHAPES["double fork"] + SLEEP, marker, child) as contained:
        ready(contained)
        os.kill(contained._process.pid, signal.SIGSTOP)
        child.kill(grace_seconds=0.1)
        contained.wait()
    assert marked(marker) == []


def test_what_heeds_sigterm_has_its_grace_wherever_it_is(marker, tmp_path):
    tidy = f"import signal, sys, time\ndef end(*_):\n    time.sleep(0.3)\n    open({str(tmp_path)!r} + '/' + str(time.time_ns()), 'w')\n    sys.exit(0)\nsignal.signal(signal.SIGTERM, end)\nprint('set', flush=True)\n{SLEEP}"
    text = f"{START}start({tidy!r}, start_new_session=True)\nstart({tidy!r})\n{SLEEP}"
    child = Child()
    with contain(text, marker, child) as contained:
        assert [contained.stdout.readline() for _ in range(2)] == [b"set\n"] * 2
        child.kill(grace_seconds=10)
        contained.wait()
    assert len(list(tmp_path.iterdir())) == 2


def test_an_exception_in_the_worker_ends_everything(marker):
    def give_up():
        with contain(SHAPES["many"] + SLEEP, marker) as contained:
            ready(contained)
            raise TimeoutError

    with pytest.raises(TimeoutError):
        give_up()
    assert marked(marker) == []


def test_every_start_is_one():
    for _ in range(20):
        assert run_contained(["/bin/true"], env={}, cwd=Path("/"), child=Child()).returncode == 0


def test_what_is_left_running_is_named(marker):
    with contain(MANY, marker) as contained:
        end = contained.wait()
    assert [name[:6] for name in end.left[:5]] == ["python"] * 5
    assert end.left[5:] == ("+3",)


def test_the_end_is_told_exactly(marker):
    for text, code in (("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 11)", -11), ("pass", 0)):
        with contain(text, marker) as contained:
            assert contained.wait().exit_code == code


def test_the_peak_of_memory_is_that_of_the_command_and_not_the_workers(marker):
    ours = b"x" * 400_000_000
    with contain("held = b'x' * 100_000_000", marker) as contained:
        peak = contained.wait().peak_bytes
    assert len(ours) > 200_000_000 > peak > 100_000_000


def test_the_environment_is_the_given_one_to_the_letter():
    given = {"A": "1", "LC_ALL": "", "UMLAUT": "ä", "RAW": b"\xff".decode(errors="surrogateescape"), "EQUALS": "a=b"}
    for env in ({}, given):
        ended = run_contained(["/usr/bin/env", "-0"], env=env, cwd=Path("/"), child=Child())
        assert sorted(filter(None, ended.stdout.split("\0"))) == sorted(
            f"{name}={os.fsencode(value).decode(errors='replace')}" for name, value in env.items()
        )


def test_a_program_that_is_not_there_says_so():
    ended = run_contained(["/no/such/program"], env={}, cwd=Path("/"), child=Child())
    assert (ended.returncode, ended.stderr) == (127, "/no/such/program cannot be started: No such file or directory\n")


def test_signals_and_descriptors_are_those_of_a_new_process():
    text = "import os\nprint(open('/proc/self/status').read())\nprint('fds', sorted(os.listdir('/proc/self/fd')))"
    ended = run_contained(python(text, "x"), env={}, cwd=Path("/"), child=Child())
    status = dict(line.split(":\t", 1) for line in ended.stdout.splitlines() if ":\t" in line)
    # Signals 32 and 33 belong to the C library, which lets nobody change what becomes of them.
    ignored = int(status["SigIgn"], 16) & ~(0b11 << 31)
    # Python itself ignores SIGPIPE (13) and SIGXFSZ (25), and catches SIGINT.
    assert (ignored, int(status["SigBlk"], 16)) == (1 << 12 | 1 << 24, 0)
    assert "fds ['0', '1', '2', '3']" in ended.stdout


def test_what_was_stopped_before_never_starts(marker):
    child = Child()
    child.kill()
    with pytest.raises(MaterializeError, match="stopped before its environment was complete"):
        run_contained(python(SLEEP, marker), env={}, cwd=Path("/"), child=child)


def test_a_kill_while_a_command_runs_ends_it_and_raises(marker):
    child = Child()
    timer = threading.Timer(0.5, child.kill)
    timer.start()
    with pytest.raises(MaterializeError, match="stopped before its environment was complete"):
        run_contained(python(MANY + SLEEP, marker), env={}, cwd=Path("/"), child=child)
    assert marked(marker) == []


def test_more_threads_than_allowed_end_the_whole(marker):
    text = """
import _thread, time
_thread.stack_size(32768)
for _ in range(700):
    _thread.start_new_thread(time.sleep, (20,))
time.sleep(20)
"""
    with contain(text, marker, limits=Limits(processes=1000, threads=600)) as contained:
        end = contained.wait()
    assert end.exceeded == "threads"


def test_more_processes_than_allowed_end_the_whole(marker):
    with contain(STORM + SLEEP, marker, limits=Limits(processes=20)) as contained:
        end = contained.wait()
    assert end.exceeded == "processes"
    assert marked(marker) == []


def test_this_process_is_as_it_was_afterwards(marker):
    before = (kernel.is_dumpable(), kernel.is_subreaper())
    with contain(SLEEP, marker, child := Child()) as outer:
        with contain("pass", marker) as inner:
            inner.wait()
        assert (kernel.is_dumpable(), kernel.is_subreaper()) == (False, True)
        child.kill(0)
        outer.wait()
    assert (kernel.is_dumpable(), kernel.is_subreaper()) == before == (True, False)


def test_a_worker_that_cannot_be_hidden_starts_nothing(marker, monkeypatch):
    monkeypatch.setattr(kernel, "is_dumpable", lambda: True)
    with pytest.raises(MaterializeError, match="this process cannot be hidden from user code, which is not started"):
        contain(SLEEP, marker)
    assert marked(marker) == []


def test_a_worker_that_became_readable_is_hidden_again_by_the_next_start(marker):
    with contain(SLEEP, marker, child := Child()) as outer:
        kernel.set_dumpable(True)
        with contain("pass", marker) as inner:
            assert not kernel.is_dumpable()
            inner.wait()
        child.kill(0)
        outer.wait()
