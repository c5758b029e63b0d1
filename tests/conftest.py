from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the assets' Python environments: one for the whole session, so that each is built once."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture(autouse=True)
def _no_configuration_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see neither this machine's Airflow nor its settings."""
    for name in [*os.environ]:
        if name.startswith(("AIRFLOW_CONN_", "AIRFLOW__MATERIALIZE__", "BRUIN_")):
            monkeypatch.delenv(name)
