from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from airflow_materialize.destinations.discretion import RepeatableError
from airflow_materialize.errors import MaterializeError, TransientError
from airflow_materialize.load.ledger import TABLE, Attempt, last_load
from airflow_materialize.load.loader import already_loaded

EARLIER = Attempt("01920000-0000-7000-8000-000000000001", 1)
RETRY = Attempt("01930000-0000-7000-8000-000000000001", 2)
CLEARED = Attempt("01940000-0000-7000-8000-000000000001", 1)

STRATEGIES = [
    ("create+replace", {}),
    ("append", {}),
    ("delete+insert", {"incremental_key": "id"}),
    ("merge", {"columns": [{"name": "id", "primary_key": True}]}),
    ("truncate+insert", {}),
    ("scd2_by_column", {"columns": [{"name": "id", "primary_key": True}]}),
]


@pytest.mark.parametrize(("strategy", "options"), STRATEGIES)
def test_a_retry_on_the_same_file_changes_nothing(warehouse, strategy, options):
    plan, file = warehouse.plan(strategy, **options), warehouse.stage({"id": [1, 2]})
    first = warehouse.load(file, plan=plan)
    again = warehouse.load(file, plan=plan, attempt=RETRY)
    assert (first.outcome, again.outcome, again.materialized) == ("loaded", "already_loaded", False)
    assert (again.rows_in, again.rows_inserted, again.rows_total) == (2, 2, 2)
    assert warehouse.rows(columns="id") == [(1,), (2,)]


def test_the_ledger_is_found_without_the_file(warehouse):
    plan, file = warehouse.plan("append"), warehouse.stage({"id": [1, 2]})
    assert already_loaded(warehouse.destination, plan, file.id, file.sha256) is None
    warehouse.load(file, plan=plan)
    assert already_loaded(warehouse.destination, plan, file.id, file.sha256).rows_in == 2
    assert already_loaded(warehouse.destination, plan, "another", file.sha256) is None
    assert already_loaded(warehouse.destination, plan, file.id, "0" * 64) is None
    warehouse.run("DROP TABLE {t}")
    assert already_loaded(warehouse.destination, plan, file.id, file.sha256) is None


def test_the_last_load_that_a_table_holds_is_found_by_who_only_reads(warehouse, between):
    def newest():
        with warehouse.destination.session(read_only=True) as session:
            return last_load(session, warehouse.table())

    assert newest() is None
    warehouse.load({"id": [1]}, "append", run="first", interval=between("2026-04-01", "2026-04-02"))
    warehouse.load({"id": [2, 3]}, "append", run="second", interval=between("2026-04-02", "2026-04-03"))
    figures = newest().figures()
    committed = datetime.fromisoformat(figures.pop("committed_at"))
    assert abs(datetime.now(UTC).replace(tzinfo=None) - committed) < timedelta(minutes=5)
    assert figures == {
        "run_id": "second",
        "strategy": "append",
        "interval_start": "2026-04-02T00:00:00",
        "interval_end": "2026-04-03T00:00:00",
        "rows_in": 2,
        "rows_inserted": 2,
        "rows_updated": 0,
        "rows_deleted": 0,
    }
    warehouse.run("DROP TABLE {t}")
    assert newest() is None


@pytest.mark.parametrize(("strategy", "options"), STRATEGIES)
def test_a_new_attempt_of_run_applies_again(warehouse, strategy, options):
    if strategy == "append":
        options = {"columns": ["id", {"name": "_materialize_load_key", "type": "varchar"}]}
    plan = warehouse.plan(strategy, **options)
    warehouse.load({"id": [7]}, strategy, run="another", **options)
    warehouse.load({"id": [1, 2]}, plan=plan)
    report = warehouse.load({"id": [1, 3]}, plan=plan, attempt=CLEARED)
    expected = {
        "create+replace": [1, 3],
        "append": [1, 3, 7],
        "delete+insert": [1, 2, 3, 7],
        "merge": [1, 2, 3, 7],
        "truncate+insert": [1, 3],
        "scd2_by_column": [1, 2, 3, 7],
    }
    assert [number for (number,) in warehouse.rows(columns="id")] == expected[strategy]
    assert report.outcome == "loaded"


def test_append_without_the_load_key_fails_for_a_new_attempt_and_says_so(warehouse):
    plan = warehouse.plan("append", run="scheduled__2026")
    warehouse.load({"id": [1, 2]}, plan=plan)
    with pytest.raises(MaterializeError) as caught:
        warehouse.load({"id": [1, 2]}, plan=plan, attempt=CLEARED)
    text = str(caught.value)
    assert "DAG run scheduled__2026 has already appended 2 rows to raw.orders" in text
    assert "_materialize_load_key" in text
    assert text.endswith("Nothing was changed in raw.orders.")
    assert warehouse.rows() == [(1,), (2,)]


def test_a_load_that_appended_no_rows_may_be_repeated(warehouse):
    plan = warehouse.plan("append")
    warehouse.load({"id": pa.array([], pa.int64())}, plan=plan)
    warehouse.load({"id": [1]}, plan=plan, attempt=CLEARED)
    assert warehouse.rows() == [(1,)]


def test_the_load_key_names_the_load_of_each_row(warehouse):
    columns = ["id", {"name": "_materialize_load_key", "type": "varchar"}]
    first, second = (warehouse.plan("append", run=run, columns=columns) for run in ("one", "two"))
    warehouse.load({"id": [1]}, plan=first)
    warehouse.load({"id": [2]}, plan=second)
    assert warehouse.rows() == [(1, first.load_key), (2, second.load_key)]
    with pytest.raises(MaterializeError, match="which the load fills"):
        warehouse.load({"id": [1], "_materialize_load_key": ["x"]}, plan=first, attempt=CLEARED)


@pytest.mark.parametrize(("strategy", "options"), STRATEGIES)
def test_an_older_attempt_never_overwrites_a_newer_one(warehouse, strategy, options):
    plan = warehouse.plan(strategy, **options)
    warehouse.load({"id": [1]}, plan=plan, attempt=RETRY)
    for older in (EARLIER, Attempt(RETRY.id, 1)):
        with pytest.raises(MaterializeError, match="is superseded by a newer one") as caught:
            warehouse.load({"id": [2]}, plan=plan, attempt=older)
        assert not isinstance(caught.value, TransientError)
    assert warehouse.rows(columns="id") == [(1,)]


def test_a_ledger_row_counts_for_nothing_once_its_table_is_gone(warehouse):
    plan, file = warehouse.plan("append"), warehouse.stage({"id": [1, 2]})
    warehouse.load(file, plan=plan)
    warehouse.load({"id": [3]}, "append", run="another")
    warehouse.run("DROP TABLE {t}")
    report = warehouse.load(file, plan=plan)
    assert report.outcome == "loaded"
    assert warehouse.rows() == [(1,), (2,)]
    assert len(warehouse.ledger()) == 1


@pytest.mark.parametrize("run_type", ["scheduled", "backfill", "asset_triggered"])
def test_an_older_interval_does_not_replace_a_newer_one(warehouse, between, run_type):
    warehouse.load({"id": [2]}, interval=between("2026-04-02", "2026-04-03"), run_type=run_type)
    report = warehouse.load({"id": [1]}, interval=between("2026-04-01", "2026-04-02"), run_type=run_type)
    assert (report.outcome, report.materialized) == ("superseded", False)
    assert warehouse.rows() == [(2,)]
    same = warehouse.load({"id": [3]}, interval=between("2026-04-02", "2026-04-03"), run_type=run_type)
    assert same.outcome == "loaded"


def test_a_manual_replacement_is_never_refused(warehouse, between):
    warehouse.load({"id": [2]}, interval=between("2026-04-02", "2026-04-03"), run_type="scheduled")
    assert warehouse.load({"id": [1]}, interval=between("2026-04-01", "2026-04-02")).outcome == "loaded"
    assert warehouse.rows() == [(1,)]


@pytest.mark.parametrize(("strategy", "options"), STRATEGIES[1:4])
def test_other_strategies_take_intervals_in_any_order(warehouse, between, strategy, options):
    warehouse.load({"id": [2]}, strategy, interval=between("2026-04-02", "2026-04-03"), run_type="backfill", **options)
    warehouse.load({"id": [1]}, strategy, interval=between("2026-04-01", "2026-04-02"), run_type="backfill", **options)
    assert warehouse.rows(columns="id") == [(1,), (2,)]
    assert not any("overlap" in sentence for sentence in warehouse.said)
    warehouse.load({"id": [3]}, strategy, interval=between("2026-04-01", "2026-04-03"), run_type="backfill", **options)
    overlap = any("the last commit wins" in sentence for sentence in warehouse.said)
    assert overlap == (strategy != "append")


def test_loads_of_intervals_that_overlap_are_counted(warehouse, between):
    options = {"incremental_key": "id"}
    for start, end in (("01", "02"), ("02", "03"), ("02", "04"), ("01", "03")):
        interval = between(f"2026-04-{start}", f"2026-04-{end}")
        warehouse.load({"id": [1]}, "delete+insert", interval=interval, **options)
    table = warehouse.table()
    assert [sentence for sentence in warehouse.said if "overlap" in sentence] == [
        f"{table}: 1 load has an interval that overlaps this one's; the last commit wins",
        f"{table}: 3 loads have intervals that overlap this one's; the last commit wins",
    ]


def test_the_ledger_row_says_what_was_loaded(warehouse, between, first_attempt):
    plan = warehouse.plan("append", run="r", interval=between("2026-04-01", "2026-04-02"), run_type="backfill")
    file = warehouse.stage({"id": [1, 2]})
    warehouse.load(file, plan=plan)
    [row] = warehouse.ledger(
        "load_key, asset, target, strategy, dag_id, run_id, run_type, map_index, attempt_id, try_number,"
        " staged_file, sha256, rows_in, rows_deleted, rows_updated, rows_inserted,"
        " CAST(interval_start AS VARCHAR), CAST(interval_end AS VARCHAR)"
    )
    assert row[:10] == (
        plan.load_key,
        "raw.orders",
        "raw.orders",
        "append",
        "sales",
        "r",
        "backfill",
        -1,
        *first_attempt,
    )
    assert row[10:16] == (file.id, file.sha256, 2, 0, 0, 2)
    assert [text[:19] for text in row[16:]] == ["2026-04-01 00:00:00", "2026-04-02 00:00:00"]


def test_the_loads_of_a_table_are_found_by_an_index_of_the_ledger(warehouse):
    warehouse.load({"id": [1]})
    ledger = replace(warehouse.table("raw.orders"), name=TABLE)
    with warehouse.destination.session(read_only=True) as session:
        assert session.has_unique_index(ledger, ["target", "load_key"])
        assert session.has_unique_index(ledger, ["load_key"])


def test_a_ledger_that_is_not_ours_is_refused(warehouse):
    name = warehouse.ledger_name
    if warehouse.destination.capabilities.schemas:
        warehouse.run("CREATE SCHEMA raw")
    warehouse.run(f"CREATE TABLE {name} (load_key VARCHAR(64))")
    with pytest.raises(MaterializeError, match="The ledger .*_materialize_loads lacks the columns"):
        warehouse.load({"id": [1]})


def test_no_asset_bears_the_name_of_the_ledger(warehouse):
    name = warehouse.ledger_name
    with pytest.raises(MaterializeError, match="is the name of the ledger"):
        warehouse.load({"id": [1]}, name=name)


def commit_that(session_class, outcome, kind=TransientError):
    """Return a session class whose COMMIT loses its answer, after or before the database heard of it."""

    class Session(session_class):
        def commit(self):
            if outcome == "kept":
                super().commit()
            raise kind("the connection is gone")

    return Session


@pytest.mark.parametrize("outcome", ["kept", "lost"])
def test_the_ledger_settles_a_commit_whose_answer_is_lost(warehouse, monkeypatch, outcome):
    destination, plan, file = warehouse.destination, warehouse.plan("append"), warehouse.stage({"id": [1]})
    opened = destination.session

    @contextmanager
    def session(*, read_only=False, **arguments):
        with opened(read_only=read_only, **arguments) as real:
            if not read_only:
                real.__class__ = commit_that(type(real), outcome)
            yield real

    monkeypatch.setattr(destination, "session", session)
    if outcome == "kept":
        assert warehouse.load(file, plan=plan).outcome == "loaded"
    else:
        with pytest.raises(TransientError, match="the connection is gone\nNothing was changed in raw.orders."):
            warehouse.load(file, plan=plan)
    monkeypatch.setattr(destination, "session", opened)
    assert (
        warehouse.load(file, plan=plan, attempt=RETRY).outcome == {"kept": "already_loaded", "lost": "loaded"}[outcome]
    )
    assert warehouse.rows() == [(1,)]


@pytest.mark.parametrize("outcome", ["kept", "lost"])
def test_a_load_goes_on_by_itself_where_the_answer_of_its_commit_is_lost(warehouse, monkeypatch, outcome):
    destination, opened, losses = warehouse.destination, warehouse.destination.session, iter([True])

    @contextmanager
    def session(*, read_only=False, **arguments):
        with opened(read_only=read_only, **arguments) as real:
            if not read_only and next(losses, False):
                real.__class__ = commit_that(type(real), outcome, RepeatableError)
            yield real

    monkeypatch.setattr(destination, "session", session)
    assert warehouse.load({"id": [1]}, "append").outcome == "loaded"
    assert any("done again" in sentence for sentence in warehouse.said) == (outcome == "lost")
    monkeypatch.setattr(destination, "session", opened)
    assert warehouse.rows() == [(1,)]


def test_a_destination_that_promises_less_refuses_to_append(warehouse, monkeypatch):
    weaker = replace(warehouse.destination.capabilities, guarantee="at_least_once")
    monkeypatch.setattr(warehouse.destination, "capabilities", weaker)
    with pytest.raises(MaterializeError, match="cannot promise that rows are appended exactly once"):
        warehouse.load({"id": [1]}, "append")
    warehouse.load({"id": [1]}, "append", guarantee="at_least_once")
    warehouse.load({"id": [1]})
