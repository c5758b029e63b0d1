"""Examines one Arrow file in a process that has no credential, no variable and no file but this one.

It runs by itself, before and while user code does: it waits for a descriptor on its socket, and answers with one line
of JSON.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import asdict

from airflow_materialize.arrow_file import examine
from airflow_materialize.examined import ArrowFileError


def main() -> None:
    """Answer for one file."""
    with socket.socket(fileno=int(sys.argv[1])) as line:
        _, descriptors, _, _ = socket.recv_fds(line, 1, 1)
        for descriptor in descriptors:
            try:
                answer = asdict(examine(descriptor))
            except ArrowFileError as error:
                answer = {"refused": str(error)}
            line.sendall(json.dumps(answer).encode())
    # An interpreter with Arrow takes some time to end properly.
    os._exit(0)
