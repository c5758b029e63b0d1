"""The worker's end of the line on which user code asks for rows: a thread that answers while the child lives."""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from airflow_materialize.destinations.reading import ReadOnlyError
from airflow_materialize.destinations.stopping import Stop, stoppable
from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.queries.desk import UnlistedConnectionError
from airflow_materialize.execution.queries.lookup import KINDS
from airflow_materialize.sdk.wire import Message, WireError, receive, send

if TYPE_CHECKING:
    from airflow_materialize.execution.queries.desk import Desk
    from airflow_materialize.execution.queries.lookup import Lookup
    from airflow_materialize.execution.queries.spool import Spool

# A driver that does not let go of a statement is left behind: its thread ends with the worker.
_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.05


class Broker:
    """Answers one child.

    Args:
        desk: Runs statements.
        log: Told where a statement does not end.
        lookup: Knows the rest; None where nothing is looked up.
    """

    def __init__(self, desk: Desk, log: logging.Logger, lookup: Lookup | None = None) -> None:
        self._desk = desk
        self._lookup = lookup
        self._log = log
        self._ours, self._theirs = socket.socketpair()
        self._stop = Stop()
        self._thread: threading.Thread | None = None

    @property
    def descriptor(self) -> int:
        """The end for the child, which inherits it."""
        return self._theirs.fileno()

    @property
    def told(self) -> dict[str, Any]:
        """What the child has to know, a part of its spec."""
        return {"descriptor": self.descriptor, "connections": list(self._desk.connections)}

    def begin(self) -> None:
        """Answer from now on: the child has started and has its end."""
        self._theirs.close()
        self._thread = threading.Thread(target=self._serve, name="materialize-queries", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Answer no longer. A statement that runs is cancelled."""
        self._stop.ask("the asset has ended")
        with suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)
        if self._thread:
            self._join(self._thread)
        self._ours.close()
        self._theirs.close()

    def _join(self, thread: threading.Thread) -> None:
        overdue = time.monotonic() + _PATIENCE_SECONDS
        while thread.is_alive() and time.monotonic() < overdue:
            # It may be between two statements when it is interrupted.
            self._stop.interrupt()
            thread.join(_POLL_SECONDS)
        if thread.is_alive():
            self._log.warning("a statement of query() does not end; its connection stays open until this process ends")

    def _serve(self) -> None:
        with stoppable(self._stop):
            while not self._stop.reason:
                try:
                    question = receive(self._ours)
                    if question is None:
                        return
                    self._answer(question)
                except WireError as error:
                    self._log.warning("query(): what the asset sent cannot be read: %s", error)
                    self._ours.close()
                    return
                except OSError:
                    # The child is gone.
                    return

    def _answer(self, question: Message) -> None:
        looks_up = self._lookup if question.kind in KINDS else None
        try:
            answer = looks_up.answer(question, self._desk.connection) if looks_up else self._desk.answer(question)
        except UnlistedConnectionError as error:
            self._refuse("connection", error)
        except ReadOnlyError as error:
            self._refuse("read_only", error)
        except Exception as error:  # noqa: BLE001  # whatever a driver raises is the asset's to hear, and no more
            self._refuse("failed", error)
        else:
            self._give(answer)

    def _give(self, answer: Spool | dict[str, Any]) -> None:
        if isinstance(answer, dict):
            send(self._ours, Message("facts", answer))
            return
        try:
            send(self._ours, Message("rows", {"rows": answer.rows, "bytes": answer.size}))
            socket.send_fds(self._ours, [b"\0"], [answer.descriptor()])
        finally:
            answer.close()

    def _refuse(self, kind: str, error: Exception) -> None:
        text = str(error) if isinstance(error, MaterializeError) else f"{type(error).__name__}: {error}"
        send(self._ours, Message("refused", {"kind": kind, "message": self._desk.masked(text)}))
