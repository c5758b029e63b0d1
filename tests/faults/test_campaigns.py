"""A short run of each campaign; `make faults` runs the long one."""

from __future__ import annotations

import campaigns
import files
import outages
import pytest
from databases import SERVERS, missing
from places import place_of
from proxy import breaking
from servers import own_server
from swaps import swaps

from airflow_materialize.destinations import MODULES

SEED = campaigns.seed_of_today()


def found(verdicts):
    return verdicts.clean, verdicts.notes


NOTHING = (True, [])


@pytest.mark.parametrize("strategy", campaigns.STRATEGIES)
def test_a_load_that_is_killed_at_any_boundary_or_moment_and_retried_is_exact(place, strategy):
    assert found(campaigns.kills(place, strategy, 16, SEED)) == NOTHING


@pytest.mark.parametrize("strategy", campaigns.REPLACING)
def test_a_killed_load_of_many_rows_into_duckdb_is_exact_too(make_place, strategy):
    place = make_place("duckdb")
    place.as_large = True
    assert found(campaigns.kills(place, strategy, 20, SEED)) == NOTHING


@pytest.mark.parametrize("strategy", campaigns.STRATEGIES)
def test_a_load_that_stood_still_never_overwrites_the_attempt_that_overtook_it(place, strategy):
    assert found(campaigns.zombies(place, strategy, 8, SEED)) == NOTHING


def test_the_first_load_of_a_database_may_be_killed_too(place):
    assert found(campaigns.first_loads(place, 12, SEED)) == NOTHING


def test_a_replacement_by_other_columns_that_is_killed_is_the_old_table_or_the_new_one(place):
    assert found(swaps(place, 12, SEED)) == NOTHING


def test_every_day_of_a_backfill_by_sixteen_writers_is_exact(place):
    assert found(campaigns.intervals(place, 12, 16, SEED)) == NOTHING


def test_readers_never_see_a_table_missing_empty_or_mixed(place):
    assert found(campaigns.reader(place, 15, SEED)) == NOTHING


def test_loads_of_all_strategies_at_once_are_what_their_commits_are_one_after_the_other(place):
    assert found(campaigns.programs(place, 4, SEED)) == NOTHING


def test_one_load_that_is_started_several_times_at_once_is_applied_once(place):
    assert found(campaigns.at_once(place, 3, SEED)) == NOTHING


@pytest.mark.parametrize("kind", sorted({*SERVERS} & {*MODULES}))
def test_a_load_whose_commit_is_never_answered_is_applied_once(make_place, kind):
    place = make_place(kind)
    with breaking(place.url) as proxy:
        assert found(outages.dropped_commits(place, proxy, 12, SEED)) == NOTHING


@pytest.mark.parametrize("kind", sorted({*SERVERS} & {*MODULES}))
def test_a_load_whose_server_is_killed_is_applied_once(nursery, tmp_path, kind):
    try:
        with own_server(kind, tmp_path) as server:
            place = place_of(kind, tmp_path, nursery, lambda _: server.url)
            assert found(outages.dead_servers(place, server, 4, SEED)) == NOTHING
    except FileNotFoundError as error:
        missing(f"not on this machine: {error}")


def test_a_staged_file_that_is_not_what_was_written_is_refused(tmp_path):
    assert found(files.mutations(tmp_path, 1000, SEED)) == NOTHING


def test_the_campaigns_notice_a_ledger_that_remembers_nothing(make_place):
    place = make_place("sqlite")
    place.without_ledger = True
    assert campaigns.kills(place, "append", 4, 1).doubled > 0
    # With this seed a load stands still before its transaction, and goes on with rows of keys that the newer one has too.
    assert campaigns.zombies(place, "delete+insert", 3, 6).stale > 0
