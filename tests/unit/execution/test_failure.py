from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_materialize.execution.containment import Child
from airflow_materialize.execution.environments.requirements import Requirements
from airflow_materialize.execution.failure import explain_failure
from airflow_materialize.execution.result import ChildResult


def test_an_exception_is_told_with_phase_and_the_users_own_traceback(run, plain_environment):
    said = run.failure(plain_environment, "def materialize():\n    return int('x')\n")
    # Python 3.13 has no marks below a whole line.
    said = re.sub(r"was [\d,]+ MB", "was … MB", said)
    assert said.replace("           ^^^^^^^^\n", "") == (
        "raw.orders: failed in phase 'materialize': ValueError: invalid literal for int() with base 10: 'x'\n"
        "Traceback (most recent call last):\n"
        f'  File "{run.file}", line 2, in materialize\n'
        "    return int('x')\n"
        "ValueError: invalid literal for int() with base 10: 'x'\n"
        "Its peak memory was … MB.\n"
        "Nothing was changed in raw.orders."
    )


def test_an_exception_at_import_is_one_of_the_phase_import(run, plain_environment):
    assert run.failure(plain_environment, "1 / 0\n").startswith(
        "raw.orders: failed in phase 'import': ZeroDivisionError: division by zero\nTraceback"
    )


def test_a_syntax_error_shows_its_line(run, plain_environment):
    said = run.failure(plain_environment, "def materialize(:\n")
    assert "failed in phase 'import': SyntaxError: " in said
    assert f'File "{run.file}", line 1' in said


def test_a_missing_module_is_to_be_added_to_the_file_that_was_found(run, plain_environment):
    requirements = Requirements(Path("/dags/sales/requirements.txt"))
    said = run.failure(plain_environment, "import pandas.io\n", requirements=requirements)
    assert "failed in phase 'import': ModuleNotFoundError: No module named 'pandas'\nTraceback" in said
    assert "\nHint: add the package that has 'pandas' (often pandas) to /dags/sales/requirements.txt\n" in said


def test_a_missing_module_without_a_requirements_file_says_where_to_put_one(run, plain_environment):
    said = run.failure(plain_environment, "import pandas\n")
    where = run.folder / "requirements.txt"
    assert f"\nHint: write the package that has 'pandas' (often pandas) into {where}\n" in said


@pytest.mark.parametrize("line", ["import airflow", "from airflow.models import Variable"])
def test_an_asset_that_imports_airflow_learns_why_it_is_not_there(run, plain_environment, line):
    said = run.failure(plain_environment, f"{line}\n")
    assert "\nHint: Airflow is not there on purpose: assets run apart from it" in said


def test_an_asset_that_imports_the_workers_side_learns_what_there_is(run, plain_environment):
    said = run.failure(plain_environment, "import airflow_materialize.dag.factory\n")
    assert "\nHint: an asset has airflow_materialize.sdk and nothing else of airflow_materialize\n" in said


def test_death_by_sigkill_names_memory(run, plain_environment):
    text = "import os, signal\nprint('reading')\ndef materialize():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    said = run.failure(plain_environment, text)
    assert re.fullmatch(
        r"raw\.orders: failed in phase 'materialize': killed by signal 9 \(SIGKILL\), "
        r"often the kernel's out-of-memory killer; its peak memory was [\d,]+ MB\n"
        r"Its last output:\n  reading\n"
        r"Hint: yield the result in parts, as a generator, or give the worker more memory\n"
        r"Nothing was changed in raw\.orders\.",
        said,
    )


def test_a_crash_names_its_signal(run, plain_environment):
    said = run.failure(plain_environment, "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    assert "failed in phase 'import': killed by signal 11 (SIGSEGV); " in said
    assert "\nIt printed nothing.\nHint: a native library crashed" in said


@pytest.mark.parametrize("code", [0, 3])
def test_an_end_without_a_result_is_a_failure_whatever_the_exit_code(run, plain_environment, code):
    said = run.failure(plain_environment, f"import os\ndef materialize():\n    os._exit({code})\n")
    assert said.startswith(
        f"raw.orders: failed in phase 'materialize': ended with exit code {code} and without a result\n"
    )


def test_sys_exit_is_a_failure_of_an_asset_that_owes_a_result(run, plain_environment):
    said = run.failure(plain_environment, "import sys\ndef materialize():\n    sys.exit(0)\n")
    assert said.startswith("raw.orders: failed in phase 'materialize': SystemExit: ")


def test_a_crash_after_the_result_is_a_failure(run, plain_environment):
    text = "import atexit, os\natexit.register(os._exit, 7)\ndef materialize():\n    return [{'id': 1}]\n"
    assert "ended with exit code 7 after its result was complete" in run.failure(plain_environment, text)


def test_without_a_traceback_the_last_lines_of_output_are_told(run, plain_environment):
    said = run.failure(plain_environment, "import os\nfor n in range(60):\n    print('line', n)\nos._exit(1)\n")
    assert "\nIts last output:\n  line 10\n  line 11\n" in said
    assert "  line 59\n" in said
    assert "line 9\n" not in said


def test_a_run_that_was_stopped_says_so(run, plain_environment):
    child = Child()
    child.kill()
    said = run.failure(plain_environment, "print(1)\n", kind="script", child=child)
    assert said == "raw.orders: the run was stopped in phase 'start'\nNothing was changed in raw.orders."


def test_a_long_line_is_cut_in_an_error():
    result = ChildResult("silent", {}, 1, stopped=False, phase="import", tail=("x" * 5000,))
    said = str(explain_failure(result, "a", Path("a.py"), Requirements()))
    assert "x" * 1000 + " …" in said
    assert "x" * 1001 not in said


LIBRARY = """
    import json

    def parse(text):
        return json.loads(text)

    def materialize():
        print("half of it")
        try:
            parse("{")
        except ValueError as error:
            raise RuntimeError("no orders today") from error
    """


def test_the_error_has_the_assets_own_frames_and_the_log_has_all(run, plain_environment, records):
    said = run.failure(plain_environment, LIBRARY)

    places = re.findall(r'File "(.+?)", line (\d+), in (\w+)', said)
    own, place = str(run.file), [(file, int(line), name) for file, line, name in places]
    assert place[:2] == [(own, 10, "materialize"), (own, 5, "parse")]
    assert place[2][0].endswith("decoder.py")
    assert place[3:] == [(own, 12, "materialize")]
    assert "RuntimeError: no orders today\nIts last output:\n  half of it\nIts peak memory was " in said
    errors = [text for level, text in records.lines if level == "ERROR"]
    assert errors[0] == "Traceback (most recent call last):"
    assert sum("json/__init__.py" in line for line in errors) == 1
    assert "json/__init__.py" not in said


def test_an_error_has_in_fields_what_it_says(run, plain_environment):
    lock = plain_environment.path / "requirements.lock"
    result = run(plain_environment, "def materialize():\n    print('reading')\n    return int('x')\n")
    error = explain_failure(result, "raw.orders", run.file, Requirements(), "raw.orders", environment=lock)

    assert (error.phase, error.unchanged, error.kinds[0]) == ("materialize", "raw.orders", "ValueError")
    assert error.ending.cause == "ValueError: invalid literal for int() with base 10: 'x'"
    assert error.ending.traceback.startswith("Traceback (most recent call last):\n")
    assert error.ending.output == ("reading",)
    assert error.ending.peak_memory_bytes == result.peak_bytes > 1e6
    assert error.ending.environment == str(lock)
    assert f" MB. Its environment is locked in {lock}.\nNothing was changed" in str(error)
