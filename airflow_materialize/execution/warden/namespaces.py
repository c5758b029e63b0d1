"""Gives a command users, processes, mounts and System V objects of its own, and no network where that is asked for."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # as in `keeper`
import errno
import os
import select
import sys

from . import kernel, tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_MOUNTS, _IPC, _USERS, _PROCESSES, _NETWORK = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1

_LOOK_SECONDS = 0.25


class RefusedError(OSError):
    """The kernel does not give one."""

    def __init__(self, what: str, error: OSError) -> None:
        limited = error.errno == errno.ENOSPC
        why = "the limit of `user.max_user_namespaces` is reached" if limited else error.strerror
        super().__init__(error.errno, f"{what}: {why}")


def enter(*, all_of_them: bool, network: bool) -> None:
    """Leave the namespaces of the worker. Processes that are started from now on are in one of their own.

    Args:
        all_of_them: Not the network alone.
        network: Whether that of the machine stays.

    Raises:
        RefusedError: The kernel, or a sandbox around the worker, forbids it.
    """
    user, group = os.geteuid(), os.getegid()
    wanted = [(_USERS, "a user namespace cannot be made")]
    if all_of_them:
        wanted.append((_MOUNTS | _PROCESSES | _IPC, "namespaces for processes and mounts cannot be made"))
    if not network:
        wanted.append((_NETWORK, "a namespace without a network cannot be made"))
    for flags, problem in wanted:
        try:
            kernel.unshare(flags)
            if flags == _USERS:
                # The user stays who it is: files are its own as before. Without this line no group may be mapped.
                _write("/proc/self/setgroups", "deny")
                _write("/proc/self/uid_map", f"{user} {user} 1")
                _write("/proc/self/gid_map", f"{group} {group} 1")
        except OSError as error:
            raise RefusedError(problem, error) from None
    if not network:
        _bring_up_loopback()


def stand_by(pid: int, wake: int, control: int) -> NoReturn:
    """Wait for the first process of the new namespaces, hand signals on to it, and end as it ended.

    Its end is that of all others there, the kernel sees to that. It ends with this one, and with the worker.
    """
    os.close(control)
    parent, told = os.getppid(), False
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        ready, _, _ = select.select([wake], [], [], _LOOK_SECONDS)
        asked = bool(ready) and bool(set(os.read(wake, 512)) & {_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP})
        if asked or (os.getppid() != parent and not told):
            told = True
            tree.quietly(os.kill, pid, _signal.SIGTERM)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(max(code, 0))


def forbid_more() -> None:
    """Let nobody here make user namespaces: they would give capabilities over what is in them."""
    try:
        _write("/proc/sys/user/max_user_namespaces", "0")
    except OSError:
        # A kernel without the switch; what is hidden stays hidden there as well.
        return


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _bring_up_loopback() -> None:
    """Let processes of the command talk with each other at 127.0.0.1."""
    import _socket
    import fcntl

    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        request = fcntl.ioctl(probe.fileno(), _GET_FLAGS, b"lo".ljust(40, b"\0"))
        flags = int.from_bytes(request[16:18], sys.byteorder) | _UP
        fcntl.ioctl(probe.fileno(), _SET_FLAGS, request[:16] + flags.to_bytes(2, sys.byteorder) + request[18:])
    except OSError:
        # It is for convenience.
        return
    finally:
        probe.close()
