"""Who hears of success and failure."""

from __future__ import annotations

from pydantic import Field

from airflow_materialize.definition.text.fields import Flag, Model, Text, Words


class Notification(Model):
    """What all ways of being told have in common."""

    success: Flag = Field(default=True, description="Whether success is told.")
    failure: Flag = Field(default=True, description="Whether failure is told.")


class Slack(Notification):
    """A Slack channel."""

    channel: Text = Field(description="The channel, as `#data`.", min_length=1)
    connection: Text = Field(
        default="", description="The connection id; `slack` under the pipeline's `default_connections` unless said."
    )


class Teams(Notification):
    """A channel of Microsoft Teams."""

    connection: Text = Field(description="The connection id.", min_length=1)


class Discord(Notification):
    """A channel of Discord."""

    connection: Text = Field(description="The connection id.", min_length=1)


class Webhook(Notification):
    """An address that is called."""

    connection: Text = Field(description="The connection id.", min_length=1)


class Email(Notification):
    """A mail."""

    recipients: Words = Field(description="Mail addresses.", min_length=1)


class Notifications(Model):
    """Who hears of success and failure."""

    slack: tuple[Slack, ...] = Field(default=(), description="Slack channels.")
    ms_teams: tuple[Teams, ...] = Field(default=(), description="Teams channels.")
    discord: tuple[Discord, ...] = Field(default=(), description="Discord channels.")
    webhook: tuple[Webhook, ...] = Field(default=(), description="Addresses that are called.")
    email: tuple[Email, ...] = Field(default=(), description="Mails.")
