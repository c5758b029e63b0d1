from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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


def missing(what: str) -> None:
    """Skip the test for a user who has no such server; under CI it has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


class PostgresDatabase:
    """A database of its own on the PostgreSQL server of this machine."""

    def __init__(self, server: str, name: str) -> None:
        import psycopg

        self.url, self.name = f"{server}/{name}", name
        try:
            self._server = psycopg.connect(f"{server}/postgres", autocommit=True, connect_timeout=5)
        except psycopg.OperationalError as error:
            missing(f"no PostgreSQL: {error}")
        self._server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        self._database = psycopg.connect(self.url, autocommit=True)

    def empty(self) -> None:
        """Drop all that stands in it."""
        found = self._database.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'")
        names = [schema.replace('"', '""') for (schema,) in found.fetchall()]
        self._database.execute("".join(f'DROP SCHEMA "{name}" CASCADE;' for name in names) + "CREATE SCHEMA public")

    def drop(self) -> None:
        self._database.close()
        self._server.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')
        self._server.close()


SERVERS: dict[str, Callable[[str], PostgresDatabase]] = {
    "postgres": lambda name: PostgresDatabase(
        os.environ.get("TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432"), name
    ),
}
"""What makes a database of a given name on the server of each kind: with `url`, `empty()` and `drop()`."""


@contextmanager
def databases() -> Iterator[Callable[[str], PostgresDatabase]]:
    made: dict[str, PostgresDatabase] = {}
    with ExitStack() as stack:

        def database(kind: str) -> PostgresDatabase:
            if kind not in made:
                made[kind] = SERVERS[kind](f"test_{uuid.uuid4().hex[:12]}")
                stack.callback(made[kind].drop)
            return made[kind]

        yield database


@pytest.fixture(scope="module")
def module_database() -> Iterator[Callable[[str], PostgresDatabase]]:
    """A database for each kind of server, for all tests of a module; dropped behind the last of them."""
    with databases() as database:
        yield database


@pytest.fixture
def empty_database(module_database: Callable[[str], PostgresDatabase]) -> Callable[[str], str]:
    """The URL of an empty database on a kind of server."""

    def url(kind: str) -> str:
        database = module_database(kind)
        database.empty()
        return database.url

    return url
