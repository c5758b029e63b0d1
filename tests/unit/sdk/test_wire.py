from __future__ import annotations

import json
import socket
import struct

import pytest

from airflow_materialize.sdk.wire import MAX_FRAME_BYTES, Message, WireError, receive, send


@pytest.fixture(name="ends")
def _ends():
    left, right = socket.socketpair()
    with left, right:
        right.settimeout(5)
        yield left, right


def test_messages_arrive_whole_and_in_order(ends):
    sent = [Message("log", {"text": "Grüße \ud800"}), Message("rows", {}, b"\x00\xff"), Message("done")]
    for message in sent:
        send(ends[0], message)
    ends[0].close()

    assert [receive(ends[1]) for _ in range(4)] == [*sent, None]


@pytest.mark.parametrize("size", [3, 8, 20])
def test_a_torn_frame_is_an_error(ends, size):
    send(ends[0], Message("log", {"text": "x" * 100}))
    ends[0].close()
    torn, other = socket.socketpair()
    with torn, other:
        torn.sendall(ends[1].recv(size))
        torn.close()
        with pytest.raises(WireError, match="the stream ended inside a frame"):
            receive(other)


def test_a_frame_beyond_the_limit_is_not_sent(ends):
    with pytest.raises(WireError, match=r"the message 'rows' has 67,108,.* bytes; the limit is 67,108,864"):
        send(ends[0], Message("rows", {}, bytes(MAX_FRAME_BYTES)))


def test_a_frame_beyond_the_limit_is_refused_before_it_is_read(ends):
    ends[0].sendall(struct.pack(">II", 4_000_000_000, 4_000_000_000))

    with pytest.raises(WireError, match="a message that was received has 8,000,000,000 bytes"):
        receive(ends[1])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "other fields than kind and body"),
        (json.dumps({"kind": "a", "body": {}, "x": 1}).encode(), "other fields than kind and body"),
        (json.dumps({"kind": 1, "body": {}}).encode(), "kind of a frame is not text"),
        (json.dumps({"kind": "a", "body": []}).encode(), "or its body no object"),
    ],
    ids=range(7),
)
def test_what_is_not_in_the_format_is_refused(ends, text, problem):
    ends[0].sendall(struct.pack(">II", len(text), 0) + text)

    with pytest.raises(WireError, match=problem):
        receive(ends[1])
