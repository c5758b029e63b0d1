from __future__ import annotations

import json

import pytest

from airflow_materialize.definition.model.asset import Secret
from airflow_materialize.errors import AssetError, MaterializeError, Problem
from airflow_materialize.execution.secrets import declared_secrets, secret_values


@pytest.fixture
def declared(log, monkeypatch):
    """Look up secrets by key, or by key and name."""

    def find(*secrets, overrides=None, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value if isinstance(value, str) else json.dumps(value))
        pairs = [pair if isinstance(pair, tuple) else (pair, "") for pair in secrets]
        wanted = [Secret(key=key, inject_as=name) for key, name in pairs]
        return declared_secrets(wanted, overrides or {}, log, lambda key, *text: Problem("a.py", 3, 5, key, *text))

    return find


def test_without_secrets_there_is_nothing(declared):
    found = declared()
    assert (dict(found.environment), dict(found.types), found.values) == ({}, {}, ())


def test_a_connection_is_injected_under_its_id_or_another_name(declared):
    found = declared(
        "shop",
        ("shop", "DB"),
        AIRFLOW_CONN_SHOP={"conn_type": "postgres", "host": "db", "login": "me", "password": "canary"},
    )
    assert json.loads(found.environment["shop"])["password"] == "canary"
    assert found.environment["DB"] == found.environment["shop"]
    assert json.loads(found.environment["BRUIN_CONNECTION_TYPES"]) == {"shop": "postgres", "DB": "postgres"}


def test_where_there_is_no_connection_a_variable_is_a_generic_secret(declared):
    found = declared("API_KEY", AIRFLOW_VAR_API_KEY="canary")
    assert found.environment["API_KEY"] == "canary"
    assert found.types == {"API_KEY": "generic"}
    assert found.values == ("canary",)


def test_a_connection_wins_over_a_variable(declared):
    found = declared("x", AIRFLOW_CONN_X={"conn_type": "sqlite", "host": "/x"}, AIRFLOW_VAR_X="v")
    assert found.types == {"x": "sqlite"}


def test_an_override_by_url_wins_over_both(declared):
    found = declared("x", overrides={"x": "generic:canary"}, AIRFLOW_VAR_X="v")
    assert found.environment["x"] == "canary"


def test_all_that_are_missing_are_named_at_their_places(declared):
    with pytest.raises(AssetError) as caught:
        declared("here", "nowhere", "neither", AIRFLOW_VAR_HERE="v")
    assert [str(problem) for problem in caught.value.problems] == [
        f"a.py:3:5: {key}: there is no connection and no variable {key!r} (add a connection or a variable of this "
        f"name in Airflow, or set AIRFLOW_CONN_{key.upper()})"
        for key in ("nowhere", "neither")
    ]


def test_what_cannot_be_masked_is_said(declared, records):
    declared("PIN", AIRFLOW_VAR_PIN="123")
    assert records.lines == [
        ("WARNING", "the secret PIN has a value of less than 4 characters, which logs cannot mask")
    ]


def test_a_repr_shows_no_value(declared):
    assert "canary" not in repr(declared("API_KEY", AIRFLOW_VAR_API_KEY="canary"))


def test_airflows_own_masker_knows_the_values_in_all_common_forms(declared):
    from airflow.sdk.log import redact

    declared("API_KEY", AIRFLOW_VAR_API_KEY="c@nary/ü+12")
    for shown in ("c@nary/ü+12", "c%40nary%2F%C3%BC%2B12", "c@nary/\\u00fc+12", "Y0BuYXJ5L8O8KzEy"):
        assert redact(f"<{shown}>") == "<***>"


@pytest.mark.parametrize(
    ("content", "secret", "open_values"),
    [
        ({"password": "abc", "host": "db.example.com", "username": "admin", "port": 5432}, ["abc", "admin:abc"], "db"),
        ({"extra": {"custom": "canary-1", "region_name": "eu-central-1"}}, ["canary-1"], "eu-central-1"),
        ({"extra": {"extra__http__api_token": "t", "extra__http__region": "europe"}}, ["t"], "europe"),
        ({"service_account_json": '{"private_key": "kk", "client_email": "a@b.example"}'}, ["kk"], "a@b.example"),
        ({"host": "https://me:canary@db.example.com/x"}, ["canary"], "db.example.com"),
        ({"headers": ["Bearer canary"]}, ["Bearer canary"], "headers"),
        ({"pin_key": 1234, "flag": True, "none": None}, ["1234"], "True"),
    ],
)
def test_of_a_connection_what_may_be_secret_is_masked_and_what_is_not_stays_readable(content, secret, open_values):
    found = list(secret_values(json.dumps(content)))
    assert set(secret) <= set(found)
    assert open_values not in found


@pytest.mark.parametrize("text", ["plain", "12", '"quoted"', "{broken", "[" * 100_000])
def test_a_text_has_no_fields(text):
    assert list(secret_values(text)) == []


def test_the_key_of_a_mask_is_the_text_of_a_secret(declared):
    found = declared("KEY", "db", AIRFLOW_VAR_KEY="canary", AIRFLOW_CONN_DB={"conn_type": "sqlite", "host": "/x"})
    assert found.key("KEY") == "canary"
    assert found.key("open") == "open"
    with pytest.raises(MaterializeError, match="The mask hmac:db needs a text, and that secret is a connection"):
        found.key("db")
