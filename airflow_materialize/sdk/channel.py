"""The line on which an asset asks its worker: one question at a time, and a file for each answer that has rows."""

from __future__ import annotations

import _socket  # `socket` brings `selectors` and makes enums: a tenth of the time until an asset's first line
import errno
import os
import threading

from airflow_materialize.sdk.exceptions import ConnectionNotFoundError, QueryError
from airflow_materialize.sdk.names import LINE_CLOSED
from airflow_materialize.sdk.wire import Message, WireError, receive, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from typing import Any

    from airflow_materialize.sdk.frames import Rows

_GONE = "the worker is gone, and nobody answers any longer"


class ReadsOnlyError(QueryError):
    """The worker does not run such a statement."""


_ERRORS = {"connection": ConnectionNotFoundError, "read_only": ReadsOnlyError}


class Channel:
    """One end of the line.

    Args:
        sock: The socket.
        connections: The connection ids that the worker answers for, the asset's own first.

    Attributes:
        connections: As given.
    """

    def __init__(self, sock: socket.socket, connections: Sequence[str]) -> None:
        self.connections = tuple(connections)
        self._sock = sock
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._broken = False

    def ask(self, kind: str, **body: Any) -> Rows:
        """Ask for rows and wait for them; other threads wait for their turn.

        Raises:
            QueryError: The statement was refused, or nobody answers.
            ConnectionNotFoundError: The header lists no such connection.
        """
        answer = self._ask(Message(kind, body))
        if isinstance(answer, Message):
            raise QueryError(f"the worker answered with {answer.kind!r} where rows were asked for")
        return answer

    def look_up(self, kind: str, **body: Any) -> dict[str, Any]:
        """Ask for a few facts and wait for them.

        Raises:
            QueryError: The worker cannot say, or nobody answers.
        """
        answer = self._ask(Message(kind, body))
        if isinstance(answer, Message):
            return answer.body
        answer.close()
        raise QueryError("the worker answered with rows where facts were asked for")

    def _ask(self, question: Message) -> Rows | Message:
        if os.getpid() != self._process:
            # Two processes would read each other's answers.
            raise QueryError("query() works in the asset's own process, and this one was forked from it: query first")
        with self._lock:
            if self._broken:
                raise QueryError("an earlier query() was interrupted before its answer was complete")
            self._broken = True
            answer = self._exchange(question)
            self._broken = False
        if isinstance(answer, Message) and answer.kind == "refused":
            raise _ERRORS.get(str(answer.body.get("kind")), QueryError)(str(answer.body.get("message")))
        return answer

    def _exchange(self, question: Message) -> Rows | Message:
        from socket import recv_fds

        from airflow_materialize.sdk.frames import Rows

        try:
            send(self._sock, question)
            answer = receive(self._sock)
            if answer is None:
                raise QueryError(_GONE)
            if answer.kind != "rows":
                return answer
            _, descriptors, _, _ = recv_fds(self._sock, 1, 1)
        except WireError as error:
            raise QueryError(str(error)) from error
        except OSError as error:
            lost = LINE_CLOSED if error.errno in {errno.EBADF, errno.ENOTSOCK} else f"{_GONE} ({error.strerror})"
            raise QueryError(lost) from error
        if not descriptors:
            raise QueryError(_GONE)
        os.set_inheritable(descriptors[0], False)
        return Rows(descriptors[0], int(answer.body["rows"]), int(answer.body["bytes"]))


_open: list[Channel] = []


def open_channel(descriptor: int, connections: Sequence[str]) -> None:
    """Make the socket `descriptor` the line of this process."""
    _open[:] = [Channel(own_socket(descriptor), connections)]


def own_socket(descriptor: int) -> socket.socket:
    """Return an inherited socket, which nothing that this process starts inherits any further."""
    os.set_inheritable(descriptor, False)
    sock: socket.socket = _socket.socket(fileno=descriptor)  # type: ignore[assignment]  # it has all that is used here
    return sock


def channel() -> Channel | None:
    """Return the line of this process; None where no worker listens."""
    return _open[0] if _open else None


def line() -> Channel:
    """Return the line of this process.

    Raises:
        QueryError: There is none.
    """
    if not _open:
        raise QueryError("query(), ref() and result_of() work while airflow-materialize runs the asset")
    return _open[0]
