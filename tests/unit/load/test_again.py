from __future__ import annotations

import pytest

from airflow_materialize.destinations.discretion import PassingError, RepeatableError
from airflow_materialize.destinations.stopping import Stop, stoppable
from airflow_materialize.errors import TransientError
from airflow_materialize.load import again as module
from airflow_materialize.load.again import TRIES, again


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.0)


def failing(times, error):
    tries = []

    def work():
        tries.append(1)
        if len(tries) <= times:
            raise error
        return len(tries)

    return work


def test_what_the_database_gave_up_is_done_again_and_the_log_says_so():
    said = []
    assert again(failing(2, RepeatableError("deadlock detected\nDETAIL: secret")), said.append) == 3
    assert said == [
        f"deadlock detected; the whole transaction is done again ({number} of {TRIES - 1})" for number in (1, 2)
    ]


def test_it_ends_after_some_tries():
    work = failing(TRIES, RepeatableError("deadlock detected"))
    with pytest.raises(RepeatableError, match="deadlock detected"):
        again(work, [].append)
    assert work() == TRIES + 1


def test_what_may_pass_later_only_is_not_done_again():
    work = failing(1, PassingError("the disk is full"))
    with pytest.raises(PassingError):
        again(work, [].append)
    assert work() == 2


def test_who_is_told_to_stop_does_not_try_again(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE", 60.0)
    stop = Stop()
    stop.ask("it was asked to end")
    with stoppable(stop), pytest.raises(TransientError, match="nobody waits any longer"):
        again(failing(1, RepeatableError("deadlock detected")), [].append)
