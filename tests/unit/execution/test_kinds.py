"""What a rule for retries may name: how the process of an asset failed."""

from __future__ import annotations

import pytest

from airflow_materialize.execution.containment import Child
from airflow_materialize.execution.environments.requirements import Requirements
from airflow_materialize.execution.failure import explain_failure

NONE = Requirements()


@pytest.fixture
def kinds(run, plain_environment):
    """The kinds of the failure of a text."""

    def of(text, **options):
        result = run(plain_environment, text, **options)
        return explain_failure(result, "raw.orders", run.file, NONE, timeout="1s").kinds

    return of


def test_an_exception_is_named_with_its_bases_bare_and_dotted(kinds):
    text = """
    import json
    class Busy(json.JSONDecodeError, TimeoutError):
        class Nested(RuntimeError): pass
    def materialize():
        raise Busy.Nested("x")
    """
    assert kinds(text) == (
        *("Nested", "orders.Busy.Nested", "RuntimeError", "builtins.RuntimeError"),
        *("Exception", "builtins.Exception", "BaseException", "builtins.BaseException"),
    )
    assert {"JSONDecodeError", "json.decoder.JSONDecodeError", "ValueError"} <= set(
        kinds("import json\ndef materialize():\n    json.loads('{')\n")
    )


def test_too_much_memory_is_named_whoever_notices_it(kinds):
    assert "MemoryError" in kinds("def materialize():\n    raise MemoryError\n")
    assert kinds("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n") == ("SIGKILL", "MemoryError")


def test_other_ends_are_named_too(kinds):
    assert kinds("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n") == ("SIGSEGV",)
    assert kinds("import os\nos._exit(3)\n") == ("SystemExit",)
    assert "SystemExit" in kinds("import sys\nsys.exit(3)\n")
    stopped = Child()
    stopped.kill()
    assert kinds("", child=stopped) == ("Stopped",)
    assert kinds("import time\ntime.sleep(60)\n", timeout=1) == ("Timeout",)


def test_a_result_that_makes_no_table_is_named(kinds):
    assert "ResultError" in kinds("def materialize():\n    return 1\n")
