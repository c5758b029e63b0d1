"""`publish: after_checks` and hooks, from the header to the table."""

from __future__ import annotations

import pytest

from airflow_materialize import MaterializeError

HEADER = """materialization: {type: table, publish: after_checks}
columns:
  - name: x
    checks:
      - name: positive
      - {name: max, value: 5, blocking: false}
"""
BODY = "def materialize():\n    return [{'x': %s}]\n"


def test_a_load_with_checks_is_published_when_they_hold(shop):
    shop.write("a", BODY % 1, HEADER)
    result = shop.run()
    assert [(verdict.check, verdict.passed) for verdict in result.checks("a").verdicts] == [
        ("positive", True),
        ("max", True),
    ]
    assert len(result.assets["a"].load.checks.verdicts) == 1
    assert shop.rows("SELECT x FROM a") == [(1,)]


def test_a_failing_blocking_check_keeps_the_table_and_stops_what_depends_on_it(shop):
    shop.write("a", BODY % 1, HEADER)
    shop.write("b", BODY % 1, "depends: [a]\nmaterialization: {type: table}\n")
    shop.run()
    shop.write("a", BODY % -1, HEADER)
    result = shop.run(raise_on_error=False)
    assert result.assets["b"].skipped == "a"
    assert [verdict.passed for verdict in result.checks("a").verdicts] == [False]
    assert "expected only values above 0" in str(result.assets["a"].error)
    assert str(result.assets["a"].error).endswith("Nothing was changed in a.")
    assert shop.rows("SELECT x FROM a") == [(1,)]


def test_a_failing_check_that_does_not_block_fails_after_the_load(shop):
    shop.write("a", BODY % 9, HEADER)
    with pytest.raises(MaterializeError, match="max: expected no value above 5"):
        shop.run()
    assert shop.rows("SELECT x FROM a") == [(9,)]


def test_the_check_step_alone_asks_all_checks(shop):
    shop.write("a", BODY % 1, HEADER)
    shop.run()
    assert len(shop.run(only=["check"]).checks("a").verdicts) == 2


def test_hooks_are_filled_in_and_run(shop):
    shop.write(
        "a",
        BODY % 1,
        "materialization: {type: table}\nhooks:\n"
        "  pre: [{query: 'CREATE TABLE IF NOT EXISTS log (day VARCHAR, rows BIGINT)'}]\n"
        "  post: [{query: \"INSERT INTO log SELECT '{{ start_date }}', count(*) FROM {{ this }};\"}]\n",
    )
    shop.run(start="2026-04-01", end="2026-04-01")
    assert shop.rows("SELECT * FROM log") == [("2026-04-01", 1)]
