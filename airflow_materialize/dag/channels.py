"""How a notification reaches people: one function per kind of channel, each over the official provider's hook.

Hooks, and no notifiers: these render what they are given as templates of Airflow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlsplit

from airflow_materialize.dag.news import News
from airflow_materialize.definition.model.notifications import (
    Discord,
    Email,
    Notification,
    Notifications,
    Slack,
    Teams,
    Webhook,
)

# Nobody waits longer than this for a task because a chat does not answer.
_SECONDS = 10
_LONGEST_DISCORD = 1900
_SHORTEST_SECRET = 8

_SLACK_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

_DISTRIBUTIONS = {Slack: "slack", Teams: "http", Discord: "discord", Webhook: "http", Email: "smtp"}


def send(channel: Notification, news: News, default_connections: Mapping[str, str]) -> None:
    """Send news over one channel.

    Args:
        channel: As the header says it.
        news: What there is to say.
        default_connections: The pipeline's, by kind.

    Raises:
        ImportError: The channel's provider is not installed.
        Exception: Whatever the provider's hook raises.
    """
    if isinstance(channel, Slack):
        _to_slack(channel, news, default_connections)
    elif isinstance(channel, Email):
        _to_mail(channel, news)
    elif isinstance(channel, Discord):
        _to_discord(channel, news)
    elif isinstance(channel, Teams):
        _post(channel.connection, _card(news))
    elif isinstance(channel, Webhook):
        _post(channel.connection, news.to_json())


def distribution(channel: Notification) -> str:
    """Return the package that has the channel's provider."""
    return f"apache-airflow-providers-{_DISTRIBUTIONS[type(channel)]}"


def describe(channel: Notification) -> str:
    """Return a channel in words."""
    if isinstance(channel, Slack):
        return f"the Slack channel {channel.channel}"
    if isinstance(channel, Email):
        return f"a mail to {', '.join(channel.recipients)}"
    kind = {Teams: "Teams", Discord: "Discord"}.get(type(channel), "the webhook")
    return f"{kind} over the connection {getattr(channel, 'connection', '')}"


def channels_of(who: Notifications) -> tuple[Notification, ...]:
    """Return all channels, kind by kind."""
    return (*who.slack, *who.ms_teams, *who.discord, *who.webhook, *who.email)


def _to_slack(channel: Slack, news: News, default_connections: Mapping[str, str]) -> None:
    from airflow.providers.slack.hooks.slack import SlackHook

    connection = channel.connection or default_connections.get("slack") or SlackHook.default_conn_name
    # What is not escaped could call everybody of the channel.
    message = {"channel": channel.channel, "text": news.text().translate(_SLACK_ESCAPES), "unfurl_links": False}
    SlackHook(slack_conn_id=connection, timeout=_SECONDS).call("chat.postMessage", json=message)


def _to_mail(channel: Email, news: News) -> None:
    from airflow.providers.common.compat.sdk import conf
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    connection = conf.get("email", "email_conn_id", fallback=None) or SmtpHook.default_conn_name
    facts = "".join(f"<li>{escape(name)}: {escape(text)}</li>" for name, text in news.facts)
    body = f"<h3>{escape(news.title)}</h3><ul>{facts}</ul>"
    with SmtpHook(smtp_conn_id=connection) as smtp:
        smtp.send_email_smtp(to=list(channel.recipients), subject=news.title, html_content=body)


def _to_discord(channel: Discord, news: News) -> None:
    from airflow.providers.discord.hooks.discord_webhook import DiscordWebhookHook

    hook = DiscordWebhookHook(http_conn_id=channel.connection)
    _hide(hook.webhook_endpoint)
    message = {"content": news.text()[:_LONGEST_DISCORD], "allowed_mentions": {"parse": []}}
    _run(hook, hook.webhook_endpoint, message)


def _post(connection: str, body: Mapping[str, Any]) -> None:
    from airflow.providers.http.hooks.http import HttpHook

    hook = HttpHook(method="POST", http_conn_id=connection)
    # The address of a webhook is its password.
    _hide(urlsplit(hook.get_connection(connection).host or "").path.strip("/"))
    _run(hook, "", body)


def _run(hook: Any, endpoint: str, body: Mapping[str, Any]) -> None:
    headers = {"Content-Type": "application/json"}
    hook.run(endpoint, data=json.dumps(body), headers=headers, extra_options={"timeout": _SECONDS})


def _hide(secret: str) -> None:
    from airflow.providers.common.compat.sdk import mask_secret

    if len(secret) >= _SHORTEST_SECRET:
        mask_secret(secret)


def _card(news: News) -> dict[str, Any]:
    """Return a card for Teams. Its texts are plain ones: other blocks would read Markdown in them."""
    lines = [(news.title, True), *((f"{name}: {text}", False) for name, text in news.facts)]
    body = [{"type": "RichTextBlock", "inlines": [_run_of_text(text, bold=bold)]} for text, bold in lines]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def _run_of_text(text: str, *, bold: bool) -> dict[str, str]:
    return {"type": "TextRun", "text": text, "weight": "bolder" if bold else "default"}
