"""A transaction that the database gave up, done again: as a whole, some times, with growing pauses."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from airflow_materialize.destinations.discretion import RepeatableError
from airflow_materialize.destinations.waiting import rest

if TYPE_CHECKING:
    from airflow_materialize.destinations.base import Progress

T = TypeVar("T")

TRIES = 9
"""How often a transaction is tried. With these pauses a server has half a minute to come back."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0


def again(work: Callable[[], T], say: Progress) -> T:
    """Do the work until the database lets it through.

    Pauses are random, so that two loads that were in each other's way do not meet again.

    Args:
        work: One transaction.
        say: Told of each failure.

    Raises:
        RepeatableError: It failed as often as it may.
    """
    pause = _FIRST_PAUSE
    for number in range(1, TRIES):
        try:
            return work()
        except RepeatableError as error:
            reason = error.brief or error.message.strip().splitlines()[0]
            say(f"{reason}; the whole transaction is done again ({number} of {TRIES - 1})")
        rest(pause * random.uniform(0.5, 1.5))  # noqa: S311  # nothing is guarded by it
        pause = min(pause * 2, _LONGEST_PAUSE)
    return work()
