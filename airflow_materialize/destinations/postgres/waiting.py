"""Who is in the way of a statement on PostgreSQL: asked for on a connection of its own, told in the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from airflow_materialize.destinations import waiting
from airflow_materialize.destinations.postgres.errors import driver_errors
from airflow_materialize.errors import MaterializeError

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Progress

_BLOCKERS = """
SELECT b.pid, coalesce(nullif(a.application_name, ''), a.backend_type, 'a prepared transaction'), coalesce(a.state, ''),
  coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.state_change, a.query_start, a.xact_start)), 0)::bigint
FROM unnest(pg_catalog.pg_blocking_pids(%s)) AS b(pid) LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = b.pid
"""


class Watch:
    """A thread that looks after a session whose statement takes long.

    Args:
        pid: The session's process on the server.
        what: What is wanted, as `raw.orders`.
        connect: Opens another connection.
        tell: Told who is in the way, each time.
        progress: Told the same as a sentence for the log.
    """

    def __init__(
        self,
        pid: int,
        what: str,
        connect: Callable[[], Any],
        tell: Callable[[str], None],
        progress: Progress | None,
    ) -> None:
        self._pid, self._what, self._connect = pid, what, connect
        self._tell, self._progress = tell, progress
        self._since = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="materialize-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End it, and wait for the end."""
        self._over.set()
        self._thread.join()

    @contextmanager
    def statement(self) -> Iterator[None]:
        """Say that a statement runs inside."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = 0.0

    def _watch(self) -> None:
        while not self._over.wait(waiting.PROGRESS_SECONDS):
            since = self._since
            if not since or time.monotonic() - since < waiting.PROGRESS_SECONDS:
                continue
            blockers = ""
            # Where nobody answers the log says less; what is asked about goes on.
            with suppress(MaterializeError, *driver_errors()):
                blockers = self._blockers()
            if blockers:
                sentence = f"{self._what} is held by {blockers}"
                self._tell(sentence)
                if self._progress:
                    self._progress(f"Waiting: {sentence} ({time.monotonic() - since:.0f} s so far)")

    def _blockers(self) -> str:
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(_BLOCKERS, [self._pid])
            return " and ".join(_described(*row) for row in cursor.fetchall())


def _described(pid: int, application: str, state: str, seconds: int) -> str:
    return f"process {pid} ({application}" + (f", {state} for {seconds} s)" if state else ")")
