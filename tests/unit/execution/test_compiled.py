"""What an asset's Python compiles, where assets are set apart from each other: see also `local/test_isolation`."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.execution.environments.environment import Environment
from airflow_materialize.execution.isolation import Isolation
from airflow_materialize.settings import Settings


@pytest.fixture
def environment(tmp_path):
    path = tmp_path / "environment"
    (path / "pycache/opt/lib").mkdir(parents=True)
    (path / "pycache/opt/lib/json.cpython-311.pyc").touch()
    return Environment(path, Path("/usr/bin/python3"), "", "", path / "pycache")


def isolation(tmp_path, kind):
    return Isolation(Settings(tmp_path / "staged", tmp_path / "environments", isolation=kind), tmp_path)


def writable(tmp_path, environment):
    view = isolation(tmp_path, "namespaces").to_run(environment, tmp_path / "scratch", tmp_path / "out", ASSET)
    return [target for _, target in view.writable if environment.path in target.parents]


ASSET = Asset(name="raw.orders")


def test_at_process_all_assets_of_an_environment_share_what_is_compiled(tmp_path, environment):
    assert isolation(tmp_path, "process").own_compiled(environment, ASSET) is environment


def test_at_namespaces_each_asset_has_a_folder_with_links_to_what_is_there(tmp_path, environment):
    (tmp_path / "scratch").mkdir()
    first, second = (
        isolation(tmp_path, "namespaces").own_compiled(environment, Asset(name=name)) for name in ("raw.a", "raw.b")
    )
    assert first.compiled != second.compiled
    for each in (first, second):
        assert (each.compiled / "opt/lib/json.cpython-311.pyc").resolve().parent == environment.compiled / "opt/lib"
        assert writable(tmp_path, each) == [each.compiled]


def test_an_environment_that_nobody_can_write_to_is_read_and_nothing_is_added(tmp_path, environment):
    (tmp_path / "scratch").mkdir()
    (environment.path / "pycache-of-assets").touch()  # no folder, so that none can be made in it
    own = isolation(tmp_path, "namespaces").own_compiled(environment, ASSET)
    assert own is environment
    assert writable(tmp_path, own) == []
