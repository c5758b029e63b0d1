"""Plants secrets where a worker has its own, and looks for them with the eyes of user code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution import probe
from airflow_materialize.execution.containment import Child, run_contained
from airflow_materialize.execution.isolation import Isolation
from airflow_materialize.execution.sandbox import child_environment

_VARIABLE = "AIRFLOW__MATERIALIZE__PLANTED"


def scan(isolation: Isolation) -> list[str]:
    """Return the places where user code would find a secret of this process, of one beside it, or of a file.

    At `process` files count for nothing: there user code may read what the worker's user may.

    Raises:
        MaterializeError: Nothing can be started.
    """
    word = f"planted-{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory(prefix="materialize-") as place, _planted(word, Path(place)) as beside:
        folders = [place] if isolation.settings.isolation == "namespaces" else []
        relatives = [os.getpid(), os.getppid(), beside]
        # In halves, so that it does not find its own arguments.
        asked = {"word": [word[:20], word[20:]], "relatives": relatives, "folders": folders}
        text = Path(probe.__file__).read_text()
        env = child_environment({}, Path(place) / "scratch", Path(sys.prefix))
        command = [sys.executable, "-I", "-S", "-c", text, json.dumps(asked)]
        ended = run_contained(command, env=env, cwd=Path("/"), child=Child(isolation.to_examine()))
        if ended.returncode:
            raise MaterializeError(f"the leak scan does not run: {ended.stderr.strip().rpartition(chr(10))[2]}")
        said = json.loads(ended.stdout)
    known = {*env, "LC_CTYPE"}
    leaks = [f"{kind} of {_named(where, beside)}" for where, kind in said["found"]]
    return leaks + [f"the variable {name}" for name in said["variables"] if name not in known]


@contextmanager
def _planted(word: str, place: Path) -> Iterator[int]:
    """Plant a word in variables, memory, an open file and its name, and in a process beside this one; give its id."""
    before = os.environ.get(_VARIABLE)
    beside = subprocess.Popen(["/bin/sleep", "60"], env={_VARIABLE: word}, stdin=subprocess.DEVNULL)
    os.environ[_VARIABLE] = word
    try:
        with (place / word).open("w+") as file:
            file.write(word)
            file.flush()
            os.set_inheritable(file.fileno(), True)
            yield beside.pid
    finally:
        os.environ.pop(_VARIABLE)
        if before is not None:
            os.environ[_VARIABLE] = before
        beside.kill()
        beside.wait()


def _named(where: str, beside: int) -> str:
    if where == str(os.getpid()):
        return "the worker"
    if where == str(beside):
        return "another process of its user"
    return f"process {where}" if where.isdecimal() else where
