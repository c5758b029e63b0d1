from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databases import Database, databases


@pytest.fixture(scope="session", autouse=True)
def _airflow_is_there() -> None:
    """Import Airflow first: it sets logging up, which would take the handlers of a test away that runs already."""
    import airflow.settings  # noqa: F401


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


@pytest.fixture(scope="module")
def module_database() -> Iterator[Callable[[str], Database]]:
    """A database for each kind of server, for all tests of a module; dropped behind the last of them."""
    with databases() as database:
        yield database


@pytest.fixture
def empty_database(module_database: Callable[[str], Database]) -> Callable[[str], str]:
    """The URL of an empty database on a kind of server."""

    def url(kind: str) -> str:
        database = module_database(kind)
        database.empty()
        return database.url

    return url
