"""Stands between the worker and what it runs: starts it without privileges, and outlives all that it leaves behind.

`python -I -S -c "…" CONTROL FDS LIMITS COMMAND …`, where CONTROL is a socket to the worker, FDS are the descriptors for
the command alone, as `5,6`, and LIMITS is made by `execution.limits`, as `processes=1000,cpu=60`. Over the socket comes
`end 4.0` (seconds of grace), and its end means that the worker is gone. The answer is one line, at the very end:
`ended STATUS PEAK_BYTES CPU_SECONDS REASON NAMES` or `refused WHY`.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` brings `enum`, which takes as long as all the rest
import os
import select
import sys
import time

from . import kernel, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

GRACE_SECONDS = 10.0
"""What user code has between SIGTERM and SIGKILL."""

# How long to wait for what ends by itself once the command has ended, as the helpers of `multiprocessing` do.
_LINGER_SECONDS = 0.2
# How long to go on killing. A process in the depths of a driver ends when that lets it.
_KILL_SECONDS = 5.0
_SECOND_LOOK = 0.25
_NAMED = 5
# The kernel takes a process with a high score before one with a low score: user code, not the worker.
_OOM_SCORE = 500
_CPU_SECONDS_TO_END = 5


class Keeper:
    """Keeps one command and all of its descendants.

    Args:
        control: The socket to the worker.
        limits: By name.
        pid: The command's process.
        wake: A pipe that the arrival of a signal writes to.
    """

    def __init__(self, control: int, limits: Mapping[str, int], pid: int, wake: int) -> None:
        self.control = control
        self.wake = wake
        self.pid = pid
        self.parent = os.getppid()
        self.most = limits.get("processes", 0)
        self.threads = _threads()
        self.looked = 0.0
        self.status: int | None = None
        self.peak = 0
        self.seconds = 0.0
        self.reason = "-"
        self.left: list[str] = []
        self.deadline = 0.0

    def keep(self) -> None:
        """Return when the command has ended, with all that it started."""
        linger = 0.0
        while self.reap():
            now = time.monotonic()
            if self.status is not None and not self.deadline:
                linger = linger or now + _LINGER_SECONDS
                if now >= linger:
                    self.left = [process.name for process in self.end(GRACE_SECONDS)]
            if self.deadline and now >= self.deadline:
                self.kill()
                return
            self.listen(self.deadline or linger)
            self.count()

    def reap(self) -> bool:
        """Take leave of all that have ended, orphans too; False once there is nobody left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                # Orphans become children of this process, so without a child there is no descendant either.
                return False
            if not pid:
                return True
            self.peak = max(self.peak, usage.ru_maxrss)
            self.seconds = max(self.seconds, usage.ru_utime + usage.ru_stime)
            if pid == self.pid:
                self.status = status

    def listen(self, until: float) -> None:
        """Wait for a word of the worker, its end, or the end of a child."""
        pause = _SECOND_LOOK if not until else max(0.0, min(_SECOND_LOOK, until - time.monotonic()))
        inputs = [self.wake, self.control] if self.control >= 0 else [self.wake]
        ready, _, _ = select.select(inputs, [], [], pause)
        if self.wake in ready and _signal.SIGTERM in os.read(self.wake, 512):
            self.end(GRACE_SECONDS)
        if self.control in ready:
            self.hear()
        if self.control >= 0 and os.getppid() != self.parent:
            # Another process may hold the worker's end of the socket open.
            self.lose()

    def hear(self) -> None:
        """Do as the worker says."""
        try:
            said = os.read(self.control, 512).decode()
        except ConnectionError:
            said = ""
        if not said:
            self.lose()
        for line in said.splitlines():
            self.end(float(line.removeprefix("end ")))

    def lose(self) -> None:
        """End everything, because the worker is gone."""
        os.close(self.control)
        self.control = -1
        self.end(GRACE_SECONDS)

    def end(self, grace_seconds: float) -> list[tree.Process]:
        """Ask everything to end, and bring the moment forward after which nothing is asked any more."""
        moment = time.monotonic() + grace_seconds
        if self.deadline:
            self.deadline = min(self.deadline, moment)
            return []
        self.deadline = moment
        asked = self.signal(_signal.SIGTERM)
        # What is stopped hears nothing else.
        self.signal(_signal.SIGCONT)
        return asked

    def kill(self) -> None:
        """Kill, again and again, until nothing is left: what multiplies may be a step ahead of any one look."""
        until = time.monotonic() + _KILL_SECONDS
        while self.reap() and time.monotonic() < until:
            if not self.signal(_signal.SIGKILL):
                select.select([self.wake], [], [], 0.01)

    def signal(self, number: int) -> list[tree.Process]:
        """Send a signal to everything."""
        found = tree.signal_tree(os.getpid(), number)
        if self.status is None and all(process.pid != self.pid for process in found):
            # There is no /proc, or one that hides processes from their own user: at least its group is known.
            tree.quietly(os.killpg, self.pid, number)
        return found

    def count(self) -> None:
        """End everything at once where there are more processes than may be."""
        now = time.monotonic()
        if not self.most or self.deadline or now - self.looked < _SECOND_LOOK:
            return
        # A look at each process of a large machine takes long; this number tells whether it is worth it.
        if _threads() - self.threads < self.most // 2:
            return
        self.looked = now
        if len(tree.descendants(os.getpid())) > self.most:
            self.reason = "processes"
            self.end(0)

    def tell(self) -> None:
        """Tell the worker how it ended."""
        names = ",".join(
            "".join(letter for letter in name if letter.isalnum() or letter in "._-") for name in self.left[:_NAMED]
        )
        more = f",+{len(self.left) - _NAMED}" if len(self.left) > _NAMED else ""
        status = self.status if self.status is not None else _signal.SIGKILL
        peak = self.peak * (1024 if kernel.LINUX else 1)
        _say(self.control, f"ended {status} {peak} {self.seconds:.3f} {self.reason} {names}{more}")


def main() -> None:
    """Do what the arguments say."""
    control = int(sys.argv[1])
    for_command = [int(fd) for fd in sys.argv[2].split(",") if fd]
    limits = {name: int(value) for name, _, value in (each.partition("=") for each in sys.argv[3].split(",") if each)}
    os.set_inheritable(control, False)
    environment = _environment()
    try:
        if kernel.LINUX:
            kernel.set_subreaper(True)
            kernel.drop_privileges()
        wake = _wake_up()
        pid = os.fork()
        if not pid:
            _become(sys.argv[4:], environment, limits)
    except OSError as error:
        _say(control, f"refused {error.strerror}")
        return
    for fd in for_command:
        os.close(fd)
    # What is written there is the command's, and so is the end of it.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (1, 2):
        os.dup2(nowhere, fd)
    if kernel.LINUX:
        kernel.set_dumpable(False)
    keeper = Keeper(control, limits, pid, wake)
    keeper.keep()
    keeper.tell()
    # An interpreter takes some time to end properly.
    os._exit(0)


def _environment() -> dict[bytes, bytes]:
    """Return the variables that this process was given; Python may have added some to `os.environ`."""
    try:
        with open("/proc/self/environ", "rb") as file:  # noqa: PTH123  # pathlib takes longer to import than all of this
            lines = file.read().split(b"\0")
    except OSError:
        return dict(os.environb)
    return {name: value for name, equals, value in (line.partition(b"=") for line in lines) if equals}


def _wake_up() -> int:
    """Let signals write to a pipe, and return the end to read from."""
    reading, writing = os.pipe()
    for fd in (reading, writing):
        os.set_blocking(fd, False)
    _signal.set_wakeup_fd(writing)
    for number in (_signal.SIGCHLD, _signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
        _signal.signal(number, lambda _number, _frame: None)
    return reading


def _become(command: list[str], environment: dict[bytes, bytes], limits: Mapping[str, int]) -> None:
    """Turn this process, newly forked, into the command; it never returns."""
    parent = os.getppid()
    try:
        _signal.set_wakeup_fd(-1)
        for number in (
            _signal.SIGTERM,
            _signal.SIGINT,
            _signal.SIGHUP,
            _signal.SIGCHLD,
            _signal.SIGPIPE,
            _signal.SIGXFSZ,
        ):
            _signal.signal(number, _signal.SIG_DFL)
        os.setsid()
        kernel.die_with_parent(_signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        _limit(limits)
        _go_first()
        kernel.leave_others_alone()
        os.execve(command[0], command, environment)  # noqa: S606  # no shell is what is wanted
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error.strerror}\n".encode())
    os._exit(127)


def _limit(limits: Mapping[str, int]) -> None:
    import resource

    kinds = {"cpu": resource.RLIMIT_CPU, "memory": resource.RLIMIT_DATA, "file": resource.RLIMIT_FSIZE}
    kinds |= {"files": resource.RLIMIT_NOFILE, "core": resource.RLIMIT_CORE}
    for name, kind in kinds.items():
        limit = 0 if name == "core" else limits.get(name)
        if limit is None:
            continue
        _, most = resource.getrlimit(kind)
        # SIGXCPU comes at the first limit, SIGKILL at the second.
        hard = limit + _CPU_SECONDS_TO_END if name == "cpu" else limit
        if most != resource.RLIM_INFINITY:
            limit, hard = min(limit, most), min(hard, most)
        resource.setrlimit(kind, (limit, hard))


def _go_first() -> None:
    """Have the kernel take this process before the worker where memory runs out."""
    try:
        with open("/proc/self/oom_score_adj", "r+b", buffering=0) as file:  # noqa: PTH123  # as above
            if int(file.read()) < _OOM_SCORE:
                file.write(str(_OOM_SCORE).encode())
    except OSError:
        # Not on this system.
        return


def _threads() -> int:
    """Return the number of threads of the whole machine; 0 where nobody says."""
    try:
        with open("/proc/loadavg", "rb") as file:  # noqa: PTH123  # as above
            return int(file.read().split()[3].partition(b"/")[2])
    except OSError:
        return 0


def _say(control: int, line: str) -> None:
    try:
        os.write(control, f"{line}\n".encode())
    except OSError:
        # The worker is gone.
        return
