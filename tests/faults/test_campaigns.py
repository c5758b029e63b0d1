"""A short run of each campaign; `make faults` runs the long one."""

from __future__ import annotations

import campaigns
import pytest

SEED = campaigns.seed_of_today()


def clean(verdicts):
    return verdicts.clean, verdicts.notes


@pytest.mark.parametrize("strategy", campaigns.OPTIONS)
def test_a_load_that_is_killed_at_any_boundary_or_moment_and_retried_is_exact(place, strategy):
    assert clean(campaigns.kills(place, strategy, 24, SEED)) == (True, [])


@pytest.mark.parametrize("strategy", campaigns.OPTIONS)
def test_a_load_that_stood_still_never_overwrites_the_attempt_that_overtook_it(place, strategy):
    assert clean(campaigns.zombies(place, strategy, 12, SEED)) == (True, [])


def test_every_day_of_a_backfill_by_sixteen_writers_is_exact(place):
    assert clean(campaigns.intervals(place, 12, 16, SEED)) == (True, [])


def test_readers_never_see_a_table_missing_empty_or_mixed(place):
    assert clean(campaigns.reader(place, 15, SEED)) == (True, [])


def test_loads_of_all_strategies_at_once_are_what_their_commits_are_one_after_the_other(place):
    assert clean(campaigns.programs(place, 4, SEED)) == (True, [])


def test_one_load_that_is_started_several_times_at_once_is_applied_once(place):
    assert clean(campaigns.at_once(place, 3, SEED)) == (True, [])
