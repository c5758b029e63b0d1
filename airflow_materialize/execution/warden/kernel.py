"""What only the kernel can do: take privileges away, and hide one process from another."""

from __future__ import annotations

import ctypes
import errno
import os
import sys

LINUX = sys.platform == "linux"

_LIBC = ctypes.CDLL(None, use_errno=True)

_SET_PDEATHSIG = 1
_GET_DUMPABLE, _SET_DUMPABLE = 3, 4
_CAPBSET_READ, _CAPBSET_DROP = 23, 24
_SET_SECUREBITS = 28
_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER = 36, 37
_SET_NO_NEW_PRIVS, _GET_NO_NEW_PRIVS = 38, 39
_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL = 47, 4

# NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE, each with its lock, and the lock of KEEP_CAPS.
_SECUREBITS = 0b1110_1111
_CAPABILITY_VERSION = 0x20080522
_MOST_CAPABILITIES = 64

# Landlock. These calls have one number on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_ACCESS_REFER = 1 << 13
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
_ABI_REFER, _ABI_SCOPES = 2, 6


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (("sets", ctypes.c_uint32 * 6),)


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("folder", ctypes.c_int32))


def drop_privileges() -> None:
    """Give up every capability for good, for this process and for all that it starts.

    Root without capabilities is an ordinary user who owns root's files: it reads no environment and no memory of a
    process that has kept any.

    Raises:
        OSError: Something was kept.
    """
    for capability in range(_MOST_CAPABILITIES):
        try:
            if _prctl(_CAPBSET_READ, capability):
                _prctl(_CAPBSET_DROP, capability)
        except OSError:
            # The kernel knows no more; or this process may not, and then no-new-privileges keeps the set shut.
            break
    for option, argument in ((_SET_SECUREBITS, _SECUREBITS), (_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)):
        try:
            _prctl(option, argument)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EINVAL):
                raise
    _prctl(_SET_NO_NEW_PRIVS, 1)
    header, nothing = _CapabilityHeader(_CAPABILITY_VERSION, 0), _Capabilities()
    _checked(_LIBC.capset(ctypes.byref(header), ctypes.byref(nothing)))
    kept = _Capabilities()
    _checked(_LIBC.capget(ctypes.byref(header), ctypes.byref(kept)))
    if any(kept.sets) or _prctl(_GET_NO_NEW_PRIVS) != 1:
        raise OSError(errno.EPERM, "privileges cannot be dropped")


def leave_others_alone() -> int:
    """Cut this process, and all that it starts, off from every other process of the machine, by Landlock.

    Whatever user they run as: no reading of their environment, memory and descriptors; from Linux 6.12 on no signals
    to them and no connection to their abstract sockets either. Files stay as they are.

    Returns:
        The version of Landlock that does so; 0 where the kernel has none that can.
    """
    if not LINUX:
        return 0
    try:
        version = _syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _RULESET_VERSION)
    except OSError:
        return 0
    if version < _ABI_REFER:
        # The first version would forbid to move files between folders.
        return 0
    scoped = version >= _ABI_SCOPES
    rules = _Ruleset(_ACCESS_REFER, 0, _SCOPE_SIGNALS | _SCOPE_ABSTRACT_SOCKETS if scoped else 0)
    size = ctypes.sizeof(rules) if scoped else ctypes.sizeof(ctypes.c_uint64)
    ruleset = _syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    root = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        everywhere = _PathBeneath(_ACCESS_REFER, root)
        _syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(everywhere), 0)
        _syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(root)
        os.close(ruleset)
    return version


def die_with_parent(number: int) -> None:
    """Ask for a signal at the end of the thread that started this process."""
    if LINUX:
        _prctl(_SET_PDEATHSIG, number)


def is_dumpable() -> bool:
    """Whether other processes of the same user may read this one."""
    return _prctl(_GET_DUMPABLE) == 1


def set_dumpable(dumpable: bool) -> None:  # noqa: FBT001  # one argument, as the kernel has it
    """Allow or forbid other processes of the same user to read this one."""
    _prctl(_SET_DUMPABLE, int(dumpable))


def is_subreaper() -> bool:
    """Whether orphans among the descendants of this process become its children."""
    adopts = ctypes.c_int()
    _checked(_LIBC.prctl(_GET_CHILD_SUBREAPER, ctypes.byref(adopts), *[ctypes.c_ulong(0)] * 3))
    return bool(adopts.value)


def set_subreaper(adopts: bool) -> None:  # noqa: FBT001  # one argument, as the kernel has it
    """Make orphans among the descendants of this process its children, or not any more."""
    _prctl(_SET_CHILD_SUBREAPER, int(adopts))


def _prctl(option: int, argument: int = 0) -> int:
    return _checked(_LIBC.prctl(option, ctypes.c_ulong(argument), *[ctypes.c_ulong(0)] * 3))


def _syscall(number: int, *arguments: object) -> int:
    return _checked(_LIBC.syscall(ctypes.c_long(number), *arguments))


def _checked(returned: int) -> int:
    if returned < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return returned
