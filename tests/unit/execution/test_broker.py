from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from airflow_materialize.execution.process import Child
from airflow_materialize.execution.queries.broker import Broker
from airflow_materialize.sdk.channel import Channel
from airflow_materialize.sdk.exceptions import QueryError
from airflow_materialize.sdk.wire import Message, receive, send

ENDLESS = "SELECT count(*) FROM range(10000000) a(x) JOIN range(10000000) b(y) ON a.x < b.y * 2 AND a.x % 7 = b.y % 11"


@pytest.fixture
def ask(run, plain_environment, lake, monkeypatch):
    """Runs the text of an asset in a process of its own, whose worker answers."""

    def ask(text, *, desk=None, **options):
        with Broker(desk or lake.desk(), lake.log) as broker:
            return run(plain_environment, text, broker=broker, bruin={"BRUIN_CONNECTION": "warehouse"}, **options)

    return ask


@pytest.fixture(autouse=True)
def _nothing_is_left():
    """After each test neither a thread nor a descriptor is left."""
    before = len([*Path("/proc/self/fd").iterdir()])
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "materialize-queries"] == []
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_an_asset_reads_the_warehouse_without_its_credential(ask, lake, records):
    text = """
        import os
        from bruin import query
        def materialize():
            print("BRUIN_CONNECTION_TYPES" in os.environ, [name for name in os.environ if name == "warehouse"])
            return query("SELECT id, country FROM raw.orders WHERE id > ? ORDER BY id", params=[2])
    """
    result = ask(text)
    assert not result.failed, result
    assert (result.outcome, result.body["rows"]) == ("staged", 2)
    assert ("INFO", "False []") in records.lines


def test_coroutines_and_threads_ask_as_all_else_does(ask, records):
    text = """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor
        from bruin import query

        def one(number):
            return query("SELECT ? AS x", params=[number])["x"][0].as_py()

        async def materialize():
            with ThreadPoolExecutor(4) as pool:
                loop = asyncio.get_running_loop()
                found = await asyncio.gather(*(loop.run_in_executor(pool, one, number) for number in range(12)))
            return {"x": [*found, one(12)]}
    """
    result = ask(text)
    assert not result.failed, records.lines
    assert result.body["rows"] == 13


def test_a_forked_process_is_told_to_ask_before_the_fork(ask, records):
    text = """
        import os, sys
        from bruin import query
        if os.fork() == 0:
            try:
                query("SELECT 1")
            except Exception as error:
                print(error)
            sys.stdout.flush()
            os._exit(0)
        os.wait()
        print(query("SELECT 7 AS x")["x"][0].as_py())
    """
    assert not ask(text, kind="script").failed
    assert "query first" in str(records.texts)
    assert ("INFO", "7") in records.lines


def test_what_an_asset_starts_does_not_inherit_the_line(ask, records):
    text = """
        import subprocess, sys
        from bruin import query
        query("SELECT 1")
        batches = query.arrow("SELECT 1 AS x", batches=1)
        code = "import os; print('open', sorted(fd for fd in map(int, os.listdir('/proc/self/fd')) if fd > 2)[:-1])"
        subprocess.run([sys.executable, "-c", code], close_fds=False)
    """
    assert not ask(text, kind="script").failed
    assert ("INFO", "open []") in records.lines


def test_a_child_that_is_killed_amid_a_statement_leaves_nothing(ask, lake, records):
    child = Child()

    def kill():
        while not lake.spool.exists() and "asking" not in records.texts:
            time.sleep(0.01)
        time.sleep(0.3)
        child.kill(grace_seconds=0.2)

    killer = threading.Thread(target=kill)
    killer.start()
    began = time.monotonic()
    text = f'from bruin import query\nprint("asking", flush=True)\nquery({ENDLESS!r})\n'
    result = ask(text, kind="script", child=child)
    killer.join()
    assert result.stopped
    assert time.monotonic() - began < 15
    assert not lake.spool.exists() or not list(lake.spool.iterdir())
    # The database is free again.
    lake.change("CREATE TABLE later AS SELECT 1")


def test_a_child_that_dies_amid_a_stream_leaves_nothing(ask, lake):
    text = """
        import os
        from bruin import query
        batches = query.arrow("SELECT * FROM range(1000000)", batches=1000)
        next(batches)
        os.kill(os.getpid(), 9)
    """
    assert ask(text, kind="script").exit_code == -9
    assert not list(lake.spool.iterdir())


def test_a_worker_that_stops_answering_is_an_exception_and_no_hang(lake, monkeypatch):
    broker = Broker(lake.desk(), lake.log)
    mine = socket.socket(fileno=os.dup(broker.descriptor))
    broker.begin()
    channel, failures = Channel(mine, ["warehouse"]), []

    def ask():
        try:
            channel.ask("query", sql=ENDLESS, connection="warehouse", whole=True)
        except QueryError as error:
            failures.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.5)
    began = time.monotonic()
    broker.__exit__()
    asking.join(10)
    assert time.monotonic() - began < 10
    assert len(failures) == 1
    with pytest.raises(QueryError):
        channel.ask("query", sql="SELECT 1", connection="warehouse", whole=True)
    mine.close()


def test_rows_that_were_handed_over_outlive_the_worker(lake):
    broker = Broker(lake.desk(), lake.log)
    mine = socket.socket(fileno=os.dup(broker.descriptor))
    broker.begin()
    rows = Channel(mine, ["warehouse"]).ask("query", sql="SELECT * FROM range(5)", connection="warehouse", whole=True)
    broker.__exit__()
    mine.close()
    assert rows.table().num_rows == 5


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (Message("query", {"sql": 7, "connection": "warehouse"}), "does not understand"),
        (Message("nonsense", {"connection": "warehouse"}), "does not understand"),
        (Message("query", {"sql": "SELECT 1", "connection": ["warehouse"]}), "may not use"),
        (Message("query", {"sql": "SELECT 1"}), "may not use"),
        (Message("query", {"sql": "SELECT ?", "connection": "warehouse", "params": 3}), "neither a list nor a dict"),
        (
            Message("query", {"sql": "SELECT ?", "connection": "warehouse", "params": {"placed": [{"code": "x"}]}}),
            "cannot be read",
        ),
        (Message("query", {"sql": " \n", "connection": "warehouse"}), "is empty"),
        (Message("relation", {"connection": "warehouse"}), "this is no relation"),
        (
            Message(
                "relation",
                {"connection": "warehouse", "relation": {"how": "ref", "table": "raw.orders", "steps": [["_nested"]]}},
            ),
            "is no step",
        ),
    ],
)
def test_a_question_in_another_form_is_refused_and_the_next_one_answered(lake, question, answer):
    with Broker(lake.desk(), lake.log) as broker, socket.socket(fileno=os.dup(broker.descriptor)) as mine:
        broker.begin()
        send(mine, question)
        assert answer in receive(mine).body["message"]
        rows = Channel(mine, ["warehouse"]).ask("query", sql="SELECT 1", connection="warehouse", whole=True)
        assert rows.table().num_rows == 1


def test_what_is_no_frame_ends_the_line_and_not_the_worker(lake, records):
    with Broker(lake.desk(), lake.log) as broker, socket.socket(fileno=os.dup(broker.descriptor)) as mine:
        broker.begin()
        mine.sendall(b"\xff" * 64)
        with suppress(ConnectionResetError):
            assert mine.recv(10) == b""
    assert "cannot be read" in str(records.texts)


def test_a_line_that_was_interrupted_gives_no_answer_of_another_question(lake, monkeypatch):
    with Broker(lake.desk(), lake.log) as broker, socket.socket(fileno=os.dup(broker.descriptor)) as mine:
        broker.begin()
        channel = Channel(mine, ["warehouse"])
        with monkeypatch.context() as patched:
            patched.setattr(
                "airflow_materialize.sdk.channel.receive", lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
            )
            with pytest.raises(KeyboardInterrupt):
                channel.ask("query", sql="SELECT 1", connection="warehouse", whole=True)
        with pytest.raises(QueryError, match="interrupted"):
            channel.ask("query", sql="SELECT 2", connection="warehouse", whole=True)


def test_an_asset_without_a_connection_is_told_to_name_one(run, plain_environment, records):
    text = """
        from bruin import query
        query("SELECT 1")
    """
    assert "the header names no connection" in run.failure(plain_environment, text, kind="script")
