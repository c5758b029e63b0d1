"""Finds and signals the descendants of a process, of whatever group or session they are."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KILL = 9


class Process:
    """One process, as `/proc` showed it a moment ago."""

    __slots__ = ("group", "name", "parent", "pid", "session", "started", "state", "threads")

    def __init__(self, pid: int, stat: bytes) -> None:
        self.pid = pid
        name, _, rest = stat.partition(b"(")[2].rpartition(b") ")
        fields = rest.split()
        self.name = name.decode(errors="replace")
        self.state = fields[0].decode()
        self.parent, self.group, self.session = (int(field) for field in fields[1:4])
        self.threads, self.started = int(fields[17]), int(fields[19])

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.state not in "ZX"


def processes() -> Iterator[Process]:
    """Give each process of this machine that can be seen, in the order of their ids."""
    for pid in sorted(int(name) for name in _names() if name.isdecimal()):
        process = look(pid)
        if process is not None:
            yield process


def look(pid: int) -> Process | None:
    """Return the process; None if it is gone or cannot be seen."""
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return Process(pid, os.read(file, 4096))
    except (OSError, ValueError, IndexError):
        return None
    finally:
        os.close(file)


def descendants(root: int, visit: Callable[[Process], object] = lambda _process: None) -> list[Process]:
    """Return the descendants of a process that have not ended.

    Args:
        root: The id of the process.
        visit: Called with each of them at the moment it is found: a moment later it may have ended.
    """
    tree, found, others = {root}, [], []

    def take(process: Process) -> None:
        tree.add(process.pid)
        if process.runs:
            visit(process)
            found.append(process)

    for process in processes():
        if process.parent in tree:
            take(process)
        else:
            others.append(process)
    # Numbers start over at some point, so a child's may be lower than its parent's.
    while late := [process for process in others if process.parent in tree and process.pid not in tree]:
        for process in late:
            take(process)
    return found


def signal_tree(root: int, number: int) -> list[Process]:
    """Send a signal to every descendant of a process, and return those that were found.

    SIGKILL goes to their groups, which ends each with all of its members in one moment, however fast they multiply.
    """
    groups = {os.getpgrp()}

    def send(process: Process) -> None:
        if number == _KILL and process.group not in groups:
            groups.add(process.group)
            quietly(os.killpg, process.group, number)
        quietly(os.kill, process.pid, number)

    return descendants(root, send)


def _names() -> list[str]:
    try:
        return os.listdir("/proc")  # noqa: PTH208  # pathlib takes longer to import than all of this
    except OSError:
        # There is no such folder but on Linux.
        return []


def quietly(send: Callable[[int, int], None], target: int, number: int) -> None:
    """Send a signal to what may be gone."""
    try:
        send(target, number)
    except (ProcessLookupError, PermissionError):
        # It has ended, or has become another's.
        return
