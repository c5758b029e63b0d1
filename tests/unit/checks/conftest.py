from __future__ import annotations

import pytest

from airflow_materialize.checks.scan import run_checks
from airflow_materialize.connections import resolve
from airflow_materialize.definition.model.column import Column
from airflow_materialize.destinations.base import for_connection


class Warehouse:
    """A database file, filled and read through its destination."""

    def __init__(self, kind, url):
        self.kind = kind
        self.destination = for_connection(resolve("warehouse", {"warehouse": url}))

    def fill(self, name, rows):
        table = self.destination.table(name)
        with self.destination.session() as session:
            session.create_schema(table)
            columns = {field.name: session.column_type(session.storable(field.type)) for field in rows.schema}
            session.create_table(table, columns)
            session.bulk(table, rows.schema, rows.to_batches())

    def quoted(self, name):
        with self.destination.session(read_only=True) as session:
            return session.name_of(self.destination.table(name))

    def execute(self, *statements):
        with self.destination.session() as session:
            for statement in statements:
                session.execute(statement)

    def check(self, name, columns=(), custom_checks=(), **options):
        with self.destination.session(read_only=True) as session:
            return run_checks(
                session,
                self.destination.table(name),
                columns,
                custom_checks,
                table_of=self.destination.table,
                **options,
            )

    def verdict(self, rows, check, value=None, **fields):
        """The one verdict on column `c` of a table that is made of `rows`."""
        self.fill("raw.orders", rows)
        column = Column.model_validate({"name": "c", "checks": [{"name": check, "value": value}], **fields})
        (verdict,) = self.check("raw.orders", [column]).verdicts
        return verdict


@pytest.fixture(params=["duckdb", "postgres", "sqlite"])
def kind(request):
    return request.param


@pytest.fixture
def warehouse(kind, tmp_path, empty_database):
    embedded = kind in {"duckdb", "sqlite"}
    return Warehouse(kind, f"{kind}://{tmp_path}/shop.{kind}" if embedded else empty_database(kind))
