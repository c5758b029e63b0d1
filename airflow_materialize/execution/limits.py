"""What user code may use of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_materialize.definition.model.resources import Resources

# No honest asset has as many, and a storm of them is caught while the machine still answers.
MOST_PROCESSES = 1000


@dataclass(frozen=True)
class Limits:
    """Limits in plain numbers; 0 is none.

    Attributes:
        memory: Bytes that each process may allocate.
        cpu: Seconds of processor time for each process.
        file: Bytes for each file that is written.
        files: How many files, sockets and pipes each process may have open.
        processes: How many processes there may be at once.
        threads: How many threads they may have together.
    """

    memory: int = 0
    cpu: int = 0
    file: int = 0
    files: int = 0
    processes: int = 0
    threads: int = 0

    def __str__(self) -> str:
        """Return the form that the warden reads."""
        return ",".join(f"{name}={value}" for name, value in vars(self).items() if value)


NO_LIMITS = Limits()


def limits_of(resources: Resources) -> Limits:
    """Return the limits of an asset."""
    return Limits(
        memory=resources.memory or 0,
        cpu=ceil(resources.cpu_time or 0),
        file=resources.file_size or 0,
        files=resources.open_files or 0,
        processes=resources.processes or MOST_PROCESSES,
        threads=_half_of_all_threads(),
    )


def _half_of_all_threads() -> int:
    """Return half of what the whole machine may have; 0 where nobody says."""
    try:
        return min(int(Path(f"/proc/sys/kernel/{name}").read_text()) for name in ("pid_max", "threads-max")) // 2
    except (OSError, ValueError):
        return 0
