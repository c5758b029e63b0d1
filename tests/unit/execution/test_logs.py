from __future__ import annotations

import logging
import os

import pytest

from airflow_materialize.execution.logs import LINE_LIMIT, TAIL_LINES, OutputLog, Redactor


@pytest.fixture
def output(log):
    """Make an OutputLog whose records are kept."""

    def make(*secrets: str) -> OutputLog:
        return OutputLog(log, Redactor(secrets))

    return make


def test_stdout_is_information_and_stderr_a_warning(output, records):
    log = output()
    log.feed("stdout", b"loading\n")
    log.feed("stderr", b"slow\n")
    assert records.lines == [("INFO", "loading"), ("WARNING", "slow")]


def test_a_line_is_logged_once_it_is_complete_whatever_the_pieces(output, records):
    log = output()
    for byte in "größe: 3 €\r\n".encode():
        assert records.lines == []
        log.feed("stdout", bytes([byte]))
    assert records.lines == [("INFO", "größe: 3 €")]


def test_a_last_line_without_its_end_is_logged_at_the_close(output, records):
    log = output()
    log.feed("stdout", b"one\ntwo")
    log.close()
    log.close()
    assert [text for _, text in records.lines] == ["one", "two"]


def test_an_empty_line_stays(output, records):
    output().feed("stdout", b"\na\n\n")
    assert [text for _, text in records.lines] == ["", "a", ""]


def test_a_message_keeps_its_level_and_its_logger(output, records):
    log = output()
    log.message(logging.ERROR, "app.http", "gave up")
    log.message(logging.DEBUG, "root", "100 % done")
    assert records.lines == [("ERROR", "app.http: gave up"), ("DEBUG", "100 % done")]


def test_bytes_that_are_no_text_are_replaced(output, records):
    output().feed("stdout", b"a\xff\xfe\n")
    assert records.lines == [("INFO", "a\ufffd\ufffd")]


def test_of_a_progress_bar_the_last_state_is_logged(output, records):
    log = output()
    for percent in range(101):
        log.feed("stderr", b"\r%d%%" % percent)
    log.feed("stderr", b"\n")
    assert records.lines == [("WARNING", "100%")]


def test_a_progress_bar_of_megabytes_is_bounded_and_shows_its_last_state(output, records):
    log = output()
    for percent in range(20_000):
        log.feed("stderr", b"\r%100d%%" % percent)
    log.feed("stderr", b"\n")
    assert records.lines == [("WARNING", "19999%".rjust(101))]


def test_a_long_line_is_cut_and_says_how_long_it_was(output, records):
    log = output()
    for _ in range(5):
        log.feed("stdout", b"x" * 1_000_000)
    log.feed("stdout", b"\nnext\n")
    cut, following = (text for _, text in records.lines)
    assert cut == "x" * LINE_LIMIT + " … (cut; a line of 5,000,000 bytes)"
    assert following == "next"


def test_the_tail_keeps_the_last_lines(output):
    log = output()
    log.feed("stdout", b"".join(b"%d\n" % n for n in range(80)))
    assert list(log.tail) == [str(n) for n in range(80 - TAIL_LINES, 80)]


def test_a_secret_is_masked_also_when_it_is_written_in_parts(output, records):
    log = output("hunter22")
    log.feed("stdout", b"key=hun")
    log.feed("stdout", b"ter22, bye\n")
    log.message(logging.INFO, "", "again hunter22")
    assert [text for _, text in records.lines] == ["key=***, bye", "again ***"]
    assert list(log.tail) == ["key=***, bye", "again ***"]


def test_a_secret_at_the_cut_of_a_long_line_leaves_no_part(output, records):
    log = output("hunter22")
    log.feed("stdout", b"x" * (LINE_LIMIT - 3) + b"hunter22" + b"y" * 100 + b"\n")
    assert records.lines[0][1].startswith("x" * (LINE_LIMIT - 3) + "***")
    assert "hun" not in records.lines[0][1]


@pytest.mark.parametrize("shown", ["p@ss/wörd", "p%40ss%2Fw%C3%B6rd", "p@ss/w\\u00f6rd"])
def test_a_secret_is_masked_in_the_forms_of_urls_and_json(shown):
    assert Redactor(["p@ss/wörd"])(f"<{shown}>") == "<***>"


def test_of_a_secret_with_several_lines_each_is_masked():
    assert Redactor(["BEGIN KEY\nabcdef\n--"])("abcdef -- BEGIN KEY") == "*** -- ***"


def test_the_longer_of_two_secrets_is_masked_whole():
    assert Redactor(["token", "token-long"])("token-long token") == "*** ***"


def test_without_secrets_text_stays():
    assert Redactor(["", "abc"])("abc") == "abc"


def test_the_lines_of_a_traceback_are_errors_and_those_around_it_are_not(output, records):
    output().feed(
        "stderr",
        b'careful\nTraceback (most recent call last):\n  File "a.py", line 1, in <module>\n    1 / 0\n'
        b"ZeroDivisionError: division by zero\nwent on\n",
    )
    assert [level for level, _ in records.lines] == ["WARNING", *["ERROR"] * 4, "WARNING"]


@pytest.mark.parametrize(
    ("level", "name"),
    [(25, "INFO"), (5, "DEBUG"), (-1, "DEBUG"), (99, "CRITICAL"), (39, "WARNING"), (10**300, "CRITICAL")],
)
def test_a_level_of_its_own_is_logged_as_the_standard_one_below_it(output, records, level, name):
    output().message(level, "app", "said")
    assert records.lines == [(name, "app: said")]


def test_what_would_move_a_cursor_or_turn_a_line_around_is_spelled_out_and_colours_stay(output, records):
    log = output()
    log.feed("stdout", "\x1b[31mred\x1b[0m\tand \x1b[2Jgone \x1b]52;c;eA==\a \x00 \u202eback\n".encode())
    log.message(logging.INFO, "", "\x1b[1A\x9b1A")
    assert records.texts == [
        "\x1b[31mred\x1b[0m\tand \\x1b[2Jgone \\x1b]52;c;eA==\\x07 \\x00 \\u202eback",
        "\\x1b[1A\\x9b1A",
    ]
    assert list(log.tail) == records.texts


def test_half_a_character_is_spelled_out(output, records):
    output().message(logging.INFO, "", os.fsdecode(b"caf\xe9.csv") + " \ud800")
    assert records.texts == ["caf\\udce9.csv \\ud800"]


def test_each_line_of_a_message_is_a_record_of_its_level(output, records):
    output("begin\nsecret").message(logging.ERROR, "app", "one begin\nsecret\ntwo")
    assert records.lines == [("ERROR", "app: one ***"), ("ERROR", "***"), ("ERROR", "two")]


def test_what_is_printed_beyond_all_measure_is_counted_and_not_logged(output, records, monkeypatch):
    monkeypatch.setattr("airflow_materialize.execution.logs.MOST_BYTES", 1_000)
    log = output()
    log.feed("stdout", b"x\n" * 100)
    log.close()
    assert records.texts == [*["x"] * 9, "… 91 more lines are not logged: the limit is 0 MiB"]
    assert list(log.tail) == ["x"] * TAIL_LINES
