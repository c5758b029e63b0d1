"""What the contract suite shares: every test runs on every destination, by Airflow's hook and by URL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_materialize.connections import resolve
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.destinations import MODULES
from airflow_materialize.destinations.base import Destination, Table, for_connection
from airflow_materialize.load.ledger import Attempt
from airflow_materialize.load.loader import load_nothing, load_table
from airflow_materialize.load.staging import SealedResult
from airflow_materialize.plan.interval import Interval
from airflow_materialize.plan.run_plan import RunPlan
from airflow_materialize.report import LoadReport

FIRST = Attempt("01930000-0000-7000-8000-000000000001", 1)


@dataclass(frozen=True)
class ArrowFile:
    """An Arrow file on disk, as the loader takes it."""

    path: Path
    id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", self.id or str(self.path))

    @property
    def schema(self) -> pa.Schema:
        with pa.ipc.open_file(self.path) as reader:
            return reader.schema

    @property
    def rows(self) -> int:
        return sum(batch.num_rows for batch in self.batches())

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def batches(self) -> Iterator[pa.RecordBatch]:
        with pa.ipc.open_file(self.path) as reader:
            for index in range(reader.num_record_batches):
                yield reader.get_batch(index)


def interval(start: str, end: str) -> Interval:
    return Interval(*(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end)))


@dataclass
class Warehouse:
    """One empty database of one kind, and short words for what tests do with it."""

    destination: Destination
    folder: Path
    path: Path
    url: str
    empty: Callable[[], None]
    loads: int = 0
    said: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return self.destination.conn_type

    def written(self, name: str) -> str:
        """The name of an asset's table as people write it in SQL."""
        return name if self.destination.capabilities.schemas else f'"{name}"'

    def sql(self, text: str) -> str:
        """Return a statement of a test as this kind of database writes it."""
        if self.kind != "mysql":
            return text
        text = text.replace("AS VARCHAR", "AS CHAR").replace('"', "`").replace("BOOLEAN", "TINYINT(1)")
        return (
            text.replace(" TIMESTAMP", " DATETIME(6)")
            .replace(" VARCHAR ", " VARCHAR(99) ")
            .replace(" VARCHAR)", " VARCHAR(99))")
        )

    @property
    def caseless(self) -> str:
        """A collation in which a text and its capitals are equal."""
        return {"mysql": "utf8mb4_general_ci"}.get(self.kind, "NOCASE")

    @property
    def default_schema(self) -> str:
        """The schema of names without one, with its dot; empty where there are no schemas."""
        return {"duckdb": "main.", "postgres": "public."}.get(self.kind, "")

    def plan(
        self, strategy: str = "create+replace", *, name: str = "raw.orders", run: str = "run", **changes: Any
    ) -> RunPlan:
        columns = changes.pop("columns", ())
        options = changes.pop("options", {})
        plan_fields = {key: changes.pop(key) for key in [*changes] if key in RunPlan.__dataclass_fields__}
        declared = changes.pop("declared", strategy)
        asset = Asset.model_validate(
            {
                "name": name,
                "columns": [{"name": column} if isinstance(column, str) else column for column in columns],
                "materialization": {"type": "table", "strategy": declared, **options, **changes},
            }
        )
        plan = RunPlan(
            asset=asset,
            pipeline="sales",
            source="sales/assets/orders.py",
            source_hash="0" * 64,
            dag_id="sales",
            run_id=run,
            run_type="manual",
            interval=None,
            full_refresh=False,
            strategy=strategy,
            connection="warehouse",
        )
        return replace(plan, **plan_fields)

    def stage(self, data: Any, *, batch_rows: int | None = None) -> ArrowFile:
        table = data if isinstance(data, pa.Table) else pa.table(data)
        self.loads += 1
        path = self.folder / f"{self.loads}.arrow"
        with pa.ipc.new_file(path, table.schema) as writer:
            for batch in table.to_batches(max_chunksize=batch_rows):
                writer.write_batch(batch)
        return ArrowFile(path)

    def load(
        self,
        data: Any,
        strategy: str = "create+replace",
        *,
        attempt: Attempt = FIRST,
        before_commit: Any = None,
        **changes: Any,
    ) -> LoadReport:
        """Load a result. Each call is a DAG run of its own unless `run` says otherwise."""
        source = data if isinstance(data, ArrowFile | SealedResult) else self.stage(data)
        plan = changes.pop("plan", None) or self.plan(strategy, **{"run": f"run {self.loads}", **changes})
        return load_table(
            source, self.destination, plan, attempt, before_commit=before_commit, progress=self.said.append
        )

    def load_nothing(self, strategy: str = "create+replace", **changes: Any) -> LoadReport:
        return load_nothing(self.destination, self.plan(strategy, **changes), progress=self.said.append)

    def table(self, name: str = "raw.orders") -> Table:
        return self.destination.table(name)

    def rows(self, name: str = "raw.orders", columns: str = "*") -> list[tuple[Any, ...]]:
        with self.destination.session(read_only=True) as session:
            found = session.rows(f"SELECT {self.sql(columns)} FROM {session.name_of(self.table(name))}")
        return sorted(found, key=repr)

    def types(self, name: str = "raw.orders") -> dict[str, str] | None:
        with self.destination.session(read_only=True) as session:
            return session.columns(self.table(name))

    def settle(self) -> None:
        """Wait for the end of what a server still does for a load whose process is gone."""
        with self.destination.session() as session, session.transaction():
            session.lock(self.table())

    def ledger(self, columns: str = "*") -> list[tuple[Any, ...]]:
        return self.rows(self.ledger_name, columns)

    @property
    def ledger_name(self) -> str:
        return "raw._materialize_loads" if self.destination.capabilities.schemas else "_materialize_loads"

    def run(self, *statements: str) -> None:
        """Do something behind the loader's back; `{t}` is the table, `{i}` its name where an index names it."""
        with self.destination.session() as session:
            name = session.name_of(self.table())
            indexed = name if self.destination.capabilities.schemas else session.quote("raw.orders")
            for statement in statements:
                session.execute(self.sql(statement).replace("{t}", name).replace("{i}", indexed))


@pytest.fixture
def make_warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: Callable[[str], str]
) -> Callable[..., Warehouse]:
    def make(kind: str, way: str = "url") -> Warehouse:
        folder = tmp_path / f"{kind}-{way}"
        folder.mkdir()
        path = folder / "shop.db"
        url = f"{kind}://{path}" if kind in EMBEDDED else empty_database(kind)
        if way == "url":
            connection = resolve("warehouse", {"warehouse": url})
        else:
            as_airflow_has_it = json.dumps({"conn_type": kind, "host": str(path)}) if kind in EMBEDDED else url
            monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", as_airflow_has_it)
            connection = resolve("warehouse")

        def empty() -> None:
            for file in folder.glob(f"{path.name}*"):
                file.unlink()
            if kind not in EMBEDDED:
                empty_database(kind)

        return Warehouse(for_connection(connection), folder, path, url, empty)

    return make


EMBEDDED = {"duckdb", "sqlite"}


@pytest.fixture(params=MODULES)
def warehouse(request: pytest.FixtureRequest, make_warehouse: Callable[..., Warehouse]) -> Warehouse:
    return make_warehouse(request.param)


@pytest.fixture
def between() -> Callable[[str, str], Interval]:
    return interval


@pytest.fixture
def first_attempt() -> Attempt:
    return FIRST
