"""What is timed: a load as its task does it, its bulk path alone, and the quickest that the database can do.

Each function prepares a case and returns its work: what happens before is not measured.
"""

# Names are this file's own.

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Work = Callable[[], Any]

HEADER = """\
name: {name}
connection: warehouse
materialization: {{type: table, strategy: {strategy}{key}}}
columns: [{{name: id, primary_key: true}}]
"""


def load(place: Path, file: Path, strategy: str, url: str) -> Work:
    """One load of a sealed file: opened, summed, validated, locked, staged, published, with its ledger row."""
    import pyarrow as pa
    from uuid6 import uuid7

    from airflow_materialize.arrow_file import examine
    from airflow_materialize.definition.project.project import parse_project
    from airflow_materialize.load.ledger import Attempt
    from airflow_materialize.plan.interval import Interval
    from airflow_materialize.plan.planning import plan_run
    from airflow_materialize.plan.run_plan import Trigger
    from airflow_materialize.report import RunReport
    from airflow_materialize.settings import Settings
    from airflow_materialize.staged_file import Manifest, part_path, seal
    from airflow_materialize.steps import load_step
    from airflow_materialize.workplace import Workplace

    (place / "bench").mkdir(exist_ok=True)
    day = "day" if "day" in pa.ipc.open_file(pa.memory_map(str(file))).schema.names else "l_shipdate"
    key = f", incremental_key: {day}" if strategy == "delete+insert" else ""
    header = HEADER.format(name=table_of(url), strategy=strategy, key=key)
    (place / "bench" / "orders.py").write_text(f'"""@bruin\n{header}@bruin"""\n')
    (pipeline,) = parse_project(place)
    (parsed,) = pipeline.assets
    interval = Interval(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    trigger = Trigger("bench", str(uuid7()), "manual", datetime.now(UTC), interval)
    plan = plan_run(parsed.asset, pipeline.pipeline, trigger, source=parsed.script, source_hash=parsed.source_hash)
    staged = place / "staged"
    shutil.copyfile(file, part_path(staged, plan, "1-1"))
    sealed = seal(staged, plan, "1-1", examine)
    manifest = Manifest(plan, RunReport(parsed.asset.name, "data", sealed.rows), "1-1", (sealed,))
    workplace = Workplace(place, "bench", Settings(staged, place / "environments"), {"warehouse": url})
    _warm(url)
    return lambda: load_step(
        manifest,
        workplace,
        attempt=Attempt(uuid7().hex, 1),
        execution_time=datetime.now(UTC),
        log=logging.getLogger("bench"),
    )


def bulk(place: Path, file: Path, url: str) -> Work:
    """The bulk path of a destination alone: the batches of a file into a new table, nothing checked."""
    import pyarrow as pa

    from airflow_materialize.connections import resolve
    from airflow_materialize.destinations.base import for_connection

    del place
    destination = for_connection(resolve("warehouse", {"warehouse": url}))
    table = destination.table("bare")
    source = pa.ipc.open_file(pa.memory_map(str(file)))
    _warm(url)

    def work() -> None:
        with destination.session() as session, session.transaction():
            kinds = {field.name: session.storable(field.type) for field in source.schema}
            schema = pa.schema([*kinds.items()])
            session.create_table(table, {name: session.column_type(kind) for name, kind in kinds.items()})
            batches = (source.get_batch(index).cast(schema) for index in range(source.num_record_batches))
            session.bulk(table, schema, batches)

    return work


def table_of(url: str) -> str:
    """Return the table's name: the schema of MySQL is the database."""
    return "orders" if url.startswith("mysql") else "bench.orders"


def limit(place: Path, file: Path, url: str) -> Work:
    """The quickest that the database can do with the same rows, already in its own format where it has one."""
    kind = urlsplit(url).scheme
    return {"duckdb": _duckdb, "sqlite": _sqlite, "postgres": _postgres, "mysql": _mysql}[kind](place, file, url)


def run(url: str, *statements: str) -> None:
    """Run statements on the database of a case."""
    from airflow_materialize.connections import resolve
    from airflow_materialize.destinations.base import for_connection

    with for_connection(resolve("warehouse", {"warehouse": url})).session() as session, session.transaction():
        for statement in statements:
            session.execute(statement)


def _warm(url: str) -> None:
    """Import what a worker has imported long ago."""
    from airflow_materialize.connections import resolve
    from airflow_materialize.destinations.base import for_connection

    with for_connection(resolve("warehouse", {"warehouse": url})).session(read_only=True) as session:
        session.rows("SELECT 1")


def _duckdb(place: Path, file: Path, url: str) -> Work:
    """CREATE TABLE AS from the same Arrow file, mapped."""
    import duckdb
    import pyarrow as pa

    del url
    data = pa.ipc.open_file(pa.memory_map(str(file))).read_all()

    def work() -> None:
        with duckdb.connect(str(place / "bare.duckdb")) as connection:
            connection.register("data", data)
            connection.execute("CREATE OR REPLACE TABLE orders AS SELECT * FROM data")

    return work


def _sqlite(place: Path, file: Path, url: str) -> Work:
    """INSERT SELECT from an attached database."""
    import sqlite3

    load(place, file, "create+replace", url)()
    made = urlsplit(url).path

    def work() -> None:
        connection = sqlite3.connect(place / "bare.db")
        connection.execute("ATTACH ? AS made", [made])
        connection.execute('CREATE TABLE orders AS SELECT * FROM made."bench.orders"')
        connection.commit()
        connection.close()

    return work


def _postgres(place: Path, file: Path, url: str) -> Work:
    r"""`psql \copy` of a ready binary file."""
    load(place, file, "create+replace", url)()
    ready = place / "orders.bin"

    def psql(command: str) -> None:
        address = url.replace("postgres://", "postgresql://", 1)
        subprocess.run(["psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", address, "-c", command], check=True)

    psql(f"\\copy bench.orders TO '{ready}' WITH (FORMAT binary)")
    psql("CREATE TABLE bench.bare (LIKE bench.orders)")
    return lambda: psql(f"\\copy bench.bare FROM '{ready}' WITH (FORMAT binary)")


def _mysql(place: Path, file: Path, url: str) -> Work:
    """Server-side LOAD DATA of a ready CSV file."""
    import pyarrow as pa
    from pyarrow import csv

    load(place, file, "create+replace", url)()
    table = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
    for index, column in enumerate(table.schema):
        if pa.types.is_boolean(column.type):
            table = table.set_column(index, column.name, table[index].cast(pa.int8()))
        elif pa.types.is_timestamp(column.type):
            table = table.set_column(index, column.name, table[index].cast(pa.timestamp("us")))
    ready = place / "orders.csv"
    csv.write_csv(table, ready, csv.WriteOptions(include_header=False))
    for each in (ready, place, *place.parents[:2]):
        each.chmod(each.stat().st_mode | 0o055)
    run(url, "CREATE TABLE bare LIKE orders")
    statement = (
        f"LOAD DATA INFILE '{ready}' INTO TABLE bare CHARACTER SET utf8mb4 FIELDS TERMINATED BY ','"
        " OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"
    )
    return lambda: run(url, statement)
