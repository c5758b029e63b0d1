from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk.api.datamodels._generated import AssetEventResponse, AssetResponse, DagRunAssetReference

from airflow_materialize.dag.events import last_consumed


def day(number: int) -> datetime:
    return datetime(2026, 4, number, tzinfo=UTC)


def event(number: int, **states: str) -> AssetEventResponse:
    """An event of a day with the DAG runs that it started, as Airflow hands it to a task: run of a DAG → its state."""
    runs = [
        DagRunAssetReference(
            run_id=f"run_{number}",
            dag_id=dag_id,
            logical_date=None,
            start_date=day(number),
            end_date=None,
            state=state,
            data_interval_start=None,
            data_interval_end=None,
            partition_key=None,
        )
        for dag_id, state in states.items()
    ]
    asset = AssetResponse(name="a", uri="s3://a", group="asset")
    return AssetEventResponse(id=number, timestamp=day(number), asset=asset, created_dagruns=runs)


def test_the_last_consumed_event_is_the_newest_of_which_this_dag_made_a_run_that_succeeded():
    events = [event(3, sales="success"), event(1, sales="success"), event(5, sales="failed"), event(6, other="success")]
    assert last_consumed([*events, event(7)], "sales", but="run_8") == day(3)


def test_the_run_that_asks_does_not_count():
    assert last_consumed([event(1, sales="success"), event(2, sales="success")], "sales", but="run_2") == day(1)


def test_where_no_run_has_succeeded_nothing_was_consumed():
    assert last_consumed([event(1, sales="failed")], "sales", but="run_2") is None
    assert last_consumed([], "sales", but="run_2") is None
