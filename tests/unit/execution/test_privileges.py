"""What user code could see and do, tried by code that tries everything. The tests run as root, as many workers do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_materialize.execution.containment import Child, Contained, run_contained
from airflow_materialize.execution.view import View
from airflow_materialize.execution.warden import kernel, landlock, tree

pytestmark = pytest.mark.skipif(not kernel.LINUX, reason="other systems have no such privileges")

CANARY = "canary-in-the-mine"

# Reads what it can of each process, itself included, and prints where the word was found, and what could be read.
PROBE = """
import json, os, re
word = b"canary-in-" + b"the-mine"
found, readable = [], []
def look(pid, name, read):
    try:
        data = read()
    except OSError:
        return
    readable.append((pid, name))
    if word in data:
        found.append((pid, name))
def memory(pid):
    data = b""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if span:
                start, end = (int(each, 16) for each in span.groups())
                mem.seek(start)
                try:
                    data += mem.read(min(end - start, 1 << 24))
                except OSError:
                    pass
    return data
def links(pid):
    folder = f"/proc/{pid}/fd"
    return b" ".join(os.readlink(f"{folder}/{fd}").encode() for fd in os.listdir(folder))
def content(path):
    with open(path, "rb") as file:
        return file.read()
for pid in filter(str.isdecimal, os.listdir("/proc")):
    if int(pid) == os.getpid():
        continue
    look(pid, "environ", lambda: content(f"/proc/{pid}/environ"))
    look(pid, "cmdline", lambda: content(f"/proc/{pid}/cmdline"))
    look(pid, "fd", lambda: links(pid))
    if int(pid) in RELATIVES:
        look(pid, "mem", lambda: memory(pid))
        for task in os.listdir(f"/proc/{pid}/task"):
            look(pid, "environ", lambda: content(f"/proc/{pid}/task/{task}/environ"))
own = [name for name, value in os.environ.items() if word.decode() in value]
print(json.dumps({"found": found, "readable": readable, "own": own, "parent": os.getppid()}))
"""

WORKER = """
import os, sys
from pathlib import Path
from airflow_materialize.execution.containment import Child, Contained, run_contained
from airflow_materialize.execution.view import View
secret = open(os.environ["SECRET_FILE"])
relatives = [os.getpid(), os.getppid(), int(sys.argv[2])]
probe = sys.argv[1].replace("RELATIVES", repr(relatives))
print(run_contained([sys.executable, "-I", "-S", "-c", probe], env={}, cwd=Path("/"), child=Child(View(apart=sys.argv[3] == "namespaces"))).stdout)
print(os.getpid())
"""


pytestmark = pytest.mark.usefixtures("tier")


def contained(text, **options):
    ended = run_contained([sys.executable, "-I", "-S", "-c", text], env={}, cwd=Path("/"), child=Child(), **options)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def secret_process():
    """A process of the same user with a secret, as the scheduler is one."""
    process = subprocess.Popen(["sleep", "600"], env={"AIRFLOW__CORE__FERNET_KEY": CANARY})
    yield process
    process.kill()
    process.wait()


def test_a_probe_finds_no_secret_of_the_worker_or_of_its_ancestors(tmp_path, secret_process, tier):
    secret = tmp_path / CANARY
    secret.write_text(CANARY)
    env = {**os.environ, "AIRFLOW__CORE__FERNET_KEY": CANARY, "SECRET_FILE": str(secret)}
    shell = ["sh", "-c", '"$@"; true', "sh"]
    command = [*shell, sys.executable, "-c", WORKER, PROBE, str(secret_process.pid), tier]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    report, worker = ended.stdout.split("\n", 1)
    seen = json.loads(report)
    assert seen["found"] == seen["own"] == []
    if tier == "namespaces":
        # Its own processes are all that there are: itself, and the first one, which keeps it.
        assert seen["readable"] == [["1", "cmdline"]]
        return
    assert [worker.strip(), "cmdline"] in seen["readable"]
    assert {name for pid, name in seen["readable"] if pid in (worker.strip(), str(seen["parent"]))} == {"cmdline"}


def test_the_probe_finds_what_can_be_seen(secret_process, tmp_path):
    """Without the containment it finds the secret: the probe works."""
    text = PROBE.replace("RELATIVES", repr([secret_process.pid]))
    ended = subprocess.run([sys.executable, "-I", "-S", "-c", text], env={}, capture_output=True, text=True, check=True)
    found = {name for pid, name in json.loads(ended.stdout)["found"] if pid == str(secret_process.pid)}
    assert found == {"environ", "mem"}


def status_of(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


@pytest.mark.parametrize(
    "text", ["print(open('/proc/self/status').read())", "import os; os.system('cat /proc/self/status')"]
)
def test_it_has_no_capability_and_gains_none(text):
    status = status_of(contained(text))
    sets = ("CapInh", "CapPrm", "CapEff", "CapAmb", *(["CapBnd"] if os.getuid() == 0 else []))
    assert {name: int(status[name], 16) for name in sets} == dict.fromkeys(sets, 0)
    assert status["NoNewPrivs"] == "1"


def test_root_without_capabilities_is_no_root():
    text = """
import ctypes, os

def mount():
    if ctypes.CDLL(None, use_errno=True).mount(b"none", b"/mnt", b"tmpfs", 0, None):
        raise PermissionError

tries = {
    "another user": lambda: os.setuid(65534),
    "a device": lambda: os.mknod("/tmp/no-such-device", 0o20600, os.makedev(1, 1)),
    "another root": lambda: os.chroot("/tmp"),
    "a mount": mount,
}
for name, attempt in tries.items():
    try:
        attempt()
        print(name)
    except OSError:
        pass
"""
    ended = run_contained([sys.executable, "-I", "-c", text], env={}, cwd=Path("/"), child=Child())
    assert (ended.stdout, ended.stderr) == ("", "")


def test_root_turns_no_switch_of_the_kernel_and_opens_no_disk():
    if os.getuid() or not landlock.version():
        pytest.skip("is about root, by Landlock")
    text = """
import os, stat
paths = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/dev/kmsg", "/dev/mem"]
paths += [entry.path for entry in os.scandir("/dev") if stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode)]
for path in paths:
    for way in (os.O_WRONLY, os.O_RDONLY):
        try:
            os.close(os.open(path, way))
        except OSError:
            continue
        if way == os.O_WRONLY or "/dev/" in path:
            print(path)
os.close(os.open("/dev/null", os.O_RDWR))
print(len(open("/proc/sys/kernel/core_pattern").read()) > 0)
"""
    assert contained(text) == "True\n"


def test_no_way_up_leads_past_what_is_hidden(tier, tmp_path):
    if tier == "process":
        pytest.skip("files are open there")
    shown = tmp_path / "home" / "shown"
    shown.mkdir(parents=True)
    (tmp_path / "home" / "secrets").mkdir()
    view = View(apart=True, hidden=(tmp_path,)).showing(shown)
    text = """
import os
for path in ("..", "/proc/self/cwd/..", "/proc/1/cwd/.."):
    try:
        print(os.listdir(path))
    except PermissionError:
        print("closed")
"""
    command = [sys.executable, "-I", "-S", "-c", text]
    ended = run_contained(command, env={}, cwd=shown, child=Child(view))
    assert ended.stdout.splitlines() == ["['shown']", "['shown']", "closed"], ended.stderr


def test_it_makes_no_user_namespace_of_its_own(tier):
    if tier == "process":
        pytest.skip("it would have power over nothing there")
    text = "import ctypes; print(ctypes.CDLL(None, use_errno=True).unshare(0x10000000), ctypes.get_errno())"
    assert contained(text).split() == ["-1", "28"]


def test_it_cannot_signal_the_worker_or_its_warden(secret_process, tier):
    if tier == "process" and kernel_version() < (6, 12):
        pytest.skip("needs Landlock's scopes")
    text = f"""
import os, signal
for pid in (os.getppid(), {os.getpid()}, {secret_process.pid}):
    try:
        os.kill(pid, 0)
        print(pid)
    except (PermissionError, ProcessLookupError):
        pass
"""
    assert contained(text) == ""
    assert secret_process.poll() is None


def test_it_changes_no_limit_of_another_process():
    text = f"""
import os, resource
for pid in (os.getppid(), {os.getpid()}, os.getpid()):
    try:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, 64))
        print(pid)
    except (PermissionError, ProcessLookupError):
        pass
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE))
"""
    assert contained(text) == "(64, 64) (64, 64)\n"


def test_keys_that_the_kernel_keeps_for_its_user_are_closed():
    text = """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
add, ask, control = {"x86_64": (248, 249, 250), "aarch64": (217, 218, 219)}[platform.machine()]
planted = ctypes.c_char_p(b"planted")
print(libc.syscall(add, b"user", planted, planted, 7, -4), ctypes.get_errno())
print(libc.syscall(ask, b"user", planted, None, -4), ctypes.get_errno())
print(libc.syscall(control, 0, -3, 0), ctypes.get_errno())
"""
    assert contained(text).split("\n") == ["-1 1"] * 3 + [""]


def test_what_takes_the_means_from_its_warden_is_ended_all_the_same():
    text = """
import os, resource, subprocess
try:
    resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (0, 0))
except PermissionError:
    pass
child = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], start_new_session=True)
print(child.pid)
"""
    child = Child()
    with Contained([sys.executable, "-I", "-c", text], env={}, cwd=Path("/"), child=child) as contained_text:
        printed = bytearray()

        def read():
            printed.extend(data := os.read(contained_text.stdout.fileno(), 1024))
            if b"\n" in data:
                child.kill(0.5)
            return bool(data)

        contained_text.attend({contained_text.stdout: read})
        contained_text.wait()
    assert not any(process.session == int(printed) for process in tree.processes())


def kernel_version():
    return tuple(int(part) for part in os.uname().release.split(".")[:2])


def test_it_may_signal_and_trace_what_it_started_itself():
    text = """
import subprocess, time
child = subprocess.Popen(["sleep", "600"], env={"A": "1"})
time.sleep(0.3)
print(open(f"/proc/{child.pid}/environ").read().strip(chr(0)))
child.kill()
print(child.wait())
"""
    assert contained(text).split() == ["A=1", "-9"]


def test_files_are_moved_between_folders_as_before(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a" / "file").write_text("x")
    contained(
        f"import os; os.rename('{tmp_path}/a/file', '{tmp_path}/b/file'); os.link('{tmp_path}/b/file', '{tmp_path}/a/link')"
    )
    assert (tmp_path / "a" / "link").read_text() == "x"


def test_the_kernel_takes_it_before_the_worker():
    assert int(contained("print(open('/proc/self/oom_score_adj').read())")) >= 500
    assert int(Path("/proc/self/oom_score_adj").read_text()) < 500
