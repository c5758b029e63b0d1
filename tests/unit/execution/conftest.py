from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import sqlite3
import textwrap
from contextlib import closing, contextmanager

import duckdb
import pytest
from databases import SERVERS
from package_index import PYARROW, PackageIndex

from airflow_materialize.connections import resolve
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.destinations.base import for_connection
from airflow_materialize.execution.containment import Child
from airflow_materialize.execution.environments.environment import ensure_environment
from airflow_materialize.execution.environments.requirements import Requirements
from airflow_materialize.execution.failure import explain_failure
from airflow_materialize.execution.isolation import refusal_of_namespaces
from airflow_materialize.execution.logs import OutputLog, Redactor
from airflow_materialize.execution.process import run_child
from airflow_materialize.execution.queries.broker import Broker
from airflow_materialize.execution.queries.desk import Desk
from airflow_materialize.execution.queries.lookup import Lookup
from airflow_materialize.execution.sandbox import child_environment
from airflow_materialize.execution.view import EVERYTHING, View
from airflow_materialize.plan.run_plan import RunPlan
from airflow_materialize.plan.upstream import Upstream
from airflow_materialize.sdk import channel as channel_module
from airflow_materialize.sdk.channel import open_channel

OWN = platform.python_version().rpartition(".")[0]
NONE = Requirements()


class Records(logging.Handler):
    """Keeps what is logged, as pairs of level and text."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append((record.levelname, record.getMessage()))

    @property
    def texts(self):
        return [text for _, text in self.lines]


@pytest.fixture(scope="session")
def namespaces():
    """Why this machine gives no namespaces; empty where it does."""
    return refusal_of_namespaces()


@pytest.fixture
def records():
    return Records()


@pytest.fixture
def log(records):
    """A logger apart from all others, whose records are kept."""
    logger = logging.Logger("test", logging.DEBUG)  # noqa: LOG001
    logger.addHandler(records)
    return logger


@pytest.fixture
def folder(tmp_path):
    """A folder for environments, which are too large to be kept."""
    yield tmp_path / "environments"
    shutil.rmtree(tmp_path / "environments", ignore_errors=True)


@pytest.fixture(scope="session")
def plain_environment(tmp_path_factory):
    """The environment of an asset without requirements, on this interpreter."""
    folder = tmp_path_factory.mktemp("environments")
    yield ensure_environment(NONE, OWN, folder, logging.getLogger("environments"))
    shutil.rmtree(folder)


class Run:
    """Runs the text of an asset file in an environment, for real.

    Attributes:
        file: The asset's file.
        scratch: The private folder of its run.
        output: Its staged file.
    """

    def __init__(self, folder, log):
        self.folder = folder / "pipeline"
        self.folder.mkdir()
        self.file = self.folder / "orders.py"
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.output = self.scratch / "staged.arrow"
        self.log = log

    def __call__(self, environment, text, *, kind="materialize", secrets=(), bruin=None, **options):
        self.file.write_text(textwrap.dedent(text))
        spec = {
            "kind": kind,
            "file": str(self.file),
            "sha256": hashlib.sha256(self.file.read_bytes()).hexdigest(),
            "search_path": [str(self.folder)],
            "cwd": str(self.folder),
            "output": str(self.output),
            "context": {"data_interval_start": None, "data_interval_end": None},
            "columns": [],
        }
        env = child_environment({"BRUIN_ASSET": "raw.orders", **(bruin or {})}, self.scratch, environment.path)
        return run_child(environment, spec, env, OutputLog(self.log, Redactor(secrets)), **options)

    def failure(self, environment, text, *, requirements=NONE, **options):
        """Run it and return how its failure is explained."""
        result = self(environment, text, **options)
        assert result.failed
        return str(explain_failure(result, "raw.orders", self.file, requirements, "raw.orders"))


@pytest.fixture
def run(tmp_path, log):
    return Run(tmp_path, log)


@pytest.fixture(params=["duckdb", "sqlite", *SERVERS])
def kind(request):
    """Each database that an asset can ask."""
    return request.param


class Warehouse:
    """A database with one table, and the worker's answers to what is asked of it.

    Attributes:
        file: The database.
        spool: The folder where results take their room.
        urls: How its connection id leads to it.
    """

    def __init__(self, kind, folder, log, url=""):
        self.kind = kind
        self.file = folder / f"warehouse.{kind}"
        self.spool = folder / "spool"
        self.urls = {"warehouse": url or f"{kind}:///{self.file}"}
        self.log = log
        self.orders = self.name("raw.orders")
        if kind != "sqlite":
            self.change("CREATE SCHEMA raw")
        self.change(
            f"CREATE TABLE {self.orders} (id BIGINT, amount DOUBLE PRECISION, country TEXT, day TEXT)",
            f"INSERT INTO {self.orders} VALUES (1, 1.5, 'DE', '2026-04-01'), (2, 3.0, 'FR', '2026-04-01'),"
            " (3, 4.5, NULL, '2026-04-02'), (4, 6.0, 'DE', '2026-04-03')",
        )

    def name(self, table):
        return f'"{table}"' if self.kind == "sqlite" else table

    def quoted(self, column):
        if self.kind not in SERVERS:
            return '"' + column.replace('"', '""') + '"'
        with self.session() as session:
            return session.quote(column)

    def change(self, *statements):
        if self.kind == "duckdb":
            with duckdb.connect(str(self.file)) as connection:
                for statement in statements:
                    connection.execute(statement)
        elif self.kind == "sqlite":
            with closing(sqlite3.connect(self.file)) as connection:
                for statement in statements:
                    connection.executescript(statement)
        else:
            with self.session() as session:
                for statement in statements:
                    session.execute(statement)

    def session(self):
        return for_connection(resolve("warehouse", self.urls)).session()

    def content(self):
        """All that is in it."""
        if self.file.exists():
            return self.file.read_bytes()
        with self.session() as session:
            tables = "SELECT table_schema, table_name FROM information_schema.tables ORDER BY 1, 2"
            return session.rows(tables), session.rows(f"SELECT * FROM {self.orders} ORDER BY id")

    def desk(self, *, header=None, interval=None, secrets=(), urls=None, **parameters):
        plan = RunPlan(
            asset=Asset.model_validate({"name": "marts.report", **(header or {})}),
            pipeline="shop",
            source="report.py",
            source_hash="",
            dag_id="shop",
            run_id="manual",
            run_type="manual",
            interval=interval,
            full_refresh=False,
            strategy="",
            connection="warehouse",
            parameters=parameters,
        )
        return Desk(plan, {**self.urls, **(urls or {})}, self.spool, tuple(secrets), self.log)

    @contextmanager
    def answering(self, desk=None, **options):
        """Let this process ask as an asset's does."""
        desk = desk or self.desk(**options)
        lookup = Lookup(desk._plan.asset, Upstream(), lambda _connection: None)
        with Broker(desk, self.log, lookup) as broker:
            descriptor = os.dup(broker.descriptor)
            broker.begin()
            open_channel(descriptor, desk.connections)
            try:
                yield desk
            finally:
                channel_module._open[0]._sock.close()
                channel_module._open.clear()


@pytest.fixture
def warehouse(kind, tmp_path, log, monkeypatch, empty_database):
    monkeypatch.setenv("BRUIN_CONNECTION", "warehouse")
    return Warehouse(kind, tmp_path, log, empty_database(kind) if kind in SERVERS else "")


@pytest.fixture
def lake(tmp_path, log, monkeypatch):
    """The same with DuckDB alone."""
    monkeypatch.setenv("BRUIN_CONNECTION", "warehouse")
    return Warehouse("duckdb", tmp_path, log)


@pytest.fixture
def shelf(tmp_path, log, monkeypatch):
    """The same with SQLite alone."""
    monkeypatch.setenv("BRUIN_CONNECTION", "warehouse")
    return Warehouse("sqlite", tmp_path, log)


@pytest.fixture
def package_index(tmp_path, monkeypatch):
    """A package index with a small package of the name pyarrow, and a cache of uv that has nothing."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    index = PackageIndex(tmp_path / "index")
    index.add("pyarrow", "99.0", PYARROW)
    yield index
    index.down()
    shutil.rmtree(tmp_path / "uv-cache", ignore_errors=True)


TIERS = {"process": EVERYTHING, "namespaces": View(apart=True)}


@pytest.fixture(params=TIERS)
def tier(request, monkeypatch, namespaces, tmp_path):
    """Both ways of setting user code apart. Both keep all promises."""
    if request.param == "namespaces" and namespaces:
        pytest.skip(namespaces)
    view = TIERS[request.param].writing(tmp_path)
    monkeypatch.setattr(Child.__init__, "__defaults__", (view,))
    return request.param
