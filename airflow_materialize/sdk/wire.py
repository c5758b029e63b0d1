"""The frames on the socket between a worker and the process of an asset, used by both of its ends.

A frame is two big-endian 32-bit lengths, then that much JSON (`kind` and `body`) and that much binary payload.
"""

from __future__ import annotations

import json
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""No frame is larger: what comes from user code must not fill the worker's memory."""

_LENGTHS = struct.Struct(">II")


class WireError(Exception):
    """A frame that is torn, too large or not in the format."""


class Message:
    """One frame.

    Attributes:
        kind: What it is about, as `log` or `staged`.
        body: Plain data for JSON.
        payload: Bytes that travel beside the JSON as they are.
    """

    __slots__ = ("body", "kind", "payload")

    # No dataclass: its module takes longer to import than all that an asset's process has to say.
    def __init__(self, kind: str, body: dict[str, Any] | None = None, payload: bytes = b"") -> None:
        self.kind = kind
        self.body = {} if body is None else body
        self.payload = payload

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self._parts == other._parts

    __hash__ = None  # type: ignore[assignment]  # its body is a dict

    def __repr__(self) -> str:
        return f"Message({self.kind!r}, {self.body!r}, {self.payload!r})"

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self.kind, self.body, self.payload


def send(sock: socket.socket, message: Message) -> None:
    """Write one frame. Threads that share a socket take turns by a lock of their own.

    Raises:
        WireError: The frame would be larger than `MAX_FRAME_BYTES`.
        OSError: The other end is gone.
    """
    text = json.dumps({"kind": message.kind, "body": message.body}).encode("ascii")
    _check_size(len(text) + len(message.payload), f"the message {message.kind!r}")
    sock.sendall(_LENGTHS.pack(len(text), len(message.payload)) + text + message.payload)


def receive(sock: socket.socket) -> Message | None:
    """Read one frame, or return None where the other end has closed the socket between two frames.

    Raises:
        WireError: The frame is torn, larger than `MAX_FRAME_BYTES`, or not in the format.
    """
    head = _read(sock, _LENGTHS.size)
    if not head:
        return None
    if len(head) < _LENGTHS.size:
        raise WireError(f"the stream ended inside a frame: {len(head)} of {_LENGTHS.size} bytes of its lengths")
    text_size, payload_size = _LENGTHS.unpack(head)
    _check_size(text_size + payload_size, "a message that was received")
    data = _read(sock, text_size + payload_size)
    if len(data) < text_size + payload_size:
        raise WireError(f"the stream ended inside a frame: {len(data)} of {text_size + payload_size} bytes")
    return _decode(data[:text_size], data[text_size:])


def _decode(text: bytes, payload: bytes) -> Message:
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as error:  # a deeply nested text exhausts the stack instead of being refused
        raise WireError(f"a frame is not JSON: {error}") from error
    if not isinstance(frame, dict) or set(frame) != {"kind", "body"}:
        raise WireError("a frame has other fields than kind and body")
    if not isinstance(frame["kind"], str) or not isinstance(frame["body"], dict):
        raise WireError("the kind of a frame is not text, or its body no object")
    return Message(frame["kind"], frame["body"], payload)


def _read(sock: socket.socket, size: int) -> bytes:
    """Read `size` bytes, fewer only where the stream ends."""
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(min(size - len(data), 1 << 20))
        if not piece:
            break
        data += piece
    return bytes(data)


def _check_size(size: int, what: str) -> None:
    if size > MAX_FRAME_BYTES:
        raise WireError(f"{what} has {size:,} bytes; the limit is {MAX_FRAME_BYTES:,}")
