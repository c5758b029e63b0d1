from __future__ import annotations

import pytest

from airflow_materialize.destinations.placeholders import formatted


@pytest.mark.parametrize(("sql", "expected"), [
    ("SELECT ? + ?", "SELECT %s + %s"),
    ("SELECT '?', ?, 'it''s ?'", "SELECT '?', %s, 'it''s ?'"),
    ('SELECT "a?" FROM "b""?" WHERE c = ?', 'SELECT "a?" FROM "b""?" WHERE c = %s'),
    ("SELECT 1 % ? -- what?\n, ?", "SELECT 1 %% %s -- what?\n, %s"),
    ("SELECT /* ? */ ? LIKE '%?%'", "SELECT /* ? */ %s LIKE '%%?%%'"),
    ("SELECT $$ ? $$, $a$ ? $$ ? $a$, ?", "SELECT $$ ? $$, $a$ ? $$ ? $a$, %s"),
    (r"SELECT E'\'?', ?", r"SELECT E'\'?', %s"),
    (r"SELECT '\', ?", r"SELECT '\', %s"),
    ('SELECT "%s" = ?', 'SELECT "%%s" = %s'),
    ("SELECT :a, x::int", "SELECT :a, x::int"),
])  # fmt: skip
def test_placeholders_are_translated_and_nothing_else(sql, expected):
    assert formatted(sql) == expected


def test_names_are_placeholders_where_values_have_names():
    assert formatted("SELECT :a, x::int, ':b', :a, 1 % 2 ? 3", named=True) == (
        "SELECT %(a)s, x::int, ':b', %(a)s, 1 %% 2 ? 3"
    )


@pytest.mark.parametrize(("sql", "expected"), [
    (r"SELECT 'a\'?', ?", r"SELECT 'a\'?', %s"),
    (r'SELECT "a\"?", `b?`, ?', r'SELECT "a\"?", `b?`, %s'),
    ("SELECT 1 # ?\n, ?", "SELECT 1 # ?\n, %s"),
])  # fmt: skip
def test_a_backslash_escapes_where_the_database_says_so(sql, expected):
    assert formatted(sql, backslashes=True) == expected
