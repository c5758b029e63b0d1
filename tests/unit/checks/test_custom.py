from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_materialize.definition.model.asset import CustomCheck

ONLY_READS = "(one SELECT that only reads)"
NULL = "the query gave NULL, not a number (coalesce(…, 0) where NULL stands for none)"
AGGREGATE = "(aggregate, as `SELECT count(*) …`, or declare `count` to have the rows counted)"


@pytest.fixture
def verdict(warehouse):
    """Runs one custom check on a table `orders` with the amounts 1, 2 and 3."""
    warehouse.fill("orders", pa.table({"amount": [1, 2, 3]}))

    def run(query, render=None, **fields):
        check = CustomCheck(name="totals", query=query, **fields)
        (answer,) = warehouse.check("orders", custom_checks=[check], render=render).verdicts
        return answer

    return run


@pytest.mark.parametrize(
    ("query", "fields", "passed", "expected", "found", "count"),
    [
        ("SELECT count(*) FROM orders WHERE amount < 0", {}, True, "0", "0", 0),
        ("SELECT count(*) FROM orders", {}, False, "0", "3", 3),
        ("SELECT sum(amount) FROM orders", {"value": 6}, True, "6", "6", 6),
        ("SELECT avg(amount) FROM orders", {"value": 2}, True, "2", "2.0", 2),
        ("SELECT 0.4", {}, False, "0", "0.4", 0),
        ("SELECT count(*) > 2 FROM orders", {"value": 1}, True, "1", "1", 1),
        ("SELECT '6'", {"value": 6}, True, "6", "6", 6),
        ("SELECT amount FROM orders WHERE amount > 2", {"count": 1}, True, "1 row", "1 row", 1),
        ("SELECT amount FROM orders", {"count": 0}, False, "0 rows", "3 rows", 3),
        ("SELECT amount FROM orders WHERE amount > 9", {"count": 0}, True, "0 rows", "0 rows", 0),
        ("SELECT amount, amount + 1 FROM orders", {"count": 3}, True, "3 rows", "3 rows", 3),
        ("WITH a AS (SELECT 1 FROM orders) SELECT count(*) - 1 FROM a", {"value": 2}, True, "2", "2", 2),
        ("SELECT 1 UNION ALL SELECT 2", {"count": 2}, True, "2 rows", "2 rows", 2),
    ],
)
def test_a_query_is_compared_with_its_value_or_its_count(verdict, query, fields, passed, expected, found, count):
    answer = verdict(query, **fields)
    found = "2" if "avg" in query and answer.found == "2" else found  # Some databases have decimals for it.
    assert (answer.passed, answer.expected, answer.found, answer.count) == (passed, expected, found, count)
    assert (answer.check, answer.column, answer.blocking) == ("totals", "", True)


@pytest.mark.parametrize("end", [";", " ; ;\n", " -- all of them", ";\n-- all of them\n", " /* all */ ;"])
@pytest.mark.parametrize("fields", [{"count": 3}, {}])
def test_a_semicolon_or_comment_at_the_end_is_no_second_statement(verdict, end, fields):
    query = "SELECT amount FROM orders" if fields else "SELECT count(*) - 3 FROM orders"
    assert verdict(query + end, **fields).passed


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT 1; SELECT 2", "the query has 2 statements (one SELECT)"),
        ("DROP TABLE orders", f"the query is no SELECT {ONLY_READS}"),
        ("DELETE FROM orders", f"the query is no SELECT {ONLY_READS}"),
        ("INSERT INTO orders SELECT 1", f"the query is no SELECT {ONLY_READS}"),
        ("CREATE TABLE copies AS SELECT 1", f"the query is no SELECT {ONLY_READS}"),
        ("PRAGMA user_version = 3", f"the query is no SELECT {ONLY_READS}"),
        ("ATTACH 'other.db' AS other", f"the query is no SELECT {ONLY_READS}"),
        (
            "WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) FROM gone",
            f"the query is no SELECT {ONLY_READS}",
        ),
        (";", "the query is empty (one SELECT)"),
        ("-- nothing", "the query is empty (one SELECT)"),
        ("SELECT NULL", NULL),
        ("SELECT sum(amount) FROM orders WHERE amount > 9", NULL),
        ("SELECT amount FROM orders WHERE amount > 9", f"the query gave 0 rows, not one {AGGREGATE}"),
        ("SELECT amount FROM orders", f"the query gave 3 rows, not one {AGGREGATE}"),
        ("SELECT 1, 2", "the query gave 2 columns, not one"),
        ("SELECT 'many'", "the query gave a value of type str, not a number"),
    ],
)
def test_a_query_that_gives_no_number_fails_and_says_why(verdict, query, reason):
    answer = verdict(query)
    assert not answer.passed
    if query.startswith("ATTACH"):
        # Where it is no statement at all, it is no SQL.
        assert answer.found.startswith(("an error: the query is no SELECT", "an error: the query is no SQL"))
    else:
        assert answer.found == f"an error: {reason}"
    assert verdict("SELECT count(*) FROM orders", value=3).passed


@pytest.mark.parametrize("kind", ["duckdb"])
def test_broken_sql_is_shown_with_its_place(verdict):
    answer = verdict("SELECT count(* FROM\n  orders WHERE (")
    assert not answer.passed
    assert answer.found.startswith("an error: the query is no SQL of duckdb: ")
    assert "line 1" in answer.found


def test_an_unknown_column_in_a_query_is_the_databases_own_word(verdict):
    answer = verdict("SELECT count(amuont) FROM orders")
    assert not answer.passed
    assert "amuont" in answer.found
    assert "\n" not in answer.found


def test_a_query_is_rendered_first(verdict):
    answer = verdict(
        "SELECT count(*) FROM {{ this }}", render=lambda text: text.replace("{{ this }}", "orders"), value=3
    )
    assert answer.passed
