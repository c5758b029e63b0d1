"""Tells when user code ran out of something, and what the limit was."""

from __future__ import annotations

import errno
import os
import re
import signal
from pathlib import Path

from airflow_materialize.execution.result import ChildResult

_CGROUPS = Path("/sys/fs/cgroup")
_PARTS = "yield the result in parts, as a generator"
_ERRNO = re.compile(r"\[Errno (\d+)\]")
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGTRAP)


def oom_kills() -> int | None:
    """Return how many processes the kernel has killed here for want of memory; None where nobody counts them."""
    counts = (_counted(folder / name) for folder in _own_cgroups() for name in ("memory.events", "memory.oom_control"))
    return next((count for count in counts if count is not None), None)


def memory_of_worker() -> int | None:
    """Return how many bytes the worker and its children may use together; None where there is no limit."""
    limits = []
    for folder in _own_cgroups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name).strip()
            if text.isdecimal():
                limits.append(int(text))
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min((limit for limit in limits if limit < machine), default=None)


def sudden_end(result: ChildResult) -> tuple[str, str] | None:
    """Return what user code was killed for and a hint; None where that was no limit.

    Args:
        result: Of a child that said nothing of its end.
    """
    code, limits = -result.exit_code, result.limits
    if result.exceeded:
        most = f"{limits.processes:,} processes at once (resources.processes)"
        if result.exceeded == "threads":
            most = "half of the threads that this machine can have"
        return f"it had more than {most}", "start fewer, or raise the limit"
    if code == signal.SIGXCPU or (code == signal.SIGKILL and limits.cpu and result.cpu_seconds >= limits.cpu):
        what = f"it took more processor time than its limit of {limits.cpu} s (resources.cpu_time)"
        return what, "raise the limit, or let the asset do less in one run"
    if code == signal.SIGXFSZ:
        return f"it wrote a file larger than {_file_limit(result)}", "raise the limit"
    if code == signal.SIGKILL:
        return _killed(result)
    if code in _CRASHES and limits.memory:
        name = signal.Signals(code).name
        what = f"killed by signal {code} ({name}); {peak(result)}, {_memory_limit(result)}"
        return what, f"a library that gets no more memory may crash: raise the limit, or {_PARTS}"
    return None


def said_no_memory(result: ChildResult) -> bool:
    """Whether the interpreter could say no more of its end than that memory was out."""
    return result.exit_code == 1 and any(line.startswith("MemoryError") for line in result.tail)


def no_memory_left(result: ChildResult) -> tuple[str, str] | None:
    """Return the same for a child without so much memory as to say what its exception was."""
    if not said_no_memory(result) or not result.limits.memory:
        return None
    return f"it ran out of memory; {peak(result)}, {_memory_limit(result)}", f"{_PARTS}, or raise the limit"


def limit_note(result: ChildResult) -> tuple[str, str]:
    """Return what to add to an exception of user code that a limit has caused, and a hint; both empty otherwise."""
    kind, message = str(result.body.get("type") or ""), str(result.body.get("message") or "")
    number = _ERRNO.match(message)
    code = int(number[1]) if number else 0
    if "MemoryError" in kind or code == errno.ENOMEM:
        limit = _memory_limit(result)
        note = f"{peak(result)}, {limit}" if limit else peak(result)
        return note, f"{_PARTS}, or raise the limit" if limit else f"{_PARTS}, or give the worker more memory"
    if result.limits.file and os.strerror(errno.EFBIG).lower() in message.lower():
        return f"larger than {_file_limit(result)}", "raise the limit"
    if code == errno.EMFILE and result.limits.files:
        return f"the limit is {result.limits.files:,} (resources.open_files)", "close files, or raise the limit"
    if result.oom_killed:
        return f"the kernel ran out of memory and killed a process of it; {peak(result)}{_of_worker()}", _PARTS
    return "", ""


def peak(result: ChildResult) -> str:
    """Say how much memory the largest process had."""
    return f"its peak memory was {_megabytes(result.peak_bytes)}"


def _killed(result: ChildResult) -> tuple[str, str]:
    hint = f"{_PARTS}, or give the worker more memory"
    if result.oom_killed:
        what = "killed by signal 9 (SIGKILL), as the kernel ran out of memory"
        return f"{what}; {peak(result)}{_of_worker()}", hint
    return f"killed by signal 9 (SIGKILL), often the kernel's out-of-memory killer; {peak(result)}", hint


def _of_worker() -> str:
    limit = memory_of_worker()
    return f", and the worker with all its processes has {_megabytes(limit)}" if limit else ""


def _memory_limit(result: ChildResult) -> str:
    memory = result.limits.memory
    return f"the limit of each process is {_megabytes(memory)} (resources.memory)" if memory else ""


def _file_limit(result: ChildResult) -> str:
    return f"its limit of {result.limits.file / 1e6:,.1f} MB (resources.file_size)"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def _own_cgroups() -> list[Path]:
    """Return the folders of the groups that this process is in, with those that these are in."""
    folders = []
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, kinds, path = line.split(":", 2)
        if kinds in ("", "memory"):
            top = _CGROUPS / kinds
            own = top / path.lstrip("/")
            # In a container the path may be that of the machine, and the top is the container's.
            folders += [each for each in (own, *own.parents) if each.is_relative_to(top)]
    return folders


def _counted(path: Path) -> int | None:
    found = re.search(r"^oom_kill (\d+)$", _read(path), re.MULTILINE)
    return int(found[1]) if found else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
