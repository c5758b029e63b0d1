from __future__ import annotations

import pytest

from airflow_materialize.errors import AssetError, Problem


def problem(line=2, column=1, excerpt="owner: x", **more):
    return Problem("a.py", line, column, "owner", "wrong", "right", code="AM101", excerpt=excerpt, **more)


def test_a_problem_is_one_line_and_its_explanation_shows_the_line_of_the_file():
    assert str(problem()) == "a.py:2:1: owner: wrong (right)"
    assert problem(column=8).explain() == (
        "a.py:2:1: owner: wrong (right) [AM101]\n    2 | owner: x\n      |        ^".replace(":2:1:", ":2:8:")
    )


@pytest.mark.parametrize(
    ("excerpt", "column", "shown", "caret"),
    [
        ("\ttabs:\tx", 2, " tabs: x", 1),
        ("short", 99, "short", 5),
        ("short", 0, "short", 0),
        ("a" * 120, 120, "a" * 120, 119),
        ("a" * 300, 1, "a" * 120 + "…", 0),
        ("a" * 300, 200, "…" + "a" * 120 + "…", 61),
        ("a" * 300, 300, "…" + "a" * 61, 61),
        ("caf\udce9 \x1b[31mred", 6, "caf   [31mred", 5),
    ],
)
def test_the_caret_stands_below_the_column(excerpt, column, shown, caret):
    _, line, mark = problem(column=column, excerpt=excerpt).explain().split("\n")
    assert line == f"    2 | {shown}"
    assert mark == f"      | {' ' * caret}^"


@pytest.mark.parametrize("without", [{"excerpt": ""}, {"excerpt": "  "}, {"line": 0}])
def test_without_a_line_to_show_the_explanation_is_the_sentence(without):
    assert "\n" not in problem(**without).explain()


def test_what_a_terminal_would_obey_is_shown_as_an_escape():
    odd = Problem("a\nb\udce9.py", 0, 0, "", "one\ntwo\x1b[2J", "three\u202e")
    assert str(odd) == "a\\nb\\udce9.py: one\ntwo\\x1b[2J (three\\u202e)"
    assert str(odd).encode()


def test_code_and_line_take_no_part_in_comparison():
    assert problem() == Problem("a.py", 2, 1, "owner", "wrong", "right")
    assert len({problem(), problem(excerpt="else")}) == 1


def test_an_error_tells_all_problems_with_their_lines():
    error = AssetError([problem(), problem(line=3, excerpt="tier: 9")], unchanged="raw.orders")
    assert str(error).splitlines() == [
        "a.py:2:1: owner: wrong (right) [AM101]",
        "    2 | owner: x",
        "      | ^",
        "a.py:3:1: owner: wrong (right) [AM101]",
        "    3 | tier: 9",
        "      | ^",
        "Nothing was changed in raw.orders.",
    ]
