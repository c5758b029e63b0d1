from __future__ import annotations

from datetime import date

import pytest

from airflow_materialize.execution.queries.statements import midnight_only, shown, tables_read

DAYS = {date(2026, 4, 1)}


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT * FROM orders", ["orders"]),
        ("SELECT * FROM lake.raw.orders o JOIN raw.lines USING (id)", ["lake.raw.orders", "raw.lines"]),
        ("WITH orders AS (SELECT * FROM orders) SELECT * FROM orders", ["orders"]),
        ("WITH o AS (SELECT * FROM a), p AS (SELECT * FROM o) SELECT * FROM p", ["a"]),
        ("SELECT 1 WHERE 1 IN (SELECT x FROM b) UNION ALL SELECT y FROM c", ["b", "c"]),
        ('SELECT * FROM "a ""b"""."c"', ['a "b".c']),
        ("SELECT * FROM range(3)", []),
        ("FROM orders", ["orders"]),
        ("-- a word\n/* and\nanother */ (SELECT * FROM orders)", ["orders"]),
        ("EXPLAIN SELECT * FROM orders", []),
        ("DESCRIBE orders", []),
        ("SELECT FROM WHERE", []),
        ("SELECT " + "(" * 5000, []),
    ],
)
def test_the_tables_of_a_statement_are_found(sql, tables):
    assert sorted(tables_read(sql, "duckdb")) == tables


@pytest.mark.parametrize(
    ("sql", "dialect", "parameters"),
    [
        ("SELECT 1 FROM t WHERE seen BETWEEN '2026-04-01' AND '2026-04-01'", "duckdb", []),
        ("SELECT 1 FROM t WHERE seen BETWEEN DATE '2026-04-01' AND '2026-04-01'::timestamp", "duckdb", []),
        ("SELECT 1 FROM t WHERE x = ? AND seen BETWEEN ? AND ?", "duckdb", [1, "2026-04-01", date(2026, 4, 1)]),
        ("SELECT 1 FROM t WHERE seen BETWEEN $a AND $a", "duckdb", {"a": date(2026, 4, 1)}),
        ("SELECT 1 FROM t WHERE seen BETWEEN :a AND :b", "sqlite", {"a": "2026-04-01", "b": "2026-04-01"}),
    ],
)
def test_a_day_between_itself_is_found(sql, dialect, parameters):
    assert midnight_only(sql, dialect, parameters, DAYS) == "seen"


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite", "postgres", "mysql"])
@pytest.mark.parametrize("day", ["CAST(seen AS DATE)", "DATE(seen)", "(CAST(seen AS DATE))"])
def test_the_day_of_a_moment_between_itself_is_no_mistake(dialect, day):
    sql = f"SELECT 1 FROM t WHERE {day} BETWEEN '2026-04-01' AND '2026-04-01'"
    assert midnight_only(sql, dialect, [], DAYS) == ""


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite", "postgres", "mysql"])
@pytest.mark.parametrize(("mark", "parameters"), [("?", ["2026-04-01"] * 2), (":day", {"day": "2026-04-01"})])
def test_statements_of_each_dialect_are_read_with_their_placeholders(dialect, mark, parameters):
    sql = f"SELECT 1 FROM raw.t WHERE seen BETWEEN {mark} AND {mark}"
    assert midnight_only(sql, dialect, parameters, DAYS) == "seen"
    assert tables_read(sql, dialect) == ["raw.t"]


@pytest.mark.parametrize(
    ("between", "parameters"),
    [
        ("'2026-04-01' AND '2026-04-02'", []),
        ("'2026-04-01' AND '2026-04-01T23:59:59'", []),
        ("'2026-05-01' AND '2026-05-01'", []),
        ("? AND ?", ["2026-04-01"]),
        ("1 AND 1", []),
        ("low AND low", []),
    ],
)
def test_what_else_stands_between_is_no_mistake(between, parameters):
    assert midnight_only(f"SELECT 1 FROM t WHERE seen BETWEEN {between}", "duckdb", parameters, DAYS) == ""


def test_a_statement_is_one_line_of_the_log_and_cut():
    assert shown("SELECT\n  1") == "SELECT 1"
    assert len(shown("x" * 10_000)) < 600
