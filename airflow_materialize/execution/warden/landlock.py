"""Cuts a process off from every other one, and root from what makes it mighty, by Landlock."""

from __future__ import annotations

import ctypes
import os

from . import kernel

# These calls have one number on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE, _REFER = 1 << 1, 1 << 2, 1 << 13
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
_ABI_REFER, _ABI_SCOPES = 2, 6

# The kernel's switches ask for the user alone, not for capabilities: root without any could have the kernel run a
# program of its own as real root, by `core_pattern`.
_SWITCHES = ("proc", "sys")
_DEVICES = "dev"
_MEMORY = ("mem", "kmem", "port", "kmsg")
_BLOCK_DEVICE, _LINK, _TYPE = 0o060000, 0o120000, 0o170000


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """Return the version of Landlock that the kernel has; 0 where it has none that can do this."""
    if not kernel.LINUX:
        return 0
    try:
        found = kernel.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _RULESET_VERSION)
    except OSError:
        return 0
    # The first version would forbid to move files between folders.
    return found if found >= _ABI_REFER else 0


def leave_others_alone() -> None:
    """Cut this process, and all that it starts, off from every other process of the machine.

    Whatever user they run as: no reading of their environment, memory and descriptors; from Linux 6.12 on no signals
    to them and no connection to their abstract sockets either. Files stay as they are, but that root writes to no
    switch of the kernel and opens no disk past its files. Where there is no Landlock nothing happens.
    """
    found = version()
    if not found:
        return
    root = os.geteuid() == 0
    access = _REFER | (_READ_FILE | _WRITE_FILE if root else 0)
    scoped = found >= _ABI_SCOPES
    rules = _Ruleset(access, 0, _SCOPE_SIGNALS | _SCOPE_ABSTRACT_SOCKETS if scoped else 0)
    size = ctypes.sizeof(rules) if scoped else ctypes.sizeof(ctypes.c_uint64)
    ruleset = kernel.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    try:
        _allow(ruleset, "/", _REFER)
        if root:
            for name in os.listdir("/"):  # noqa: PTH208  # pathlib takes longer to import than all of this
                if name != _DEVICES:
                    _allow(ruleset, f"/{name}", _READ_FILE | (0 if name in _SWITCHES else _WRITE_FILE))
            for path in _harmless_devices():
                _allow(ruleset, path, _READ_FILE | _WRITE_FILE)
        kernel.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _harmless_devices() -> list[str]:
    """Return the devices that are neither disks nor memory."""
    found = []
    try:
        entries = list(os.scandir(f"/{_DEVICES}"))
    except OSError:
        return []
    for entry in entries:
        try:
            disk = entry.stat(follow_symlinks=False).st_mode & _TYPE == _BLOCK_DEVICE
        except OSError:
            continue
        if not disk and entry.name not in _MEMORY:
            found.append(entry.path)
    return found


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        # It is gone.
        return
    try:
        # A link leads to a place with a rule of its own.
        if os.fstat(place).st_mode & _TYPE != _LINK:
            beneath = _PathBeneath(access, place)
            kernel.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(beneath), 0)
    finally:
        os.close(place)
