from __future__ import annotations

import sqlite3

import pytest

from airflow_materialize.destinations.discretion import PassingError, RepeatableError, StatementError
from airflow_materialize.destinations.generic.driver import Driver
from airflow_materialize.destinations.placeholders import positional, styled

STATEMENT = "SELECT '?', 'a%', ? AS \"b?\" -- ?\n, ?"


@pytest.mark.parametrize(("style", "expected"), [
    ("qmark", STATEMENT),
    ("format", "SELECT '?', 'a%%', %s AS \"b?\" -- ?\n, %s"),
    ("pyformat", "SELECT '?', 'a%%', %s AS \"b?\" -- ?\n, %s"),
    ("numeric", "SELECT '?', 'a%', :1 AS \"b?\" -- ?\n, :2"),
    ("named", "SELECT '?', 'a%', :p1 AS \"b?\" -- ?\n, :p2"),
])  # fmt: skip
def test_every_paramstyle_has_its_placeholders_outside_of_texts_names_and_comments(style, expected):
    assert styled(STATEMENT, style) == expected


@pytest.mark.parametrize("style", ["qmark", "named"])
def test_a_driver_takes_what_a_style_gives(style):
    driver = Driver("db", (sqlite3.Error,), style)
    row = sqlite3.connect(":memory:").execute(*driver.statement(STATEMENT, [7, "x"])).fetchone()
    assert row == ("?", "a%", 7, "x")


def test_names_become_places_where_there_is_a_value():
    assert positional("SELECT ':a', :a::int, :b, :a", {"a": 1}) == ("SELECT ':a', ?::int, :b, ?", [1, 1])


class OperationalError(Exception):
    pass


class CodedError(Exception):
    sqlstate = ""


@pytest.mark.parametrize(("error", "kind"), [
    (OperationalError("database is locked"), RepeatableError),
    (OperationalError("(1213, 'Deadlock found when trying to get lock')"), RepeatableError),
    (OperationalError("the connection was closed by the server"), RepeatableError),
    (OperationalError("query timed out"), PassingError),
    (OperationalError("no such table: orders"), StatementError),
    (ValueError("connection lost"), StatementError),
])  # fmt: skip
def test_an_error_without_a_code_is_read_by_its_words(error, kind):
    driver = Driver("db", (Exception,), "qmark")
    with pytest.raises(kind) as caught, driver.translated():
        raise error
    assert type(caught.value) is kind
    assert caught.value.brief == f"db refused a statement ({type(error).__name__})"


@pytest.mark.parametrize(("code", "kind"), [
    ("40001", RepeatableError), ("08006", RepeatableError), ("57014", PassingError), ("53300", PassingError),
    ("42P01", StatementError), ("23505", StatementError),
])  # fmt: skip
def test_an_error_with_a_code_is_read_by_its_code(code, kind):
    error = CodedError("deadlock")
    error.sqlstate = code
    with pytest.raises(kind) as caught, Driver("db", (Exception,), "qmark").translated():
        raise error
    assert type(caught.value) is kind
