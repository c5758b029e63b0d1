from __future__ import annotations

import pytest

GOOD = {
    "retries: {max: 3, delay: 30, max_delay: 1h30m, backoff: true, on: [requests.Timeout, ValueError]}": {
        "max": 3, "delay": 30.0, "max_delay": 5400.0, "backoff": 2.0, "on": ("requests.Timeout", "ValueError"),
    },
    "retries: {max: 0, delay: 1.5s, backoff: 1.5}": {
        "max": 0, "delay": 1.5, "max_delay": None, "backoff": 1.5, "on": (),
    },
    "retries: {max: 1, backoff: false}": {"max": 1, "delay": None, "max_delay": None, "backoff": None, "on": ()},
}  # fmt: skip


@pytest.mark.parametrize(("header", "rule"), GOOD.items())
def test_a_rule_for_retries_is_typed(parse, header, rule):
    assert parse(header).asset.retries.model_dump() == rule


def test_notifications_are_typed_and_tell_of_success_and_failure_unless_said(parse):
    told = parse(
        """
        notifications:
          slack: [{channel: "#a", failure: false}]
          ms_teams: [{connection: a}]
          discord: [{connection: b}]
          webhook: [{connection: c, success: no}]
          email: [{recipients: [a@b.c]}]
        """
    ).asset.notifications
    [slack], [webhook], [email] = told.slack, told.webhook, told.email
    assert (slack.channel, slack.success, slack.failure, slack.connection) == ("#a", True, False, "")
    assert (webhook.connection, webhook.success, webhook.failure) == ("c", False, True)
    assert (email.recipients, told.discord[0].connection, told.ms_teams[0].connection) == (("a@b.c",), "b", "a")


@pytest.mark.parametrize("instance", ["big", "queue:big", "pool:big one", ""])
def test_an_instance_is_a_queue_or_a_pool(parse, instance):
    assert parse(f"instance: '{instance}'").asset.instance == instance


@pytest.mark.parametrize("uri", ["s3://shop/orders", "postgres://db/shop/orders", "urn:orders", "x-y.z://a?b=c#d"])
def test_a_uri_has_a_scheme(parse, uri):
    assert parse(f"uri: {uri}").asset.uri == uri


BAD = {
    "retries: {max: 3, delay: soon}": "retries.delay: 'soon' is no duration (seconds, or as 30s, 10m or 1h30m)",
    "retries: {max: 3, delay: -1}": "retries.delay: -1 is no duration (from 0 to 2592000 seconds)",
    "retries: {max: 3, delay: true}": "retries.delay: a duration is expected, this is the text 'true' (seconds, or as 30s, 10m or 1h30m)",
    "retries: {max: 3, backoff: 0.5}": "retries.backoff: 0.5 is no factor (at least 1)",
    "retries: {max: 3, backoff: fast}": "retries.backoff: 'fast' is no factor (true, or a number of at least 1)",
    "retries: {max: 3, on: [a b]}": "retries.on: 'a b' is no name of an exception (as requests.Timeout)",
    "retries: {delay: 3}": "retries: `max` is missing",
    "retries: {max: 3, dleay: 3}": "retries.dleay: unknown field (did you mean 'delay'? one of: backoff, delay, max, max_delay, on)",
    "rerun_cooldown: -2": "rerun_cooldown: -2 is too small (at least -1)",
    "notifications: {slack: [{chanel: x}]}": "notifications.slack[0].chanel: unknown field (did you mean 'channel'? one of: channel, connection, failure, success)",
    "notifications: {email: [{recipients: []}]}": "notifications.email[0].recipients: it is empty",
    "notifications: {webhook: [{success: true}]}": "notifications.webhook[0]: `connection` is missing",
    "notifications: {pager: []}": "notifications.pager: unknown field (one of: discord, email, ms_teams, slack, webhook)",
    "instance: machine:big": "instance: 'machine:big' is neither a queue nor a pool (the name of a queue, queue:NAME or pool:NAME)",
    "instance: 'pool:'": "instance: 'pool:' is neither a queue nor a pool (the name of a queue, queue:NAME or pool:NAME)",
    "tags: ['']": "tags[0]: the tag is empty (leave it out)",
    f"tags: [{'x' * 101}]": "tags[0]: the tag has 101 characters (at most 100)",
    "uri: orders": "uri: 'orders' is no URI (ASCII with a scheme, as s3://shop/orders)",
    "uri: s3://b\u00fccher/x": "uri: 's3://b\u00fccher/x' is no URI (ASCII with a scheme, as s3://shop/orders)",
    "uri: airflow://x": "uri: the scheme airflow: is Airflow's own (ASCII with a scheme, as s3://shop/orders)",
    "depends: [{uri: orders}]": "depends[0].uri: 'orders' is no URI (ASCII with a scheme, as s3://shop/orders)",
}


@pytest.mark.parametrize(("header", "expected"), BAD.items())
def test_a_value_that_cannot_be_used_says_what_could(problems, header, expected):
    found = problems(header)
    assert any(expected in problem for problem in found), found


@pytest.mark.parametrize("uri", ["postgres://me:s3cr3t@db/x", "s3://s3cr3t@bucket", "me:s3cr3t@host/x"])
def test_a_uri_with_a_credential_is_refused_and_not_shown(problems, uri):
    assert problems(f"uri: {uri}") == [
        "orders.py:2:1: uri: the URI holds a user or a password (leave out what stands before the @)"
    ]


def test_assets_inside_of_pipeline_yml_are_refused(parse):
    [problem] = parse("name: a", pipeline="name: sales\nassets:\n  - name: x\n").problems
    assert str(problem) == (
        "sales/pipeline.yml:2:1: assets: assets have files of their own (write each as assets/<name>.asset.yml)"
    )


def test_connections_for_notifications_are_none_for_tables(parse):
    pipeline = "name: sales\ndefault_connections: {slack: alerts, duckdb: warehouse}\n"
    assert parse("materialization: {type: table}", pipeline=pipeline).connection == "warehouse"
