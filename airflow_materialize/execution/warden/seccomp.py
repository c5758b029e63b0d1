"""Closes the few calls of the kernel by which a process reaches others of its user, or what is kept for its user."""

from __future__ import annotations

import ctypes
import errno
import sys

from . import kernel

# Limits of another process: without descriptors a warden finds nobody to end, and out of processor time a worker dies.
# A user's keys, as tickets of Kerberos are: they belong to no process that could be hidden.
_NUMBERS = {
    # By architecture, as the audit of the kernel numbers them: prlimit64, add_key, request_key, keyctl.
    0xC000003E: (302, 248, 249, 250),  # x86-64
    0x40000003: (340, 286, 287, 288),  # the same machine's 32 bits
    0xC00000B7: (261, 217, 218, 219),  # 64 bits of ARM
    0x40000028: (369, 309, 310, 311),  # and its 32 bits
}
# Programs of x86-64 with short pointers set this in each number.
_X32 = 0x40000000

_LOAD, _AND, _IF_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _THIRD_ARGUMENT = 0, 4, 16, 32
_STEP_BYTES = 8
_ALLOWED, _REFUSED = 0x7FFF0000, 0x00050000 | errno.EPERM


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def close_calls() -> None:
    """Refuse them for this process and for all that it starts. Where the kernel has no such filter nothing happens.

    It must have given up gaining privileges before.
    """
    instructions = b"".join(step for numbers in _NUMBERS.items() for step in _block(*numbers))
    instructions += _step(_RETURN, _ALLOWED)
    program = _Program(len(instructions) // _STEP_BYTES, instructions)
    try:
        kernel.filter_calls(program)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise


def _block(architecture: int, numbers: tuple[int, ...]) -> list[bytes]:
    """Return the instructions for one architecture; the others jump over them."""
    limits, *keys = numbers
    rules = [
        (_LOAD, _NUMBER, "", ""),
        (_AND, 0xFFFFFFFF & ~_X32, "", ""),
        *((_IF_EQUAL, number, "refuse", "") for number in keys),
        (_IF_EQUAL, limits, "", "allow"),
        # A process may change its own limits, and read those of others: then it gives no new ones.
        (_LOAD, _FIRST_ARGUMENT, "", ""),
        (_IF_EQUAL, 0, "allow", ""),
        (_LOAD, _THIRD_ARGUMENT, "", ""),
        (_IF_EQUAL, 0, "", "refuse"),
        (_LOAD, _THIRD_ARGUMENT + 4, "", ""),
        (_IF_EQUAL, 0, "allow", "refuse"),
    ]
    ends = {"refuse": len(rules), "allow": len(rules) + 1}
    steps = [
        _step(code, value, *(ends[word] - at - 1 if word else 0 for word in words))
        for at, (code, value, *words) in enumerate(rules)
    ]
    steps += [_step(_RETURN, _REFUSED), _step(_RETURN, _ALLOWED)]
    return [_step(_LOAD, _ARCHITECTURE), _step(_IF_EQUAL, architecture, 0, len(steps)), *steps]


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return code.to_bytes(2, sys.byteorder) + bytes((then, otherwise)) + value.to_bytes(4, sys.byteorder)
