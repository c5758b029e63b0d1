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
_SET_SECCOMP, _SECCOMP_FILTER = 22, 2
_SECCOMP_CALLS = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _SPECULATION_ALLOWED = 1, 4
_SET_SECUREBITS = 28
_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER = 36, 37
_SET_NO_NEW_PRIVS, _GET_NO_NEW_PRIVS = 38, 39
_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL = 47, 4

# NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE, each with its lock, and the lock of KEEP_CAPS.
_SECUREBITS = 0b1110_1111
_CAPABILITY_VERSION = 0x20080522
_MOST_CAPABILITIES = 64

# These calls have one number on every architecture.
_MOUNT_SETATTR = 442

_MS_READ_ONLY_ATTRIBUTE = 1
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (("sets", ctypes.c_uint32 * 6),)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    )


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


def die_with_parent(number: int) -> None:
    """Ask for a signal at the end of the thread that started this process."""
    if LINUX:
        _prctl(_SET_PDEATHSIG, number)


def filter_calls(program: ctypes.Structure) -> None:
    """Let a program of the kernel's own decide of each call of this process, and of all that it starts.

    Asked by prctl, kernels before 5.16 also take speculation from the processor, which slows user code down.
    """
    number = _SECCOMP_CALLS.get(os.uname().machine) if sys.maxsize > 1 << 32 else None
    if number is not None:
        try:
            syscall(number, *map(ctypes.c_ulong, (_SET_MODE_FILTER, _SPECULATION_ALLOWED)), ctypes.byref(program))
        except OSError as error:
            # Before 4.17 there is no such flag, and some sandboxes know prctl alone.
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EPERM):
                raise
        else:
            return
    _checked(
        _LIBC.prctl(_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_FILTER), ctypes.byref(program), *[ctypes.c_ulong(0)] * 2)
    )


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


def unshare(flags: int) -> None:
    """Leave namespaces that are shared with the parent for new ones."""
    _checked(_LIBC.unshare(ctypes.c_int(flags)))


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount something at a path."""
    _checked(
        _LIBC.mount(
            os.fsencode(source),
            os.fsencode(target),
            kind.encode() or None,
            ctypes.c_ulong(flags),
            data.encode() or None,
        )
    )


def make_read_only(target: str, *, read_only: bool = True, recursive: bool = False) -> None:
    """Forbid or allow to write below a mount."""
    changes = _MountAttributes()
    if read_only:
        changes.set = _MS_READ_ONLY_ATTRIBUTE
    else:
        changes.clear = _MS_READ_ONLY_ATTRIBUTE
    flags = _AT_RECURSIVE if recursive else 0
    size = ctypes.c_size_t(ctypes.sizeof(changes))
    syscall(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), ctypes.c_uint(flags), ctypes.byref(changes), size)


def _prctl(option: int, argument: int = 0) -> int:
    return _checked(_LIBC.prctl(option, ctypes.c_ulong(argument), *[ctypes.c_ulong(0)] * 3))


def syscall(number: int, *arguments: object) -> int:
    """Make a call that the C library has no function for."""
    return _checked(_LIBC.syscall(ctypes.c_long(number), *arguments))


def _checked(returned: int) -> int:
    if returned < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return returned
