from __future__ import annotations

from pathlib import Path

import pytest

from airflow_materialize.errors import MaterializeError
from airflow_materialize.settings import read_settings


def test_without_settings_everything_is_kept_below_airflows_home(monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", "/srv/airflow")
    settings = read_settings(lambda option: None)
    assert settings.staged_files == Path("/srv/airflow/materialize/staged")
    assert settings.environments == Path("/srv/airflow/materialize/environments")
    assert settings.environments_max_size == 20 * 10**9
    assert (settings.default_connection, settings.staged_files_shared, settings.python) == ("", False, "")


def test_every_setting_is_read():
    given = {
        "default_connection": " warehouse ",
        "staged_files": "/var/staged",
        "staged_files_shared": "True",
        "environments": "/var/environments",
        "environments_max_size": "1.5 GiB",
        "python": "3.12",
        "index": " internal\nhttps://a/simple ",
        "requirements": "Pinned",
    }
    settings = read_settings(given.get)
    assert settings.default_connection == "warehouse"
    assert settings.staged_files == Path("/var/staged")
    assert settings.staged_files_shared is True
    assert settings.environments == Path("/var/environments")
    assert settings.environments_max_size == 3 * 2**29
    assert settings.python == "3.12"
    assert settings.index.split() == ["internal", "https://a/simple"]
    assert "internal" not in repr(settings)
    assert settings.requirements == "pinned"


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        (
            "staged_files",
            "s3://bucket/x",
            "[materialize] staged_files is 's3://bucket/x'\nHint: a path on this machine, as /var/lib/x",
        ),
        ("environments", "here", "[materialize] environments is the relative path 'here'\nHint: an absolute path"),
        ("staged_files_shared", "maybe", "[materialize] staged_files_shared is 'maybe'\nHint: True or False"),
        ("requirements", "strict", "[materialize] requirements is 'strict'\nHint: one of: open, pinned, locked"),
        ("environments_max_size", "much", "[materialize] environments_max_size is 'much'\nHint: a size, as 20GB"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(option, text, message):
    with pytest.raises(MaterializeError) as raised:
        read_settings({option: text}.get)
    assert str(raised.value) == message
