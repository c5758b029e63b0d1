from __future__ import annotations

import json
import os
import platform
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from package_index import PYARROW, write_wheel

from airflow_materialize.errors import MaterializeError, TransientError
from airflow_materialize.execution.containment import Child
from airflow_materialize.execution.environments.cache import list_environments
from airflow_materialize.execution.environments.environment import ensure_environment
from airflow_materialize.execution.environments.lock_text import entries_of
from airflow_materialize.execution.environments.requirements import Requirements, find_requirements
from airflow_materialize.execution.environments.turns import turn

FULL = platform.python_version()
OWN = FULL.rpartition(".")[0]

BUILDER = """
import logging, sys
from pathlib import Path
from airflow_materialize.execution.containment import Child
from airflow_materialize.execution.environments.environment import ensure_environment
from airflow_materialize.execution.environments.requirements import Requirements
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
print(ensure_environment(Requirements(), sys.argv[2], Path(sys.argv[1]), logging.getLogger()).path)
"""


@pytest.fixture
def requirements(tmp_path):
    """Write a requirements file, by itself or as a pyproject.toml, and read it as an asset beside it does."""

    def write(text: str, name: str = "requirements.txt") -> Requirements:
        (tmp_path / "pipeline").mkdir(exist_ok=True)
        (tmp_path / "pipeline" / name).write_text(text)
        return find_requirements(tmp_path / "pipeline/orders.py", tmp_path / "pipeline")

    return write


def run(environment, code):
    command = [environment.python, "-I", "-c", code]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=True).stdout.strip()


def packages(environment):
    return [entry.split()[0] for entry in entries_of(environment.lock)]


def leftovers(folder):
    """What builders leave that were killed."""
    return [*folder.glob("*.building"), *folder.glob("locks/*.resolving")]


def failure(requirements, folder, log, kind=MaterializeError):
    with pytest.raises(kind) as caught:
        ensure_environment(requirements, OWN, folder, log)
    assert not leftovers(folder)
    return str(caught.value)


def start_builder(folder):
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, folder, OWN], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_an_asset_without_requirements_has_pyarrow_the_runtime_and_the_name_bruin(plain_environment):
    code = "import pyarrow, airflow_materialize.child.main, bruin; print(bruin.context.pipeline, pyarrow.__version__)"
    said, version = run(plain_environment, code).split()
    assert said == "None"
    assert plain_environment.lock.startswith(f"pyarrow=={version} \\\n    --hash=sha256:")
    assert packages(plain_environment) == [f"pyarrow=={version}"]


def test_an_environment_has_nothing_of_the_worker(plain_environment):
    code = "import importlib.util as u; print([u.find_spec(n) for n in ('airflow', 'yaml', 'pydantic', 'pip')])"
    assert run(plain_environment, code) == "[None, None, None, None]"


def test_an_environment_is_private_to_the_workers_user(plain_environment):
    assert stat.S_IMODE(plain_environment.path.stat().st_mode) == 0o700


def test_requirements_are_installed_and_the_lock_says_which(requirements, folder, log, records, monkeypatch):
    monkeypatch.setenv("UV_INDEX_PRIVATE_PASSWORD", "canary-of-the-index")
    environment = ensure_environment(requirements("six>=1.16,<1.18\n"), OWN, folder, log)
    pyarrow, six = packages(environment)
    assert pyarrow.startswith("pyarrow==")
    assert six == "six==" + run(environment, "import six; print(six.__version__)")
    assert records.texts[0].startswith(f"building the environment {environment.path} (Python {FULL}, ")
    assert records.texts[1].startswith("built the environment with 2 packages in ")
    found = subprocess.run(["grep", "-rl", "canary-of-the-index", folder], capture_output=True, text=True, check=False)
    assert found.stdout == ""
    records.lines.clear()
    assert ensure_environment(requirements("six>=1.16,<1.18\n"), OWN, folder, log) == environment
    assert records.lines == []


def test_files_of_an_environment_are_copies_that_no_other_one_shares(plain_environment):
    shared = [file for file in plain_environment.path.rglob("*.py") if file.stat().st_nlink > 1]
    assert shared == []


def test_dependencies_of_a_pyproject_are_installed(requirements, folder, log):
    text = '[project]\nname = "p"\nversion = "1"\ndependencies = ["six==1.17.0"]\n'
    assert "six==1.17.0" in packages(ensure_environment(requirements(text, "pyproject.toml"), OWN, folder, log))


def test_a_pin_of_pyarrow_is_kept(requirements, folder, log):
    environment = ensure_environment(requirements("pyarrow==25.0.0\n"), OWN, folder, log)
    assert run(environment, "import pyarrow; print(pyarrow.__version__)") == "25.0.0"


def test_a_path_is_relative_to_its_file_and_a_bruin_of_ones_own_stays(requirements, folder, log, tmp_path):
    requirements("./bruin-1.0-py3-none-any.whl\n")
    write_wheel(tmp_path / "pipeline", "bruin", "1.0", "mine = True\n")
    found = find_requirements(tmp_path / "pipeline/orders.py", tmp_path)
    environment = ensure_environment(found, OWN, folder, log)
    assert run(environment, "import bruin; print(bruin.mine)") == "True"


@pytest.mark.parametrize("option", ["-f ./wheels", "--find-links=wheels/", "--find-links '../pipeline/wheels'"])
@pytest.mark.parametrize("place", ["", "shared/"])
def test_a_folder_of_wheels_takes_the_place_of_an_index(requirements, folder, log, tmp_path, option, place):
    wheels = tmp_path / "pipeline" / place / "wheels"
    wheels.mkdir(parents=True)
    write_wheel(wheels, "pyarrow", "99.0", PYARROW)
    write_wheel(wheels, "ours", "1.0", "mine = True\n")
    option = option.replace("pipeline", "shared") if place else option
    (wheels.parent / "base.txt").write_text(f"--no-index\n{option}\n")
    environment = ensure_environment(requirements(f"-r {place}base.txt\nours\n"), OWN, folder, log)
    assert run(environment, "import ours; print(ours.mine)") == "True"


def test_a_requirement_that_does_not_resolve_is_an_error_at_its_line(requirements, folder, log, tmp_path):
    said = failure(requirements("six\n\nno-such-package-of-ours==1\n"), folder, log)
    assert said.startswith(f"{tmp_path}/pipeline/requirements.txt:3:1: 'no-such-package-of-ours==1' does not resolve: ")
    assert "no-such-package-of-ours was not found in the package registry" in said


def test_of_requirements_that_contradict_each_other_one_is_named_with_the_reason(requirements, folder, log):
    said = failure(requirements("tabulate\nsix>=1.17\nsix<1.10\n"), folder, log)
    assert "requirements.txt:2:1: 'six>=1.17' does not resolve: " in said
    assert "you require six>=1.17 and six<1.10" in said


def test_a_pyarrow_that_is_too_old_is_refused_with_the_reason(requirements, folder, log):
    said = failure(requirements("pyarrow==14.0.0\n"), folder, log)
    assert "requirements.txt:1:1: 'pyarrow==14.0.0' does not resolve: " in said
    assert "pyarrow>=14.0.1 is always added, as results travel as Arrow data" in said


def test_a_hash_that_does_not_fit_is_refused(requirements, folder, log):
    said = failure(requirements(f"six==1.17.0 --hash=sha256:{'0' * 64}\n"), folder, log)
    assert "requirements.txt:1:1: 'six==1.17.0 --hash=sha256:000" in said


def test_an_option_that_uv_does_not_know_is_an_error_with_its_place(requirements, folder, log):
    said = failure(requirements("six\n--nonsense x\n"), folder, log)
    assert "requirements.txt: does not resolve: " in said
    assert "requirements.txt:2:1" in said


def test_an_index_that_is_not_reached_may_pass(requirements, folder, log, monkeypatch, tmp_path):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    said = failure(requirements("six\n"), folder, log, TransientError)
    said_before, _, why = said.partition("the package index was not reached: ")
    assert said_before == f"{tmp_path}/pipeline/requirements.txt:1:1: 'six': "
    assert "http://127.0.0.1:9/simple/six/" in why


@pytest.mark.parametrize("static", [True, False])
def test_a_local_package_is_built_anew_when_its_files_change_and_nothing_is_written_beside_them(
    requirements, folder, log, tmp_path, static
):
    found = requirements("./lib\n")
    lib = tmp_path / "pipeline" / "lib"
    (lib / "lib" / "build").mkdir(parents=True)
    (lib / "lib" / "build" / "__init__.py").write_text("")
    version = 'version = "1"' if static else 'dynamic = ["version"]'
    dynamic = "" if static else '[tool.setuptools.dynamic]\nversion = { attr = "lib.__version__" }\n'
    build = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    (lib / "pyproject.toml").write_text(f'[project]\nname = "lib"\n{version}\n{build}{dynamic}')
    for number in range(2):
        (lib / "lib" / "__init__.py").write_text(f'__version__ = "{number}"\n')
        for place in (lib, lib / "lib"):
            place.chmod(0o555)
        environment = ensure_environment(found, OWN, folder, log)
        assert run(environment, "import lib.build; print(lib.__version__)") == str(number)
    written = sorted(str(path.relative_to(lib)) for path in lib.rglob("*"))
    assert written == ["lib", "lib/__init__.py", "lib/build", "lib/build/__init__.py", "pyproject.toml"]
    assert ensure_environment(found, OWN, folder, log) == environment
    assert not leftovers(folder)


def test_a_build_that_needs_what_lies_beside_its_folder_is_made_in_place(requirements, folder, log, tmp_path):
    found = requirements("./lib\n")
    lib = tmp_path / "pipeline" / "lib"
    lib.mkdir()
    (lib / "backend.py").write_text(
        "import pathlib, shutil\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        "    wheel = pathlib.Path('../lib-1.0-py3-none-any.whl')\n"
        "    shutil.copy(wheel, folder)\n"
        "    return wheel.name\n"
    )
    write_wheel(tmp_path / "pipeline", "lib", "1.0", "mine = True\n")
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (lib / "pyproject.toml").write_text(f'[project]\nname = "lib"\nversion = "1.0"\n{build}')
    assert run(ensure_environment(found, OWN, folder, log), "import lib; print(lib.mine)") == "True"


def test_requirements_that_do_not_import_are_an_error_with_the_traceback(requirements, folder, log, tmp_path):
    requirements("./pyarrow-99.0-py3-none-any.whl\n")
    module = "raise ImportError('libarrow.so.99 is missing')\n"
    write_wheel(tmp_path / "pipeline", "pyarrow", "99.0", module)
    said = failure(find_requirements(tmp_path / "pipeline/orders.py", tmp_path), folder, log)
    assert f"requirements.txt: the packages install, but do not import on Python {FULL}:\nTraceback" in said
    assert "libarrow.so.99 is missing" in said


def test_what_is_compiled_while_an_environment_is_tried_serves_its_first_run(folder, log):
    environment = ensure_environment(Requirements(), OWN, folder, log)
    code = (
        "import json, pyarrow, pyarrow.types, airflow_materialize.child.main as ours, importlib.util as util;"
        "print(json.dumps([[each.__file__, util.cache_from_source(each.__file__)] for each in (pyarrow, ours)]));"
        "print(ours.hide.__code__.co_filename)"
    )
    told, named = without_compiling(environment, code)

    assert [Path(compiled).is_file() for _, compiled in json.loads(told)] == [True, True]
    assert named == json.loads(told)[1][0]
    assert named.startswith(str(environment.path))


def test_the_standard_library_is_not_compiled_again(folder, log):
    environment = ensure_environment(Requirements(), OWN, folder, log)
    kept = [path.relative_to(environment.compiled) for path in environment.compiled.rglob("*.pyc")]
    library = {path.name.partition(".")[0] for path in kept if "site-packages" not in path.parts}
    assert len(kept) > len(library)
    # What Python imports before anything of ours, and what `importlib` itself does.
    assert library <= {"__init__", "aliases", "utf_8", "ascii", "__future__", "warnings"}


def without_compiling(environment, code):
    command = [environment.python, "-I", "-B", "-X", f"pycache_prefix={environment.compiled}", "-c", code]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_folder_that_cannot_be_written_names_the_setting(log, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MaterializeError) as caught:
        ensure_environment(Requirements(), OWN, tmp_path / "file/environments", log)
    assert str(caught.value) == (
        f"environments cannot be built in {tmp_path}/file/environments: Not a directory\n"
        "Hint: set [materialize] environments to a folder on a local disk that the worker can write"
    )


def test_requires_python_is_held_against_the_interpreter_that_was_found(folder, log):
    requirements = Requirements(Path("pyproject.toml"), requires_python=">=3.99")
    with pytest.raises(MaterializeError, match=r"requires-python is '>=3.99', which excludes Python 3\.\d+\.\d+ \(/"):
        ensure_environment(requirements, OWN, folder, log)


@pytest.mark.parametrize("lost", ["complete.json", "requirements.lock", "bin/python", "lib"])
def test_an_environment_that_lost_a_part_is_rebuilt(plain_environment, lost, folder, log, records):
    folder.mkdir()
    copy = folder / plain_environment.path.name
    subprocess.run(["cp", "-a", plain_environment.path, copy], check=True)
    assert ensure_environment(Requirements(), OWN, folder, log).path == copy
    assert records.lines == []
    (copy / lost).rename(folder / "lost")
    environment = ensure_environment(Requirements(), OWN, folder, log)
    assert records.texts[0].startswith("building the environment ")
    assert run(environment, "import airflow_materialize.child.main; print('fine')") == "fine"


def test_two_builders_at_once_give_one_environment(folder):
    builders = [start_builder(folder) for _ in range(2)]
    said = [builder.communicate(timeout=120)[0] for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0], said
    assert len({text.splitlines()[-1] for text in said}) == 1
    assert sum("built the environment with" in text for text in said) == 1
    assert len(list_environments(folder)) == 1
    assert not leftovers(folder)


def test_who_waits_for_another_builder_says_for_whom(plain_environment, log, records):
    copy = plain_environment.path.with_name("waiting")
    copy.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", plain_environment.path.with_name("locks"), copy], check=True)
    place = copy / plain_environment.path.name
    with turn(copy / f"{place.name}.lock", "", "raw.orders", log, Child()):
        waiting = threading.Thread(target=ensure_environment, args=(Requirements(), OWN, copy, log))
        waiting.start()
        while not records.lines:
            time.sleep(0.01)
        subprocess.run(["cp", "-a", plain_environment.path, copy], check=True)
    waiting.join(60)
    [said] = records.texts
    who = rf"raw\.orders \(process {os.getpid()} on {socket.gethostname()}, since \d\d:\d\d:\d\d\)"
    assert re.fullmatch(rf"{who} builds this environment \({place}\); waiting for it", said)


def test_a_build_that_was_killed_half_way_is_built_again(folder, log):
    builder = start_builder(folder)
    while not list(folder.glob("*.building/venv/lib/*/site-packages/pyarrow")):
        assert builder.poll() is None, builder.stdout.read()
        time.sleep(0.01)
    os.kill(builder.pid, signal.SIGKILL)
    builder.communicate()
    environment = ensure_environment(Requirements(), OWN, folder, log)
    assert run(environment, "import pyarrow, airflow_materialize.child.main; print('fine')") == "fine"
    assert [each.path for each in list_environments(folder)] == [environment.path]
    assert not leftovers(folder)


def test_the_name_of_an_environment_tells_its_python_and_content(plain_environment):
    assert plain_environment.path.name == f"{FULL}-{plain_environment.key[:24]}"


def test_building_takes_no_standard_input_of_the_worker(folder):
    # A socket stands for that of Airflow's supervisor: a child that held it could ask it for connections.
    code = (
        "import logging, os, socket, subprocess, sys, threading\n"
        "ours, theirs = socket.socketpair()\n"
        "os.dup2(theirs.fileno(), 0)\n"
        "from airflow_materialize.execution.environments.uv import run_uv, uv_environment\n"
        "from pathlib import Path\n"
        "seen = run_uv('run', '--no-project', '--python', sys.executable, 'python', '-c',\n"
        '              \'import os; print(os.listdir("/proc/self/fd"), os.readlink("/proc/self/fd/0"))\',\n'
        "              cwd=Path('/'), env=uv_environment(os.environ))\n"
        "print(seen.stdout)\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "/dev/null" in process.stdout
    assert "socket" not in process.stdout
