"""Databases of their own on the servers of this machine, for tests and for the campaigns of faults."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from servers import own_server


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


class MySQLDatabase:
    """A database on a MariaDB server of these tests alone: a schema is a database there, and tests call theirs `raw`."""

    def __init__(self, name: str) -> None:
        try:
            server = _mariadb()
            from MySQLdb import connect
        except (FileNotFoundError, ImportError) as error:
            missing(f"no MariaDB or no driver: {error}")
        self.url, self.name = f"{server}/{name}", name
        self._server = connect(host="127.0.0.1", port=urlsplit(server).port, user="root", autocommit=True)
        self._run(f"CREATE DATABASE `{self.name}`")

    def _run(self, statement: str) -> list[tuple[str, ...]]:
        with self._server.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def empty(self) -> None:
        """Drop all that stands on the server, and make the database anew."""
        own = {"information_schema", "mysql", "performance_schema", "sys"}
        for (database,) in self._run("SHOW DATABASES"):
            if database not in own:
                quoted = database.replace("`", "``")
                self._run(f"DROP DATABASE `{quoted}`")
        self._run(f"CREATE DATABASE `{self.name}`")

    def drop(self) -> None:
        self._server.close()


@cache
def _mariadb() -> str:
    """Start a server that ends with this process, and return its URL. What it writes need not outlive the power."""
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="mariadb-", dir=memory if os.access(memory, os.W_OK) else None)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server = ExitStack()
    atexit.register(server.close)
    return server.enter_context(own_server("mysql", Path(folder))).url.rpartition("/")[0]


Database = PostgresDatabase | MySQLDatabase

SERVERS: dict[str, Callable[[str], Database]] = {
    "mysql": MySQLDatabase,
    "postgres": lambda name: PostgresDatabase(
        os.environ.get("TEST_POSTGRES", "postgres://postgres@127.0.0.1:5432"), name
    ),
}
"""What makes a database of a given name on the server of each kind: with `url`, `empty()` and `drop()`."""


@contextmanager
def databases() -> Iterator[Callable[[str], Database]]:
    made: dict[str, Database] = {}
    with ExitStack() as stack:

        def database(kind: str) -> Database:
            if kind not in made:
                made[kind] = SERVERS[kind](f"test_{uuid.uuid4().hex[:12]}")
                stack.callback(made[kind].drop)
            return made[kind]

        yield database
