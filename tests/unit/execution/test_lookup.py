from __future__ import annotations

import os
import socket

import pytest

from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.queries.broker import Broker
from airflow_materialize.execution.queries.lookup import Lookup
from airflow_materialize.plan.upstream import Said, Upstream
from airflow_materialize.report import RunReport
from airflow_materialize.sdk.channel import Channel
from airflow_materialize.sdk.exceptions import QueryError

ASSET = {
    "name": "marts.report",
    "depends": ["raw.a", {"asset": "raw.seen", "mode": "symbolic"}],
    "materialization": {"type": "table"},
}


@pytest.fixture
def ask(lake):
    """Asks a worker that knows what one other asset said."""

    def last_load(connection):
        raise MaterializeError(f"{connection.conn_id} does not answer with hunter2-canary")

    def said(name):
        return Said(RunReport(name, "data", rows=3, metadata={"pages": 7})) if name == "raw.a" else None

    upstream = Upstream(frozenset({"raw.a", "raw.b"}), frozenset({"raw.a", "raw.b", "marts.report"}), said)
    lookup = Lookup(Asset.model_validate(ASSET), upstream, last_load)
    desk = lake.desk(secrets=["hunter2-canary"])
    with Broker(desk, lake.log, lookup) as broker, socket.socket(fileno=os.dup(broker.descriptor)) as mine:
        broker.begin()
        yield Channel(mine, ["warehouse"])


def test_what_another_asset_said_is_told_to_those_that_wait_for_it(ask):
    outcome = {"metadata": {"pages": 7}, "materialized": None, "rows": 3}
    assert ask.look_up("result_of", name="raw.a") == {"depends": True, "outcome": outcome}
    silent = "result_of('raw.b'): raw.b has said nothing in this run; with `default=…` that is no error"
    assert ask.look_up("result_of", name="raw.b") == {"depends": True, "message": silent}


@pytest.mark.parametrize("name", ["raw.seen", "marts.report", "raw.c" * 100])
def test_an_asset_that_is_not_waited_for_tells_nothing(ask, name):
    told = ask.look_up("result_of", name=name)
    assert told["depends"] is False
    assert "marts.report does not depend on it" in told["message"]


@pytest.mark.parametrize("name", [None, 1, ["raw.a"], {"a": 1}])
def test_a_question_in_another_form_is_refused_and_the_next_one_answered(ask, name):
    with pytest.raises(QueryError, match="does not understand"):
        ask.look_up("result_of", name=name)
    assert ask.look_up("result_of", name="raw.a")["depends"]
    rows = ask.ask("query", sql="SELECT 1", connection="warehouse", whole=True)
    assert rows.table().num_rows == 1


def test_a_database_that_does_not_answer_is_an_exception_without_a_secret(ask):
    with pytest.raises(QueryError) as caught:
        ask.look_up("last_load")
    assert str(caught.value) == "warehouse does not answer with ***"


def test_facts_are_no_rows_and_rows_no_facts(ask):
    with pytest.raises(QueryError, match="where rows were asked for"):
        ask.ask("result_of", name="raw.a")
    with pytest.raises(QueryError, match="where facts were asked for"):
        ask.look_up("query", sql="SELECT 1", connection="warehouse", whole=True)
