"""Starts a command without privileges, and in namespaces where that is asked for.

`python -I -S -c "…" CONTROL FDS LIMITS COMMAND …`, where CONTROL is a socket to the worker, FDS are the descriptors for
the command alone, as `5,6`, and LIMITS is made by `execution.limits`, as `processes=1000,cpu=60`. Over the socket comes
first what `execution.view` makes, behind its length: paths are nothing for an argument, which others can read. Where
nothing is started, the worker is told `refused WHY` or `unconfined WHY`.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # as in `keeper`
import os
import resource
import sys

from . import kernel, landlock, namespaces, seccomp
from .keeper import Keeper, say
from .view import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# The kernel takes a process with a high score before one with a low score: user code, not the worker.
_OOM_SCORE = 500
# The C library keeps the first two of them for itself.
_FIRST_REALTIME_SIGNAL = 32
_CPU_SECONDS_TO_END = 5
_NAMESPACES, _NO_NETWORK = "namespaces", "no-network"

VIEW_DIGITS = 8
"""How many digits the length of a view has."""


def main() -> None:
    """Do what the arguments say."""
    control = int(sys.argv[1])
    for_command = [int(fd) for fd in sys.argv[2].split(",") if fd]
    limits = {name: int(value) for name, _, value in (each.partition("=") for each in sys.argv[3].split(",") if each)}
    os.set_inheritable(control, False)
    environment = _environment()
    # Opened before the folder of devices becomes another one.
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        if kernel.LINUX:
            kernel.set_subreaper(True)
        apart = _go_apart(_view(control), control, for_command, nowhere)
        if kernel.LINUX:
            kernel.drop_privileges()
        if apart:
            # All processes of a namespace end with its first one.
            kernel.die_with_parent(_signal.SIGKILL)
        wake = _wake_up()
        pid = os.fork()
        if not pid:
            _become(sys.argv[4:], environment, limits)
    except namespaces.RefusedError as error:
        say(control, f"unconfined {error.strerror}")
        return
    except OSError as error:
        say(control, f"refused {error.strerror}")
        return
    _step_back(for_command, nowhere)
    keeper = Keeper(control, limits, pid, wake)
    keeper.keep()
    keeper.tell()
    # An interpreter takes some time to end properly.
    os._exit(0)


def _go_apart(view: str, control: int, for_command: list[int], nowhere: int) -> bool:
    """Go into the namespaces that a view asks for.

    A process cannot go into another namespace of processes, only be born there. So the first one of that goes on with
    the work, and this one stands by.

    Returns:
        Whether this is the first process of all that can be seen from here.
    """
    asked, _, files = view.partition("\n")
    if not asked:
        return False
    if not kernel.LINUX:
        raise namespaces.RefusedError("namespaces are Linux's", OSError(0, sys.platform))
    apart = _NAMESPACES in asked
    namespaces.enter(all_of_them=apart, network=_NO_NETWORK not in asked)
    if not apart:
        return False
    wake = _wake_up()
    first = os.fork()
    if first:
        kernel.drop_privileges()
        _step_back(for_command, nowhere)
        namespaces.stand_by(first, wake, control)
    kernel.die_with_parent(_signal.SIGKILL)
    show(files)
    return True


def _step_back(for_command: list[int], nowhere: int) -> None:
    """Let go of what is the command's, and let nobody look into this process."""
    for fd in for_command:
        os.close(fd)
    # What is written there is the command's, and so is the end of it.
    for fd in (1, 2):
        os.dup2(nowhere, fd)
    if kernel.LINUX:
        kernel.set_dumpable(False)


def _view(control: int) -> str:
    """Read what the worker sent before it started this process."""
    length = int(os.read(control, VIEW_DIGITS))
    text = b""
    while len(text) < length:
        text += os.read(control, length - len(text))
    return text.decode()


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
        # Whoever started the worker may have had some ignored, as a shell does in the background.
        for number in range(1, _FIRST_REALTIME_SIGNAL):
            if number not in {_signal.SIGKILL, _signal.SIGSTOP}:
                _signal.signal(number, _signal.SIG_DFL)
        os.setsid()
        kernel.die_with_parent(_signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        _limit(limits)
        _go_first()
        landlock.leave_others_alone()
        if kernel.LINUX:
            seccomp.close_calls()
        os.execve(command[0], command, environment)  # noqa: S606  # no shell is what is wanted
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error.strerror}\n".encode())
    os._exit(127)


def _limit(limits: Mapping[str, int]) -> None:
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
