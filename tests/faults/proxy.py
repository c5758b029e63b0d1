"""A way to a server that breaks off at COMMIT: before the server hears of it, or before its answer comes back."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

_COMMIT = {
    # A simple query or a parsed statement ends in NUL; `ON COMMIT DROP` has a space before the word.
    "postgres": re.compile(rb"(?<! )COMMIT;?\x00"),
    # A packet of its own: the command byte of a query, then the word.
    "mysql": re.compile(rb"\x03(?i:commit);?$"),
}
_RESET = struct.pack("ii", 1, 0)


class BreakingProxy:
    """Passes everything on, and breaks the connection off at one COMMIT.

    Attributes:
        url: The way to the database through here.
        moment: Where the next COMMIT is broken off; empty where it passes.
        struck: How often that happened.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = parts.hostname or "127.0.0.1", parts.port or {"postgres": 5432, "mysql": 3306}[parts.scheme]
        self._commit = _COMMIT[parts.scheme]
        self._listening = socket.create_server(("127.0.0.1", 0))
        user = f"{parts.username}@" if parts.username else ""
        self.url = urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{self._listening.getsockname()[1]}"))
        self.moment: Literal["", "before", "after"] = ""
        self.struck = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=[client], daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        server = socket.create_connection(self._server)
        back = threading.Thread(target=_pump, args=[server, client], daemon=True)
        back.start()
        with suppress(OSError):
            while data := client.recv(1 << 16):
                if self.moment and self._commit.search(data):
                    self._strike(client, server, data)
                    return
                server.sendall(data)
        _close(client, server)

    def _strike(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        moment, self.moment = self.moment, ""
        self.struck += 1
        # The client must not hear the answer: its side is cut off first.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        client.shutdown(socket.SHUT_RDWR)
        client.close()
        if moment == "after":
            server.sendall(data)
            # The server has done it when it answers; the other thread may have read the answer.
            server.settimeout(0.2)
            with suppress(OSError):
                server.recv(1 << 16)
        _close(server)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    _close(sink)


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


@contextmanager
def breaking(url: str) -> Iterator[BreakingProxy]:
    """Open a way to a database that can be broken off."""
    proxy = BreakingProxy(url)
    try:
        yield proxy
    finally:
        proxy.close()
