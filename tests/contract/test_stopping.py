"""A load or a check ends when it is told to, whatever its statement does, and leaves the table as it was."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_materialize.destinations.base import Session
from airflow_materialize.destinations.stopping import Stop, limited, stoppable
from airflow_materialize.errors import MaterializeError, TransientError

NUMBERS = {"x": list(range(1000))}
ENDLESS = "SELECT sum((a.x * b.x + c.x * d.x) % 7 + e.x) FROM {n} a, {n} b, {n} c, {n} d, {n} e"


def endless(session: Session, warehouse: Any) -> None:
    session.rows(ENDLESS.format(n=session.name_of(warehouse.table("raw.numbers"))))


def while_it_runs(do: Callable[[], object]) -> None:
    threading.Timer(0.3, do).start()


def test_a_statement_that_runs_is_cancelled_from_another_thread(warehouse: Any) -> None:
    warehouse.load(NUMBERS, name="raw.numbers")
    with warehouse.destination.session(read_only=True) as session:
        while_it_runs(session.interrupt)
        with pytest.raises(TransientError):
            endless(session, warehouse)
        assert session.rows("SELECT 1") == [(1,)]


def test_an_interrupt_between_two_statements_hurts_neither(warehouse: Any) -> None:
    with warehouse.destination.session() as session:
        assert session.rows("SELECT 1") == [(1,)]
        session.interrupt()
        assert session.rows("SELECT 2") == [(2,)]


def test_a_load_that_takes_too_long_is_taken_back_and_says_so(warehouse: Any) -> None:
    warehouse.load(NUMBERS, name="raw.numbers")
    warehouse.load(NUMBERS)

    def never_ends(session: Session, _table: object) -> None:
        endless(session, warehouse)

    with pytest.raises(MaterializeError) as failed, limited("load of raw.orders", 0.5):
        warehouse.load({"x": [-1]}, before_commit=never_ends)
    assert str(failed.value) == (
        "The load of raw.orders was stopped: it took longer than 0.5 s\n"
        "Hint: look for what holds the table; Airflow's execution_timeout, in the default_args of asset_dags, "
        "allows another time\n"
        "Nothing was changed in raw.orders."
    )
    assert not isinstance(failed.value, TransientError)
    assert warehouse.rows(columns="count(*), min(x)") == [(1000, 0)]
    warehouse.load({"x": [-1]})
    assert warehouse.rows() == [(-1,)]


def test_a_signal_ends_a_statement_before_its_handler_can_run(warehouse: Any) -> None:
    warehouse.load(NUMBERS, name="raw.numbers")
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    try:
        while_it_runs(lambda: os.kill(os.getpid(), signal.SIGTERM))
        with (
            pytest.raises(TransientError, match=r"^The check of raw\.orders was stopped: it was asked to end$"),
            limited("check of raw.orders", 60),
            warehouse.destination.session(read_only=True) as session,
        ):
            endless(session, warehouse)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


def test_who_waits_for_another_load_can_be_stopped(warehouse: Any) -> None:
    warehouse.load(NUMBERS)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with warehouse.destination.session() as session, session.transaction():
            session.execute(f"DELETE FROM {session.name_of(warehouse.table())}")
            held.set()
            done.wait(30)
            raise KeyboardInterrupt

    def quietly() -> None:
        with pytest.raises(KeyboardInterrupt):
            hold()

    thread = threading.Thread(target=quietly)
    thread.start()
    assert held.wait(30)
    try:
        with pytest.raises(MaterializeError, match="it took longer than 0.5 s"), limited("load of raw.orders", 0.5):
            warehouse.load({"x": [-1]})
    finally:
        done.set()
        thread.join()
    assert warehouse.rows(columns="count(*)") == [(1000,)]


def test_what_is_about_to_be_committed_is_committed(warehouse: Any) -> None:
    stop = Stop()

    def late(session: Session, _table: object) -> None:
        commit = session.commit

        def slow_commit() -> None:
            stop.ask("too late")
            stop.interrupt()
            commit()

        session.commit = slow_commit  # type: ignore[method-assign]

    with stoppable(stop):
        report = warehouse.load({"x": [1]}, before_commit=late)
    assert (report.outcome, stop.reason) == ("loaded", "")
    assert warehouse.rows() == [(1,)]


def test_who_is_asked_before_commit_commits_nothing(warehouse: Any) -> None:
    warehouse.load({"x": [1]})
    stop = Stop()
    with pytest.raises(TransientError, match="stopped before COMMIT: enough"), stoppable(stop):
        warehouse.load({"x": [2]}, before_commit=lambda *_: stop.ask("enough"))
    assert warehouse.rows() == [(1,)]


def test_work_that_ends_in_time_leaves_no_thread_and_no_descriptor() -> None:
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208  # a count
    for _ in range(3):
        with limited("load of raw.orders", 60):
            time.sleep(0.01)
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == (before, threads)  # noqa: PTH208
    assert signal.set_wakeup_fd(-1) == -1
