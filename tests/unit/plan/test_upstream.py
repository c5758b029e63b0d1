from __future__ import annotations

from itertools import product

import pytest

from airflow_materialize.plan.upstream import follow
from airflow_materialize.report import Skip

STATES = {"ran": None, "soft": Skip("soft", "no files"), "hard": Skip("hard", "no files", "raw.origin")}


@pytest.mark.parametrize("states", [states for count in (1, 2, 3) for states in product(STATES, repeat=count)])
def test_a_hard_skip_counts_for_more_than_a_run_and_a_run_for_more_than_a_soft_skip(states):
    found = follow({f"raw.{place}": STATES[state] for place, state in enumerate(states)})
    expected = "hard" if "hard" in states else "" if "ran" in states else "soft"
    assert (found.mode if found else "") == expected


def test_what_depends_on_nothing_is_never_skipped():
    assert follow({}) is None


def test_a_skip_names_the_assets_whose_code_said_so():
    hard = follow({"raw.b": Skip("hard", "no files"), "raw.a": Skip("hard", "no files", "raw.origin")})
    assert str(hard) == "skipped (hard) after raw.origin, raw.b: no files"
    many = follow({f"raw.{letter}": Skip("soft", f"no {letter}") for letter in "abcde"})
    assert str(many) == "skipped (soft) after raw.a, raw.b, raw.c …: each for a reason of its own"
