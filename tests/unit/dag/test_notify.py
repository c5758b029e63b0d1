"""Notifications reach real servers, and never stand in the way of a task."""

from __future__ import annotations

import email
import json
import logging
import socketserver
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.sdk.log import mask_secret

from airflow_materialize import asset_dags
from airflow_materialize.dag.notify import callbacks
from airflow_materialize.dag.schedule import schedule_for
from airflow_materialize.definition.model.notifications import Notifications
from airflow_materialize.definition.model.pipeline import Pipeline

SECRET = "hunter2-of-the-warehouse"


class Post(BaseHTTPRequestHandler):
    """Keeps what it is sent, and answers 404 to the path /gone."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.posts.append((self.path, dict(self.headers), body))
        self.send_response(404 if self.path.startswith("/gone") else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"ok": true}')

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    """A web server and what was posted to it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Post) as server:
        server.posts = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Mailbox(socketserver.StreamRequestHandler):
    """A mail server that takes everything."""

    def handle(self):
        self.wfile.write(b"220 mail\r\n")
        sink: list[str] | None = None
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            if sink is not None:
                if line == ".":
                    self.server.mails.append("\n".join(sink))
                    sink = None
                    self.wfile.write(b"250 ok\r\n")
                else:
                    sink.append(line)
            elif line.upper() == "DATA":
                sink = []
                self.wfile.write(b"354 go\r\n")
            elif line.upper() == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.server.envelope.append(line)
                self.wfile.write(b"250 ok\r\n")


@pytest.fixture
def mail():
    """A mail server, what it was told and the mails it took."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
        server.mails, server.envelope = [], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def connect(monkeypatch):
    """Declares a connection, as an administrator does."""

    def declare(name: str, **fields) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))

    return declare


PIPELINE = Pipeline(name="shop", schedule="daily")


def context_of(error: str = "") -> dict:
    """What Airflow hands to the callback of a task."""
    day = datetime(2026, 4, 1, tzinfo=UTC)
    run = SimpleNamespace(
        conf={}, data_interval_start=day, data_interval_end=datetime(2026, 4, 2, tzinfo=UTC), run_after=day
    )
    return {
        "dag": DAG("shop", schedule=schedule_for(PIPELINE)),
        "run_id": "scheduled__1",
        "dag_run": run,
        "ti": SimpleNamespace(log_url="http://airflow/dags/shop/runs/scheduled__1/tasks/raw__orders.load"),
        "exception": RuntimeError(error) if error else None,
    }


def tell(who: dict, context: dict, status: str = "failure", *, asset: str = "raw.orders", **pipeline) -> None:
    found = callbacks(
        Notifications.model_validate(who),
        PIPELINE.model_copy(update=pipeline),
        asset,
        "load" if asset else "",
    )
    found[f"on_{status}_callback"](context)


TEXT = (
    "raw.orders failed in load\n"
    "DAG: shop\n"
    "run: scheduled__1\n"
    "interval: 2026-04-01T00:00:00+00:00 to 2026-04-02T00:00:00+00:00\n"
    "error: {error}\n"
    "log: http://airflow/dags/shop/runs/scheduled__1/tasks/raw__orders.load"
)
HOSTILE = "{{ conn.warehouse.password }} <!channel> <b>&amp;</b> @everyone"


def address(server) -> dict:
    return {"host": "127.0.0.1", "port": server.server_address[1]}


def test_a_webhook_gets_what_happened_as_json_with_the_connections_credentials(web, connect):
    connect("hook", conn_type="http", **address(web), login="me", password="you-and-me")
    tell({"webhook": [{"connection": "hook"}]}, context_of("no space\nsecond line"))
    ((path, headers, body),) = web.posts
    assert path == "/"
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"].startswith("Basic ")
    assert json.loads(body) == {
        "status": "failure",
        "pipeline": "shop",
        "asset": "raw.orders",
        "step": "load",
        "dag_id": "shop",
        "run_id": "scheduled__1",
        "interval": "2026-04-01T00:00:00+00:00 to 2026-04-02T00:00:00+00:00",
        "error": "no space",
        "url": "http://airflow/dags/shop/runs/scheduled__1/tasks/raw__orders.load",
    }


def test_a_success_says_so_and_has_no_error(web, connect):
    connect("hook", conn_type="http", **address(web))
    tell({"webhook": [{"connection": "hook"}]}, context_of(), "success")
    body = json.loads(web.posts[0][2])
    assert (body["status"], body["asset"], body["error"]) == ("success", "raw.orders", None)


def test_a_dag_run_is_told_with_what_little_airflow_knows_of_it(web, connect, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/")
    connect("hook", conn_type="http", **address(web))
    context = {"dag": DAG("shop", schedule=None), "run_id": "manual__a/b", "reason": "task_failure"}
    tell({"webhook": [{"connection": "hook"}]}, context, asset="")
    body = json.loads(web.posts[0][2])
    assert (body["asset"], body["step"], body["interval"], body["error"]) == (None, None, None, "task_failure")
    assert body["url"] == "https://airflow.example/dags/shop/runs/manual__a/b"


def test_a_slack_channel_gets_a_message_that_calls_nobody(web, connect):
    base = f"http://127.0.0.1:{web.server_address[1]}/api/"
    connect("team_slack", conn_type="slack", password="xoxb-1", extra=json.dumps({"base_url": base}))
    who = {"slack": [{"channel": "#data"}]}
    tell(who, context_of(HOSTILE), default_connections={"slack": "team_slack"})
    ((path, headers, body),) = web.posts
    assert path == "/api/chat.postMessage"
    assert headers["Authorization"] == "Bearer xoxb-1"
    escaped = "{{ conn.warehouse.password }} &lt;!channel&gt; &lt;b&gt;&amp;amp;&lt;/b&gt; @everyone"
    sent = json.loads(body)
    assert (sent["channel"], sent["text"]) == ("#data", TEXT.format(error=escaped))


@pytest.mark.parametrize("own", ["own_slack", ""])
def test_a_slack_channel_has_its_own_connection_else_airflows_default(web, connect, own):
    base = f"http://127.0.0.1:{web.server_address[1]}/"
    connect(own or "slack_api_default", conn_type="slack", password="xoxb-2", extra=json.dumps({"base_url": base}))
    tell({"slack": [{"channel": "#data", "connection": own}]}, context_of("x"))
    assert web.posts[0][1]["Authorization"] == "Bearer xoxb-2"


def test_discord_gets_a_message_that_calls_nobody(web, connect):
    endpoint = {"webhook_endpoint": "webhooks/12/token-of-the-channel"}
    host = f"http://127.0.0.1:{web.server_address[1]}/api"
    connect("chat", conn_type="discord", host=host, extra=json.dumps(endpoint))
    tell({"discord": [{"connection": "chat"}]}, context_of(HOSTILE + "x" * 3000))
    ((path, _, body),) = web.posts
    sent = json.loads(body)
    assert path.endswith("/webhooks/12/token-of-the-channel")
    assert sent["content"].startswith("raw.orders failed in load\nDAG: shop\n")
    assert "{{ conn.warehouse.password }}" in sent["content"]
    assert len(sent["content"]) <= 2000
    assert sent["allowed_mentions"] == {"parse": []}


def test_teams_gets_a_card_of_plain_text(web, connect):
    connect("teams", conn_type="http", host=f"http://127.0.0.1:{web.server_address[1]}/webhook/abcdef")
    tell({"ms_teams": [{"connection": "teams"}]}, context_of(HOSTILE))
    ((path, _, body),) = web.posts
    assert path.rstrip("/") == "/webhook/abcdef"
    (attachment,) = json.loads(body)["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    blocks = attachment["content"]["body"]
    assert {block["type"] for block in blocks} == {"RichTextBlock"}
    assert "\n".join(block["inlines"][0]["text"] for block in blocks) == TEXT.format(error=HOSTILE)


def test_a_mail_goes_to_all_recipients_and_is_no_html_of_an_author(mail, connect):
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"}
    connect("smtp_default", conn_type="smtp", **address(mail), extra=json.dumps(extra))
    tell({"email": [{"recipients": ["a@example.com", "b@example.com"]}]}, context_of(HOSTILE))
    (raw,) = mail.mails
    message = email.message_from_string(raw)
    assert message["Subject"] == "raw.orders failed in load"
    assert message["From"] == "airflow@example.com"
    assert [line for line in mail.envelope if line.startswith("rcpt")] == [
        "rcpt TO:<a@example.com>",
        "rcpt TO:<b@example.com>",
    ]
    (part,) = message.walk() if not message.is_multipart() else [p for p in message.walk() if not p.is_multipart()]
    body = part.get_payload(decode=True).decode()
    assert (
        "<li>error: {{ conn.warehouse.password }} &lt;!channel&gt; &lt;b&gt;&amp;amp;&lt;/b&gt; @everyone</li>" in body
    )


def test_each_channel_hears_of_what_it_asked_for(web, connect):
    connect("bad", conn_type="http", **address(web))
    found = callbacks(
        Notifications.model_validate({"webhook": [{"connection": "bad", "success": False}]}), PIPELINE, "a", "load"
    )
    assert list(found) == ["on_failure_callback"]
    assert callbacks(None, PIPELINE) == {}


def test_a_secret_that_airflow_knows_is_masked(web, connect):
    mask_secret(SECRET)
    connect("hook", conn_type="http", **address(web))
    tell({"webhook": [{"connection": "hook"}]}, context_of(f"cannot log in with {SECRET}"))
    assert json.loads(web.posts[0][2])["error"] == "cannot log in with ***"


def test_a_channel_that_fails_is_a_line_in_the_log_and_the_next_is_told(web, connect, caplog):
    connect("gone", conn_type="http", host=f"http://127.0.0.1:{web.server_address[1]}/gone/token-in-the-path")
    connect("hook", conn_type="http", **address(web))
    who = {"webhook": [{"connection": name} for name in ("gone", "nowhere", "hook")]}
    with caplog.at_level(logging.WARNING, "airflow_materialize"):
        tell(who, context_of("x"))
    assert [path for path, _, _ in web.posts] == ["/gone/token-in-the-path", "/"]
    first, second = [record.message for record in caplog.records if record.name == "airflow_materialize.dag.notify"]
    assert first.startswith("the webhook over the connection gone was not told: ")
    assert "404" in first
    assert "nowhere" in second


def test_the_address_of_a_webhook_is_masked_as_the_password_that_it_is(connect, caplog):
    from airflow.sdk.log import redact

    connect("closed", conn_type="http", host="http://127.0.0.1:9/hooks/token-in-the-path")
    with caplog.at_level(logging.WARNING):
        tell({"webhook": [{"connection": "closed"}]}, context_of("x"))
    (said,) = [record.message for record in caplog.records if record.name == "airflow_materialize.dag.notify"]
    assert "token-in-the-path" in said
    assert "token-in-the-path" not in redact(said)


@pytest.mark.parametrize(
    ("who", "module", "package"),
    [
        ({"slack": [{"channel": "#data"}]}, "airflow.providers.slack.hooks.slack", "slack"),
        ({"discord": [{"connection": "x"}]}, "airflow.providers.discord.hooks.discord_webhook", "discord"),
        ({"ms_teams": [{"connection": "x"}]}, "airflow.providers.http.hooks.http", "http"),
        ({"webhook": [{"connection": "x"}]}, "airflow.providers.http.hooks.http", "http"),
        ({"email": [{"recipients": ["a@b"]}]}, "airflow.providers.smtp.hooks.smtp", "smtp"),
    ],
)
def test_a_missing_provider_is_one_warning_with_the_command(who, module, package, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, module, None)  # As if it were not installed.
    with caplog.at_level(logging.WARNING, "airflow_materialize"):
        tell(who, context_of("x"))
    (record,) = [record for record in caplog.records if record.name == "airflow_materialize.dag.notify"]
    assert record.levelname == "WARNING"
    assert f"(pip install apache-airflow-providers-{package})" in record.message


def test_a_context_that_says_nothing_is_a_line_in_the_log(caplog):
    tell({"webhook": [{"connection": "x"}]}, {})
    assert "nobody was told of the failure of raw.orders" in caplog.text


HEADER = """\
name: raw.orders
connection: warehouse
materialization: {type: table}
columns: [{name: id, checks: [{name: unique}, {name: not_null, blocking: false}]}]
notifications: {webhook: [{connection: hook}], slack: [{channel: '#ok', failure: false}]}
"""


@pytest.fixture
def dag(tmp_path):
    """A DAG whose asset and pipeline have notifications."""

    def build(**defaults):
        (tmp_path / "shop" / "assets").mkdir(parents=True)
        (tmp_path / "shop" / "pipeline.yml").write_text("name: shop\nnotifications: {webhook: [{connection: all}]}\n")
        (tmp_path / "shop" / "assets" / "orders.py").write_text(f'"""@bruin\n{HEADER}@bruin"""\n')
        return asset_dags(tmp_path, **defaults)["shop"]

    return build


def told(given) -> list[list[str]]:
    return [[type(channel).__name__ for channel in one.channels] for one in given]


def test_each_step_tells_of_its_failure_and_the_last_blocking_one_of_success(dag):
    built = dag()
    steps = {task.task_id.rpartition(".")[2]: task for task in built.tasks}
    assert {step: (told(task.on_failure_callback), told(task.on_success_callback)) for step, task in steps.items()} == {
        "run": ([["Webhook"]], []),
        "load": ([["Webhook"]], []),
        "check": ([["Webhook"]], [["Slack", "Webhook"]]),
        "check_warn": ([["Webhook"]], []),
    }
    assert all(not task.on_retry_callback for task in built.tasks)
    assert (told(built.on_failure_callback), told(built.on_success_callback)) == ([["Webhook"]], [["Webhook"]])


def test_callbacks_of_the_user_are_called_as_well(dag):
    def mine(_context):
        pass

    built = dag(on_failure_callback=mine, default_args={"on_failure_callback": [mine], "on_success_callback": mine})
    assert built.on_failure_callback[0] is mine
    assert len(built.on_failure_callback) == 2
    run, check = built.get_task("raw__orders.run"), built.get_task("raw__orders.check")
    assert next(iter(run.on_failure_callback)) is mine
    assert list(run.on_success_callback) == [mine]
    assert next(iter(check.on_success_callback)) is mine
