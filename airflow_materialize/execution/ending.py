"""How a command ended, as its warden tells it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.warden import kernel


@dataclass(frozen=True)
class End:
    """How a command ended.

    Attributes:
        exit_code: Negative for death by that signal.
        peak_bytes: The peak memory of the largest of its processes.
        cpu_seconds: The processor time of the process that took most.
        exceeded: The limit, by its name under `resources`, for which it was ended from here.
        left: The names of processes that it left running, and that were ended.
    """

    exit_code: int
    peak_bytes: int
    cpu_seconds: float = 0.0
    exceeded: str = ""
    left: tuple[str, ...] = ()


def end_of(told: str, exit_code: int, peak: int) -> End:
    """Return how a command ended.

    Args:
        told: The warden's last line; empty where it was killed.
        exit_code: The warden's own.
        peak: The most memory that it held, as the system counts.

    Raises:
        MaterializeError: Nothing was started.
    """
    kind, _, rest = told.removesuffix("\n").partition(" ")
    if kind == "refused":
        raise MaterializeError(
            f"user code is not started, as it would keep privileges of the worker: {rest}",
            hint="a sandbox or an old kernel may forbid it; run the worker as a user without privileges",
        )
    if kind == "unconfined":
        raise MaterializeError(
            f"user code is not started, as it cannot be set apart: {rest}",
            hint="a container has to allow user namespaces and a /proc of one's own; else set [materialize] isolation "
            "= process, and no `resources.network`; `airflow-materialize doctor` tells what this machine allows",
        )
    if kind != "ended":
        return End(exit_code, peak * (1024 if kernel.LINUX else 1))
    status, peak_bytes, seconds, exceeded, names = rest.split(" ")
    left = tuple(name for name in names.split(",") if name)
    return End(os.waitstatus_to_exitcode(int(status)), int(peak_bytes), float(seconds), exceeded.strip("-"), left)
