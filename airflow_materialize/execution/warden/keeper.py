"""Keeps what the worker runs: outlives all that it leaves behind, and ends it.

Over the socket to the worker comes `end 4.0` (seconds of grace), and its end means that the worker is gone. The answer
is one line, at the very end: `ended STATUS PEAK_BYTES CPU_SECONDS REASON NAMES`.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` brings `enum`, which takes as long as all the rest
import os
import select
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
        self.most_threads = limits.get("threads", 0)
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
        found = tree.descendants(os.getpid())
        if len(found) > self.most:
            self.reason = "processes"
        elif self.most_threads and sum(process.threads for process in found) > self.most_threads:
            # Threads have their numbers from where processes have theirs: without any left nobody starts anything.
            self.reason = "threads"
        else:
            return
        self.end(0)

    def tell(self) -> None:
        """Tell the worker how it ended."""
        names = ",".join(
            "".join(letter for letter in name if letter.isalnum() or letter in "._-") for name in self.left[:_NAMED]
        )
        more = f",+{len(self.left) - _NAMED}" if len(self.left) > _NAMED else ""
        status = self.status if self.status is not None else _signal.SIGKILL
        peak = self.peak * (1024 if kernel.LINUX else 1)
        say(self.control, f"ended {status} {peak} {self.seconds:.3f} {self.reason} {names}{more}")


def _threads() -> int:
    """Return the number of threads of the whole machine; 0 where nobody says."""
    try:
        with open("/proc/loadavg", "rb") as file:  # noqa: PTH123  # as above
            return int(file.read().split()[3].partition(b"/")[2])
    except OSError:
        return 0


def say(control: int, line: str) -> None:
    """Tell the worker one line."""
    try:
        os.write(control, f"{line}\n".encode())
    except OSError:
        # The worker is gone.
        return
