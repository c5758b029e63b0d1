"""User code does not outlive the process of Airflow that watches over its task."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_materialize.execution.containment import Child

_SECONDS = 1.0


@contextmanager
def ended_with_supervisor(child: Child) -> Iterator[None]:
    """End a child when Airflow's supervisor of this task is killed: Airflow tries the task again, elsewhere.

    Airflow tells the task nothing of it, and without this user code would go on, for hours or for ever.
    """
    supervisor, done = _supervisor(), threading.Event()

    def watch() -> None:
        while not done.wait(_SECONDS):
            if os.getppid() != supervisor:
                child.kill()
                return

    if supervisor:
        threading.Thread(target=watch, name="materialize-watch", daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _supervisor() -> int:
    """Return the process that watches over this one; 0 where none does, as in `airflow dags test`."""
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    line = getattr(runner, "SUPERVISOR_COMMS", None)
    # The other kind leads nowhere else than into this process.
    return os.getppid() if type(line).__name__ == "CommsDecoder" else 0
