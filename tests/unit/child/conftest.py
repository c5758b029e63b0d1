"""Starts the child as a worker does: a socket pair, pipes, and one message."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import pyarrow as pa
import pytest

from airflow_materialize.execution.process import START
from airflow_materialize.sdk.wire import Message, receive, send


@dataclass
class Ended:
    messages: list
    code: int
    out: str
    err: str
    output: str

    @property
    def last(self):
        return self.messages[-1]

    @property
    def failure(self):
        assert self.last.kind == "failure", self.last
        return self.last.body

    def kinds(self):
        return [message.kind for message in self.messages if message.kind not in {"phase", "log", "progress"}]

    def phases(self):
        return [message.body["name"] for message in self.messages if message.kind == "phase"]

    def logs(self):
        return [(m.body["level"], m.body["text"]) for m in self.messages if m.kind == "log"]

    def table(self):
        assert self.last.kind == "staged", self.last
        with pa.memory_map(self.output) as source:
            return pa.ipc.open_file(source).read_all()


@pytest.fixture(name="asset")
def _asset(tmp_path):
    """Run a text as an asset, and give what it said."""

    def run(text, *, kind="materialize", name="orders.py", env=None, sha256=None, **spec):
        folder = tmp_path / "pipeline" / "assets" / "raw"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / name
        file.write_text(textwrap.dedent(text))
        staged = tmp_path / "staged"
        staged.mkdir(exist_ok=True)
        body = {
            "kind": kind,
            "file": str(file),
            "sha256": sha256 or hashlib.sha256(file.read_bytes()).hexdigest(),
            "search_path": [str(folder), str(tmp_path / "pipeline"), str(tmp_path)],
            "cwd": str(tmp_path / "pipeline"),
            "output": str(staged / "1.part") if kind == "materialize" else "",
            "context": {"data_interval_start": None, "data_interval_end": None},
            "columns": [],
        }
        body.update(spec)
        return _talk(body, tmp_path / "pycache", env or {})

    return run


def _talk(body, pycache, env):
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-I", "-X", "utf8", "-X", f"pycache_prefix={pycache}"]
    command += ["-c", START, str(theirs.fileno())]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[theirs.fileno()],
        env={"PATH": os.environ["PATH"], **env},
    )
    theirs.close()
    with ours, process:
        send(ours, Message("spec", body))
        messages = []
        while True:
            message = receive(ours)
            if message is None:
                break
            messages.append(message)
        out, err = process.communicate(timeout=60)
    return Ended(messages, process.returncode, out.decode(), err.decode(), body["output"])
