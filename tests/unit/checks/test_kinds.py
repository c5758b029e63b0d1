from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest

from airflow_materialize.checks.kinds import KINDS
from airflow_materialize.definition.model.column import CHECKS


def rows(*values, type=None):  # noqa: A002
    return pa.table({"c": pa.array(values, type)})


def test_every_check_that_a_header_may_name_is_there_and_no_other():
    assert list(KINDS) == list(CHECKS)


@pytest.mark.parametrize(
    ("check", "value", "values", "count", "expected", "found"),
    [
        ("not_null", None, (1, None, None), 2, "no NULL", "2 NULLs in 3 rows"),
        ("not_null", None, (1,), 0, "no NULL", "no NULL in 1 row"),
        ("unique", None, (1, 1, 1, 2, None, None), 2, "each value once", "2 repeated values in 6 rows"),
        ("unique", None, (None, None, 1), 0, "each value once", "no repeated value in 3 rows"),
        ("positive", None, (0, 1, None), 1, "only values above 0", "1 value of 0 or less in 3 rows"),
        ("non_negative", None, (-1, 0, -0.5, None), 2, "no value below 0", "2 values below 0 in 4 rows"),
        ("negative", None, (-1, 0, 1, None), 2, "only values below 0", "2 values of 0 or more in 4 rows"),
        ("min", 2, (1, 2, 3, None), 1, "no value below 2", "1 value below 2 in 4 rows"),
        ("max", 2, (1, 2, 3, None), 1, "no value above 2", "1 value above 2 in 4 rows"),
        ("accepted_values", ["a", "b"], ("a", "c", None), 1, "only 'a', 'b'", "1 other value in 3 rows"),
        (
            "pattern",
            "^a",
            ("ab", "ba", None),
            1,
            "only values that match '^a'",
            "1 value that does not match in 3 rows",
        ),
    ],
)
def test_each_check_counts_the_rows_that_break_it(warehouse, check, value, values, count, expected, found):
    verdict = warehouse.verdict(rows(*values), check, value)
    assert (verdict.count, verdict.expected, verdict.found) == (count, expected, found)
    assert verdict.passed is (count == 0)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        ("unique", None),
        ("positive", None),
        ("non_negative", None),
        ("negative", None),
        ("min", 5),
        ("max", -5),
        ("accepted_values", [7]),
        ("pattern", "^7$"),
    ],
)
def test_nulls_break_nothing_but_not_null(warehouse, check, value):
    assert warehouse.verdict(rows(None, None, type=pa.int64()), check, value).passed


@pytest.mark.parametrize("check", ["not_null", "unique", "positive", "negative"])
def test_an_empty_table_breaks_nothing(warehouse, check):
    verdict = warehouse.verdict(rows(type=pa.int64()), check)
    assert verdict.passed
    assert verdict.found.endswith("in 0 rows")


DAYS = pa.array([date(2026, 3, 31), date(2026, 4, 1), date(2026, 4, 2), None])
MOMENTS = [datetime(2026, 4, 1), datetime(2026, 4, 1, 10), datetime(2026, 4, 1, 10, 0, 0, 1), datetime(2026, 4, 2)]
NAIVE = pa.array(MOMENTS, pa.timestamp("us"))
AWARE = pa.array([moment.replace(tzinfo=UTC) for moment in MOMENTS], pa.timestamp("us", "UTC"))
CLOCKS = pa.array([time(9), time(10), time(10, 0, 0, 1)])


@pytest.mark.parametrize(
    ("values", "value", "below", "above"),
    [
        (DAYS, "2026-04-01", 1, 1),
        (DAYS, "2026-04-01T12:00", 2, 1),
        (NAIVE, "2026-04-01", 0, 3),
        (NAIVE, "2026-04-01 10:00", 1, 2),
        (NAIVE, "2026-04-01T10:00:00", 1, 2),
        (NAIVE, "2026-04-01T12:00:00+02:00", 1, 2),
        (NAIVE, "2026-04-01 10:00:00.000001", 2, 1),
        (AWARE, "2026-04-01", 0, 3),
        (AWARE, "2026-04-01 10:00", 1, 2),
        (AWARE, "2026-04-01T10:00:00Z", 1, 2),
        (AWARE, "2026-04-01T12:00:00+02:00", 1, 2),
        (CLOCKS, "10:00", 1, 1),
        (CLOCKS, "10:00:00", 1, 1),
    ],
)
def test_days_and_moments_compare_in_time(warehouse, values, value, below, above):
    assert warehouse.verdict(pa.table({"c": values}), "min", value).count == below
    warehouse.execute(f"DROP TABLE {warehouse.quoted('raw.orders')}")
    assert warehouse.verdict(pa.table({"c": values}), "max", value).count == above


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_a_moment_without_a_zone_is_in_utc_wherever_the_worker_is(warehouse, zone, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    assert warehouse.verdict(pa.table({"c": AWARE}), "min", "2026-04-01 10:00").count == 1


@pytest.mark.parametrize(
    ("values", "value", "below", "above"),
    [
        (pa.array([Decimal("9.99"), Decimal("10.00"), Decimal("100.00")]), 10, 1, 1),
        (pa.array([Decimal("-5.00"), Decimal("0.10")]), 0.1, 1, 0),
        (pa.array([0.1, 0.2], pa.float64()), 0.1, 0, 1),
        (pa.array([1, 2, 3]), 2.5, 2, 1),
        (pa.array([1, 2, 3]), "2", 1, 1),
        (pa.array([2**53, 2**53 + 1]), 2**53, 0, 1),
        (pa.array([1, 2]), 10**30, 2, 0),
        (pa.array(["apple", "banana"]), "b", 1, 1),
        (pa.array(["9", "10"]), "9", 1, 0),
        (pa.array(["20260401", "20260402"]), "20260401", 0, 1),
        (pa.array(["x' OR 1=1 --", "y"]), "x' OR 1=1 --", 0, 1),
    ],
)
def test_numbers_compare_as_numbers_and_text_as_text(warehouse, values, value, below, above):
    assert warehouse.verdict(pa.table({"c": values}), "min", value).count == below
    warehouse.execute(f"DROP TABLE {warehouse.quoted('raw.orders')}")
    assert warehouse.verdict(pa.table({"c": values}), "max", value).count == above


@pytest.mark.parametrize(("check", "count"), [("positive", 2), ("non_negative", 1), ("negative", 2)])
def test_decimals_have_a_sign_in_every_database(warehouse, check, count):
    values = pa.array([Decimal("-10.50"), Decimal("0.00"), Decimal("9.99"), None])
    assert warehouse.verdict(pa.table({"c": values}), check).count == count


def test_text_is_never_taken_for_a_number(warehouse):
    verdict = warehouse.verdict(rows("many", "-1", None), "non_negative")
    assert not verdict.passed
    if warehouse.kind == "sqlite":
        assert verdict.count == 2  # A column of text may hold decimals there.
    else:
        name = {"duckdb": "VARCHAR"}.get(warehouse.kind, "text")
        assert verdict.found == f"an error: the column's type is {name}, which holds no numbers"


def test_a_value_that_is_no_number_is_refused_on_a_column_of_numbers(warehouse):
    verdict = warehouse.verdict(rows(1, 2), "min", "many")
    assert verdict.found == "an error: 'many' is no number, and the column holds numbers"


@pytest.mark.parametrize("kind", ["duckdb"])
def test_a_value_that_is_no_date_is_refused_on_a_column_of_dates(warehouse):
    verdict = warehouse.verdict(pa.table({"c": DAYS}), "min", "1 April")
    assert verdict.found == "an error: '1 April' is no date or time in ISO 8601, and the column's type is DATE"


@pytest.mark.parametrize("kind", ["duckdb"])
def test_a_value_takes_the_width_of_a_narrow_float(warehouse):
    assert warehouse.verdict(rows(0.1, 0.2, type=pa.float32()), "max", 0.1).count == 1


@pytest.mark.parametrize(
    ("values", "accepted", "count"),
    [
        (pa.array([1, 2, None]), [1], 1),
        (pa.array([1.0, 2.0]), [1, 2], 2),
        (pa.array([1.0, 2.0]), ["1.0", "2.0"], 0),
        (pa.array([True, False, None]), [True], 1),
        (pa.array([True, False, None]), ["True", "FALSE"], 0),
        (pa.array([date(2026, 4, 1)]), ["2026-04-01"], 0),
        (pa.array(["it's", '"']), ["it's", '"'], 0),
        (pa.array(["a"]), ["b'); DROP TABLE x; --"], 1),
        (pa.array(["001", "1"]), ["001"], 1),
    ],
)
def test_accepted_values_are_compared_as_text(warehouse, values, accepted, count):
    if warehouse.kind == "postgres" and pa.types.is_floating(values.type):
        count = 2 - count  # The text of 1.0 is 1 there.
    assert warehouse.verdict(pa.table({"c": values}), "accepted_values", accepted).count == count


def test_a_long_list_of_accepted_values_is_shown_in_part(warehouse):
    verdict = warehouse.verdict(rows(1, 13), "accepted_values", list(range(12)))
    assert verdict.expected == "only '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' and 2 more"
    assert verdict.count == 1


@pytest.mark.parametrize(
    ("pattern", "count"), [("a", 1), ("^a", 2), ("^a$", 3), ("^(ab|ba)$", 1), ("'", 3), (r"\d", 3)]
)
def test_a_pattern_is_searched_for_and_anchors_hold_it(warehouse, pattern, count):
    assert warehouse.verdict(rows("ab", "ba", "c", None), "pattern", pattern).count == count


def test_a_pattern_reads_numbers_as_text(warehouse):
    assert warehouse.verdict(rows(7, 12, None), "pattern", "^[0-9]$").count == 1


def test_relationships_count_the_values_that_the_other_table_lacks(warehouse):
    warehouse.fill("ref.countries", pa.table({"code": ["DE", "FR", None]}))
    foreign_key = {"table": "ref.countries", "column": "code"}
    verdict = warehouse.verdict(rows("DE", "XX", "XX", None), "relationships", foreign_key=foreign_key)
    assert (verdict.count, verdict.expected) == (2, "only values of ref.countries.code")
    assert verdict.found == "2 values that are not there in 4 rows"


def test_a_relationship_to_an_empty_table_fails_for_every_value(warehouse):
    warehouse.fill("ref.countries", pa.table({"code": pa.array([], pa.string())}))
    foreign_key = {"table": "ref.countries", "column": "code"}
    assert warehouse.verdict(rows("DE", None), "relationships", foreign_key=foreign_key).count == 1


@pytest.mark.parametrize(
    ("foreign_key", "reason"),
    [
        (None, "the column has no `foreign_key`, which says where its values come from"),
        ({"table": "ref.nowhere", "column": "code"}, "there is no table ref.nowhere, which `foreign_key` names"),
        (
            {"table": "ref.countries", "column": "cod"},
            "there is no column 'cod' in ref.countries (did you mean 'code'? one of: code)",
        ),
    ],
)
def test_a_relationship_that_leads_nowhere_says_so(warehouse, foreign_key, reason):
    warehouse.fill("ref.countries", pa.table({"code": ["DE"]}))
    assert warehouse.verdict(rows("DE"), "relationships", foreign_key=foreign_key).found == f"an error: {reason}"
