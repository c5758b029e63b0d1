"""Databases of their own on the servers of this machine, for tests and for the campaigns of faults."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest


def missing(what: str) -> None:
    """Skip the test for a user who has no such server; under CI it has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


_WHAT_TESTS_EXPECT = """
CREATE SCHEMA public;
CREATE COLLATION public."NOCASE" (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
"""


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
        self._database.execute("".join(f'DROP SCHEMA "{name}" CASCADE;' for name in names) + _WHAT_TESTS_EXPECT)

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
