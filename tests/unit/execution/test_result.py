from __future__ import annotations

import pytest

from airflow_materialize.execution.containment import End
from airflow_materialize.execution.logs import OutputLog, Redactor
from airflow_materialize.execution.result import ChildResult, Conversation
from airflow_materialize.sdk.wire import Message


@pytest.fixture
def seen():
    return []


@pytest.fixture
def conversation(log, seen):
    return Conversation(OutputLog(log, Redactor()), lambda rows, size: seen.append((rows, size)))


def test_progress_is_passed_on(conversation, seen):
    conversation.hear(Message("progress", {"rows": 10, "bytes": 80}))
    assert seen == [(10, 80)]


@pytest.mark.parametrize(
    "message",
    [
        Message("progress", {"rows": "many", "bytes": None}),
        Message("progress"),
        Message("news", {"a": 1}),
        Message("query", {}, b"select"),
    ],
)
def test_what_makes_no_sense_changes_nothing(conversation, seen, message):
    conversation.hear(message)
    assert seen == []
    assert conversation.result(End(0, 0), stopped=False).outcome == "silent"


@pytest.mark.parametrize(("level", "expected"), [("ERROR", "ERROR"), (30, "WARNING"), ("LOUD", "INFO"), (None, "INFO")])
def test_a_record_of_an_unknown_level_is_information(conversation, records, level, expected):
    conversation.hear(Message("log", {"level": level, "name": "shop", "text": "hello"}))
    assert records.lines == [(expected, "shop: hello")]


def test_the_time_of_a_phase_that_comes_twice_adds_up(conversation):
    for name in ("import", "write", "import"):
        conversation.hear(Message("phase", {"name": name}))
    result = conversation.result(End(0, 0), stopped=False)
    assert list(result.seconds) == ["start", "import", "write"]
    assert result.phase == "import"


@pytest.mark.parametrize(
    ("outcome", "exit_code", "stopped", "failed"),
    [
        ("staged", 0, False, False),
        ("no_data", 0, False, False),
        ("done", 0, False, False),
        ("failure", 1, False, True),
        ("failure", 0, False, True),
        ("silent", 0, False, True),
        ("staged", 1, False, True),
        ("staged", -11, False, True),
        ("staged", 0, True, True),
    ],
)
def test_only_a_result_with_a_good_end_is_none_of_the_failures(outcome, exit_code, stopped, failed):
    assert ChildResult(outcome, {}, exit_code, stopped=stopped, phase="write").failed is failed
