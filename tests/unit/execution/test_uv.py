from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_materialize.execution.environments.uv import reason, run_uv, uv_environment, uv_version


def test_uv_sees_only_what_is_allowed():
    parent = {
        "PATH": "/bin",
        "HOME": "/home/w",
        "HTTPS_PROXY": "http://proxy:3128",
        "UV_INDEX_INTERNAL_PASSWORD": "index",
        "UV_DEFAULT_INDEX": "https://robot:canary@a/simple",
        "UV_CACHE_DIR": "/cache",
        "UV_CONFIG_FILE": "/etc/uv.toml",
        "UV_LINK_MODE": "hardlink",
        "AIRFLOW__CORE__FERNET_KEY": "canary",
        "AIRFLOW_CONN_WAREHOUSE": "canary",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "PYTHONPATH": "/airflow",
        "VIRTUAL_ENV": "/airflow/venv",
    }
    env = uv_environment(parent)
    assert env.keys() - {"UV_HTTP_RETRIES", "UV_HTTP_TIMEOUT"} == {
        "PATH", "HOME", "HTTPS_PROXY", "UV_CACHE_DIR", "UV_LINK_MODE",
    }  # fmt: skip
    assert env["UV_LINK_MODE"] == "copy"


def test_settings_that_uv_does_not_read_are_an_error():
    process = run_uv("python", "list", cwd=Path("/"), env={"PATH": "/bin"}, config="index = 1\n")
    assert "expected a sequence" in reason(process)


def test_the_cache_of_uv_which_is_the_users_gets_files_as_the_worker_makes_them(tmp_path):
    cache = tmp_path / "cache"
    before = os.umask(0o022)
    try:
        env = {"PATH": "/bin", "HOME": str(tmp_path), "UV_CACHE_DIR": str(cache)}
        assert run_uv("venv", "--python", sys.executable, str(tmp_path / "venv"), cwd=tmp_path, env=env).returncode == 0
    finally:
        os.umask(before)
    [config] = tmp_path.glob("venv/pyvenv.cfg")
    assert stat.S_IMODE(config.stat().st_mode) == 0o644
    assert {stat.S_IMODE(file.stat().st_mode) & 0o077 for file in cache.glob("CACHEDIR.TAG")} == {0o044}


def test_the_binary_is_that_of_the_package_wherever_path_points():
    process = run_uv("self", "version", "--short", cwd=Path("/"), env={"PATH": "/nonexistent"})
    assert process.stdout.split()[0] == uv_version()


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        ("warning: a shim\nerror: No solution\n  cause: Because\n", "No solution\n  cause: Because"),
        ("something else\n", "something else"),
        ("", "uv ended with exit code 2 and said nothing"),
    ],
)
def test_the_reason_is_uvs_error_without_its_warnings(stderr, expected):
    assert reason(subprocess.CompletedProcess([], 2, "", stderr)) == expected
