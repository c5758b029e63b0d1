from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_materialize.checks.scan import explain
from airflow_materialize.definition.model.asset import CustomCheck
from airflow_materialize.definition.model.column import Column
from airflow_materialize.errors import MaterializeError
from airflow_materialize.report import CheckReport, Verdict

ORDERS = pa.table({"id": [1, 1, None], "state": ["new", "odd", "paid"], "amount": [-1.5, 2.0, 3.0]})


def column(name, *checks, **fields):
    named = [{"name": check} if isinstance(check, str) else check for check in checks]
    return Column.model_validate({"name": name, "checks": named, **fields})


@pytest.fixture
def orders(warehouse):
    warehouse.fill("raw.orders", ORDERS)
    return warehouse


def test_every_failing_check_is_reported_in_the_order_of_the_header(orders):
    report = orders.check(
        "raw.orders",
        [
            column("amount", "non_negative", "not_null"),
            column("id", "unique", "not_null"),
            column("state", {"name": "accepted_values", "value": ["new", "paid"]}),
        ],
        [CustomCheck(name="no orders", query="SELECT 3")],
    )
    assert (report.table, report.rows) == ("raw.orders", 3)
    assert [(verdict.column, verdict.check, verdict.count) for verdict in report.verdicts] == [
        ("amount", "non_negative", 1),
        ("amount", "not_null", 0),
        ("id", "unique", 1),
        ("id", "not_null", 1),
        ("state", "accepted_values", 1),
        ("", "no orders", 3),
    ]
    assert [verdict.passed for verdict in report.verdicts] == [False, True, False, False, False, False]
    assert report.seconds > 0


def test_all_column_checks_are_one_scan(orders):
    statements = []
    with orders.destination.session(read_only=True) as session:
        from airflow_materialize.checks.scan import run_checks

        rows = session.rows

        def counted(sql, parameters=()):
            statements.append(sql)
            return rows(sql, parameters)

        session.rows = counted
        table = orders.destination.table("raw.orders")
        columns = [column(name, "not_null", "unique", {"name": "pattern", "value": "."}) for name in ("id", "state")]
        assert len(run_checks(session, table, columns).verdicts) == 6
    name = orders.quoted("raw.orders")
    assert len([sql for sql in statements if sql.endswith(f"FROM {name}")]) == 1


@pytest.mark.parametrize(("blocking", "names"), [(True, ["not_null", "a"]), (False, ["unique", "b"]), (None, None)])
def test_blocking_picks_the_checks(orders, blocking, names):
    checks = column("id", "not_null", {"name": "unique", "blocking": False})
    custom = [CustomCheck(name="a", query="SELECT 0"), CustomCheck(name="b", query="SELECT 0", blocking=False)]
    report = orders.check("raw.orders", [checks], custom, blocking=blocking)
    assert [verdict.check for verdict in report.verdicts] == (names or ["not_null", "unique", "a", "b"])


def test_a_table_without_checks_is_counted(orders):
    report = orders.check("raw.orders", [column("id")])
    assert (report.rows, report.verdicts) == (3, [])


def test_a_missing_table_is_an_error_that_names_it(warehouse):
    with pytest.raises(MaterializeError) as caught:
        warehouse.check("raw.nowhere", [column("id", "not_null")])
    assert str(caught.value) == (
        "there is no table raw.nowhere to check\n"
        "Hint: a load makes it; an asset that gave no data yet makes it if its columns declare types"
    )


def test_a_missing_column_fails_its_checks_and_the_others_run(orders):
    columns = [column("amuont", "positive"), column("id", "not_null")]
    first, second = orders.check("raw.orders", columns).verdicts
    assert not first.passed
    assert first.found == "an error: there is no column 'amuont' (did you mean 'amount'? one of: amount, id, state)"
    assert second.count == 1


def test_column_names_differ_in_case_alone_as_the_database_has_it(orders):
    (verdict,) = orders.check("raw.orders", [column("ID", "not_null")]).verdicts
    assert verdict.count == 1


def test_a_check_that_the_database_refuses_does_not_hide_the_others(orders):
    columns = [
        column("id", "not_null"),
        column("state", {"name": "pattern", "value": r"\p{Lu}"}, {"name": "pattern", "value": "(?>a)b"}),
        column("amount", "positive"),
    ]
    verdicts = orders.check("raw.orders", columns).verdicts
    assert verdicts[0].count == 1
    assert verdicts[3].count == 1
    refused = [verdict for verdict in verdicts if verdict.found.startswith("an error: ")]
    assert {verdict.check for verdict in refused} == {"pattern"}
    assert not any(verdict.passed for verdict in refused)


@pytest.mark.parametrize(
    "name", ["order", "a b", 'quo"te', "semi;colon", "--", "Größe", "a'b", "[x]", "`x`", "%s", "{x}", "?"]
)
def test_any_column_name_is_checked(warehouse, name):
    warehouse.fill("raw.odd", pa.table({name: ["a", None], "canary": [1, 2]}))
    checks = column(name, "not_null", "unique", {"name": "pattern", "value": "^a$"}, {"name": "min", "value": "b"})
    counts = [verdict.count for verdict in warehouse.check("raw.odd", [checks]).verdicts]
    assert counts == [1, 0, 0, 1]


@pytest.mark.parametrize("name", ["raw.order", "raw.a b", "raw.x'; drop table y; --", 'raw.quo"te'])
def test_any_table_name_is_checked(warehouse, name):
    warehouse.fill(name, pa.table({"id": [1, None]}))
    report = warehouse.check(name, [column("id", "not_null")])
    assert (report.table, report.rows, report.verdicts[0].count) == (name, 2, 1)


def test_a_table_of_four_hundred_checks_is_read(warehouse):
    warehouse.fill("wide", pa.table({f"c{number}": [number, None] for number in range(100)}))
    checks = ("not_null", "unique", "non_negative", {"name": "accepted_values", "value": [5]})
    columns = [column(f"c{number}", *checks) for number in range(100)]
    report = warehouse.check("wide", columns)
    assert len(report.verdicts) == 400
    assert sum(verdict.count for verdict in report.verdicts) == 100 + 99


def test_the_explanation_lists_every_failing_check_and_says_where_the_data_is():
    report = CheckReport(
        "raw.orders",
        1234,
        [
            Verdict("unique", "id", True, False, "each value once", "2 repeated values in 1,234 rows", 2),
            Verdict("not_null", "id", True, True, "no NULL", "no NULL in 1,234 rows", 0),
            Verdict("totals", "", True, False, "0", "1,500", 1500),
        ],
    )
    assert explain(report) == (
        "2 of 3 checks of raw.orders failed (1,234 rows):\n"
        "  id: unique: expected each value once, found 2 repeated values in 1,234 rows, count 2\n"
        "  totals: expected 0, found 1,500, count 1,500\n"
        "The data stays in raw.orders as it was loaded."
    )
