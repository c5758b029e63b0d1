"""Shows a command the files that it is meant to see: the machine's for reading, few for writing, and some not at all.

A view is lines of a word, a source and a target, divided by tabs: `hide` puts an empty folder or file over the target,
`room` an empty folder to write in, `read` and `write` put the source there. It is in effect for the mounts of this
process, which are its own.
"""

from __future__ import annotations

import os

from . import kernel
from .namespaces import RefusedError, forbid_more

_NO_SETUID, _NO_DEVICES, _NO_PROGRAMS = 2, 4, 8
_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18
_FOLDER, _TYPE = 0o040000, 0o170000

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
# What a process may learn or switch there is the machine's, and root's user owns it.
_SWITCHES = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi")
_SECRETS = ("kcore", "keys", "key-users", "sched_debug", "timer_list", "latency_stats")


def show(lines: str) -> None:
    """Change what this process, and all that it starts, sees.

    Raises:
        RefusedError: The kernel does not allow it.
    """
    here = os.getcwd()  # noqa: PTH109  # pathlib takes longer to import than all of this
    entries = [line.split("\t") for line in lines.splitlines() if line]
    try:
        kernel.mount("none", "/", flags=_RECURSIVE | _PRIVATE)
        _see_own_processes()
        opened = {source: _open(source) for word, source, _ in entries if word in ("read", "write")}
        devices = {name: _open(f"/dev/{name}") for name in _DEVICES}
        kernel.make_read_only("/", recursive=True)
        _close_switches()
        covers = ["/dev"]
        _cover("/dev")
        for name, device in devices.items():
            _bind(device, f"/dev/{name}")
        for name, leads in _LINKS.items():
            os.symlink(leads, f"/dev/{name}")  # noqa: PTH211  # as above
        # What is above comes first: an entry may lie within another one.
        for word, source, target in sorted(entries, key=lambda entry: (entry[2].rstrip("/").count("/"), entry[2])):
            _put(word, opened.get(source, -1), target, covers)
        _make_terminals()
        for cover in covers:
            kernel.make_read_only(cover)
        # The folder that this process is in may be covered; from there, `..` would lead past the cover.
        os.chdir(here)
    except RefusedError:
        raise
    except OSError as error:
        raise RefusedError("its files cannot be set apart", error) from None
    for place in (*opened.values(), *devices.values()):
        if place >= 0:
            os.close(place)


def _see_own_processes() -> None:
    try:
        kernel.mount("proc", "/proc", "proc", _NO_SETUID | _NO_DEVICES | _NO_PROGRAMS)
    except OSError as error:
        raise RefusedError("there can be no /proc of its own, which most containers forbid", error) from None


def _close_switches() -> None:
    """Leave of `/proc` only what is about processes to write in."""
    kernel.make_read_only("/proc", read_only=False)
    forbid_more()
    for name in _SWITCHES:
        path = f"/proc/{name}"
        if os.path.exists(path):  # noqa: PTH110  # as above
            kernel.mount(path, path, flags=_BIND | _RECURSIVE)
            kernel.make_read_only(path, recursive=True)
    for name in _SECRETS:
        if os.path.exists(f"/proc/{name}"):  # noqa: PTH110  # as above
            kernel.mount("/dev/null", f"/proc/{name}", flags=_BIND)


def _put(word: str, source: int, target: str, covers: list[str]) -> None:
    if word in ("read", "write"):
        if source >= 0:
            _bind(source, target)
            kernel.make_read_only(target, read_only=word == "read")
    elif word == "room" and target.startswith("/dev/"):
        os.mkdir(target)  # noqa: PTH102  # as above
        kernel.mount("tmpfs", target, "tmpfs", _NO_SETUID | _NO_DEVICES, "mode=1777")
    elif not os.path.exists(target):  # noqa: PTH110  # as above
        return
    elif word == "room":
        kernel.mount("tmpfs", target, "tmpfs", _NO_SETUID | _NO_DEVICES, "mode=1777")
    elif _is_folder(target):
        _cover(target)
        covers.append(target)
    else:
        kernel.mount("/dev/null", target, flags=_BIND)


def _cover(folder: str) -> None:
    kernel.mount("tmpfs", folder, "tmpfs", _NO_SETUID | _NO_DEVICES | _NO_PROGRAMS, "mode=755,size=1m")


def _bind(source: int, target: str) -> None:
    """Put what is open here under another name as well."""
    if not os.path.exists(target):  # noqa: PTH110  # as above
        if os.fstat(source).st_mode & _TYPE == _FOLDER:
            os.makedirs(target, 0o755)  # noqa: PTH103  # as above
        else:
            os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)  # noqa: PTH103, PTH120  # as above
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    kernel.mount(f"/proc/self/fd/{source}", target, flags=_BIND | _RECURSIVE)


def _make_terminals() -> None:
    try:
        os.mkdir("/dev/pts")  # noqa: PTH102  # as above
        kernel.mount("devpts", "/dev/pts", "devpts", _NO_SETUID | _NO_PROGRAMS, "newinstance,ptmxmode=0666,mode=600")
    except OSError:
        # Few need a terminal.
        return


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        # There is none.
        return -1


def _is_folder(path: str) -> bool:
    return os.stat(path).st_mode & _TYPE == _FOLDER  # noqa: PTH116  # as above
