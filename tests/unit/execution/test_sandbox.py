from __future__ import annotations

import stat
from pathlib import Path

import pytest

from airflow_materialize.execution.sandbox import child_environment
from airflow_materialize.execution.view import view_apart

VENV = Path("/environments/a")


def test_the_environment_has_nothing_but_what_is_allowed(tmp_path):
    parent = {
        "PATH": "/usr/bin",
        "LANG": "C.UTF-8",
        "LC_TIME": "de_DE.UTF-8",
        "TZ": "UTC",
        "SSL_CERT_FILE": "/ca.pem",
        "HOME": "/root",
        "TMPDIR": "/var/tmp",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "/airflow",
        "AIRFLOW__CORE__FERNET_KEY": "canary",
        "AIRFLOW_CONN_WAREHOUSE": "canary",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "UV_INDEX_X_PASSWORD": "canary",
        "BRUIN_OLD": "canary",
    }
    assert child_environment({"BRUIN_ASSET": "raw.orders"}, tmp_path, VENV, parent) == {
        "PATH": "/environments/a/bin:/usr/bin",
        "LANG": "C.UTF-8",
        "LC_TIME": "de_DE.UTF-8",
        "TZ": "UTC",
        "SSL_CERT_FILE": "/ca.pem",
        "HOME": f"{tmp_path}/home",
        "TMPDIR": f"{tmp_path}/tmp",
        "VIRTUAL_ENV": "/environments/a",
        "PYTHONUNBUFFERED": "1",
        "BRUIN_ASSET": "raw.orders",
    }


def test_home_and_temporary_folder_are_private(tmp_path):
    env = child_environment({}, tmp_path, VENV, {})
    assert [stat.S_IMODE(Path(env[name]).stat().st_mode) for name in ("HOME", "TMPDIR")] == [0o700, 0o700]


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("http://user:secret@proxy:3128", "http://proxy:3128"),
        ("user:secret@proxy:3128", "proxy:3128"),
        ("http://proxy:3128", "http://proxy:3128"),
        ("http://user:p@ss@proxy/", "http://proxy/"),
    ],
)
def test_a_proxy_comes_without_its_login(tmp_path, proxy, expected):
    for name in ("HTTPS_PROXY", "https_proxy"):
        assert child_environment({}, tmp_path, VENV, {name: proxy})[name] == expected


def test_a_variable_that_names_no_file_or_one_that_is_closed_to_this_user_hides_nothing():
    closed, named = "/" + "x" * 300, __file__
    hidden = view_apart((), {"LONG": closed, "LIST": "/a:" * 2000, "CLOUD_TOKEN_FILE": f"FILE:{named}"}).hidden
    assert Path(named) in hidden
    assert not {Path(closed), Path("/a:" * 2000)} & {*hidden}
