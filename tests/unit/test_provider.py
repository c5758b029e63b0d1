from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from airflow_materialize import __version__
from airflow_materialize.provider import get_provider_info
from airflow_materialize.settings import OPTIONS


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home)}

    def call(*arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("airflow")), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    return call


def test_the_provider_info_is_valid_against_airflows_own_schema():
    schema = json.loads((files("airflow") / "provider_info.schema.json").read_text())
    assert list(jsonschema.Draft7Validator(schema).iter_errors(get_provider_info())) == []


def test_airflow_lists_the_provider_with_its_version(airflow):
    listed = json.loads(airflow("providers", "get", "airflow-materialize", "--output", "json"))
    assert listed == [{"Provider": "airflow-materialize", "Version": __version__}]


def test_airflow_lists_every_setting_with_its_description(airflow):
    listed = airflow("config", "list", "--section", "materialize", "--include-descriptions", "--include-sources")
    for name, option in OPTIONS.items():
        assert f"\n{name} = " in listed or f"\n# {name} = " in listed, listed
        assert option["description"][:40] in listed


def test_importing_the_package_imports_nothing_heavy():
    script = (
        "import sys, airflow_materialize, airflow_materialize.provider\n"
        "print([name for name in ('airflow', 'pandas', 'polars', 'pyarrow', 'duckdb', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
