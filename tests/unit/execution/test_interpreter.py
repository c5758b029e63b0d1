from __future__ import annotations

import os
import platform
import sys
import venv
from pathlib import Path

import pytest

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.containment import Child
from airflow_materialize.execution.environments.interpreter import (
    _probe,
    find_interpreter,
    known_interpreter,
    search_path,
)
from airflow_materialize.execution.environments.uv import uv_environment

FULL = platform.python_version()
OWN = FULL.rpartition(".")[0]


@pytest.fixture
def env():
    return {**uv_environment(os.environ), "UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "5"}


@pytest.mark.parametrize("asked", [OWN, FULL])
def test_the_workers_own_version_needs_no_search(asked, log):
    found = find_interpreter(asked, {"PATH": "/nonexistent"}, log)
    assert found.version == FULL
    assert not found.path.is_relative_to(Path(sys.prefix))


def test_a_path_is_taken_and_followed_to_the_interpreter_below_a_virtual_environment(env, log, tmp_path):
    venv.create(tmp_path / "v", symlinks=True)
    found = find_interpreter(str(tmp_path / "v/bin/python"), env, log)
    assert found == find_interpreter(OWN, env, log)


def test_an_interpreter_behind_a_shim_is_found(env, log, tmp_path):
    real = find_interpreter(OWN, env, log).path
    shims, behind = tmp_path / "pyenv/shims", tmp_path / f"pyenv/versions/{FULL}/bin"
    for folder in (shims, behind):
        folder.mkdir(parents=True)
    shim = shims / "python3"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    (behind / "python3").symlink_to(real)
    # Two parts alone would be answered by the worker's own; a condition is not.
    found = find_interpreter(f"=={FULL}", {**env, "PATH": str(shims), "HOME": str(tmp_path)}, log)
    assert (found.path, found.version) == (real, FULL)


def test_a_folder_of_shims_gives_way_to_what_is_behind_it(tmp_path):
    behind = tmp_path / "installs/python/3.12.1/bin"
    behind.mkdir(parents=True)
    env = {"PATH": f"{tmp_path}/shims:/usr/bin::/usr/bin", "HOME": str(tmp_path)}
    assert search_path(env) == [str(behind), "/usr/bin"]


def test_a_version_that_cannot_be_had_lists_those_at_hand(env, log, records):
    unreachable = {**env, "UV_PYTHON_INSTALL_MIRROR": "http://127.0.0.1:9"}
    with pytest.raises(MaterializeError) as caught:
        find_interpreter("3.9.0", unreachable, log)
    said = str(caught.value)
    assert said.startswith("Python 3.9.0 is not on this machine and could not be downloaded: ")
    assert "Hint: at hand are " in said
    assert f"{FULL} (" in said
    assert "3.8." not in said.partition("Hint")[2]
    assert said.endswith("others are found on PATH and by `uv python install 3.9.0`")
    assert records.texts == ["Python 3.9.0 is not on this machine: uv downloads it"]


def test_an_interpreter_is_asked_once_and_again_when_it_is_another_one(env, log, tmp_path):
    asked, shown = tmp_path / "asked", tmp_path / "python"
    text = f'#!/bin/sh\necho >> {asked}\nexec {sys.executable} "$@"\n'
    shown.write_text(text)
    shown.chmod(0o755)
    folder = tmp_path / "interpreters"

    def find():
        return known_interpreter(str(shown), env, folder, log)

    first = find()
    assert first.version == platform.python_version()
    times = len(asked.read_text())
    assert find() == first
    assert len(asked.read_text()) == times
    [record] = folder.iterdir()
    record.write_text(record.read_text().replace('"stamp": [', '"stamp": [1'))
    assert find() == first
    assert len(asked.read_text()) > times
    record.write_text("{")
    assert find() == first


def test_a_path_without_an_interpreter_is_named(env, log):
    with pytest.raises(MaterializeError, match=r"the interpreter /nonexistent/python cannot be used: "):
        find_interpreter("/nonexistent/python", env, log)


def test_a_path_with_an_interpreter_too_old_is_refused(env, log, tmp_path):
    old = tmp_path / "python3.8"
    old.write_text('#!/bin/sh\necho \'["CPython", "3.8.18", "/opt/3.8/bin/python"]\'\n')
    old.chmod(0o755)
    with pytest.raises(MaterializeError) as caught:
        _probe(old, Child())
    assert str(caught.value) == (f"the interpreter {old} is Python 3.8.18\nHint: assets run on CPython 3.9 to 3.14")
