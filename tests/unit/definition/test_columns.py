from __future__ import annotations

from decimal import Decimal

import pytest

from airflow_materialize.definition.model.default import default_problem, read_default

PLACE = "orders.py:2:21: columns[0].default: "


@pytest.mark.parametrize(("text", "kind", "value"), [
    ("0", "number", Decimal(0)), ("-1.50", "number", Decimal("-1.50")), ("+.5", "number", Decimal("0.5")),
    ("1e-3", "number", Decimal("0.001")), ("TRUE", "truth", True), ("false", "truth", False), ("Null", "null", None),
    ("'n/a'", "text", "n/a"), ("'it''s'", "text", "it's"), ("''", "text", ""), ("'now()'", "text", "now()"),
    ("CURRENT_DATE", "today", None), ("current_timestamp()", "now", None), (" now() ", "now", None),
])  # fmt: skip
def test_a_default_is_a_literal_or_a_moment(text, kind, value):
    assert read_default(text) == (kind, value)
    assert default_problem(text) == ""


@pytest.mark.parametrize("text", [
    "n/a", "new", "'a' || 'b'", "'it's'", '"new"', "nextval('s')", "1; DROP TABLE t", "1 2", "0x10", "random()", "'a\0'",
    "now", "(1)", "1e9999", "٣",
])  # fmt: skip
def test_anything_else_is_no_default(text):
    assert read_default(text) is None
    assert "CURRENT_TIMESTAMP" in default_problem(text)


def test_an_unquoted_word_is_refused_with_the_advice_to_quote_it_twice(problems):
    [problem] = problems("columns: [{name: id, default: n/a}]")
    assert problem.startswith(f"{PLACE.replace('21', '22')}'n/a' is no default (a text is quoted twice: ")
    assert "`default: \"'n/a'\"`" in problem


def test_the_default_that_a_problem_advises_is_one(parse):
    assert parse("columns: [{name: id, default: \"'n/a'\"}]").asset.columns[0].default == "'n/a'"


@pytest.mark.parametrize("name", ["NOCASE", "de_DE", "NOCASE.NOACCENT", "en-US-x-icu", "Latin1_General_CI_AS"])
def test_a_collation_is_a_name(parse, name):
    assert parse(f"columns: [{{name: id, collation: {name}}}]").problems == ()


def test_a_collation_that_is_no_name_is_refused(problems):
    for text in ("no case", "a;b", 'x"', "a..b"):
        [problem] = problems(f"columns: [{{name: id, collation: '{text}'}}]")
        assert "is no collation (a name that the database knows)" in problem


def test_a_primary_key_has_no_merge_sql(problems):
    [problem] = problems("columns: [{name: id, primary_key: true, merge_sql: target.id}]")
    assert "columns[0].merge_sql: a primary key is not updated" in problem


@pytest.mark.parametrize(("blocking", "shape"), [("true", (False, False)), ("false", (False, True))])
def test_checks_that_the_load_asks_are_no_step(parse, blocking, shape):
    parsed = parse(
        f"""
        columns: [{{name: id, checks: [{{name: unique, blocking: {blocking}}}]}}]
        materialization: {{type: table, publish: after_checks}}
        """
    )
    assert (parsed.shape.check, parsed.shape.check_warn) == shape
    assert [check.blocking for check in parsed.shape.checks] == [False] * shape[1]


def test_a_script_asks_its_checks_in_a_step_whatever_its_header_says_of_publishing(parse):
    parsed = parse(
        """
        connection: warehouse
        custom_checks: [{name: a, query: SELECT 0}]
        materialization: {type: none, publish: after_checks}
        """
    )
    assert parsed.shape.check


def test_the_fields_of_a_load_have_their_effect(parse):
    parsed = parse(
        """
        columns:
          - {name: id, primary_key: true, nullable: false, sensitive: true}
          - {name: v, type: varchar, default: "'x'", collation: NOCASE, merge_sql: target.v}
        hooks: {pre: [{query: SELECT 1}], post: [{query: SELECT 2}]}
        materialization:
          type: table
          strategy: merge
          on_duplicate_key: last
          on_null_key: match
          incremental_predicate: target.v = 'a'
          publish: after_checks
        """
    )
    assert (parsed.problems, parsed.warnings) == ((), ())


def warnings_of(parsed):
    return [problem.path + ": " + problem.message for problem in parsed.warnings]


def test_hooks_without_a_load_are_a_warning(parse):
    parsed = parse("hooks: {pre: [{query: SELECT 1}]}")
    assert warnings_of(parsed) == ["hooks: has no effect without a table: hooks run around a load"]


def test_options_of_a_merge_are_a_warning_beside_another_strategy(parse):
    parsed = parse(
        """
        columns: [{name: id}, {name: v, merge_sql: target.v}]
        materialization: {type: table, strategy: append, on_duplicate_key: last, on_null_key: error}
        """
    )
    end = "has no effect with the strategy append: it is for"
    assert warnings_of(parsed) == [
        f"columns[1].merge_sql: {end} merge",
        f"materialization.on_duplicate_key: {end} strategies with a primary key",
    ]


@pytest.mark.parametrize(
    ("strategy", "key", "reason"),
    [
        ("append", "true", ""),
        ("merge", "true", ""),
        ("append", "false", "has no effect: no column has primary_key: true"),
        (
            "scd2_by_column",
            "true",
            "has no effect with the strategy scd2_by_column: it keeps several versions of a key",
        ),
    ],
)
def test_a_key_is_enforced_where_there_is_one_and_each_stands_once(parse, strategy, key, reason):
    parsed = parse(
        f"""
        columns: [{{name: id, primary_key: {key}}}]
        materialization: {{type: table, strategy: {strategy}, enforce_key: yes}}
        """
    )
    assert warnings_of(parsed) == ([f"materialization.enforce_key: {reason}"] if reason else [])
    assert parsed.asset.materialization.enforce_key is True


def test_history_goes_by_keys_as_a_merge_does(parse):
    parsed = parse(
        """
        columns: [{name: id, primary_key: true}]
        materialization:
          {type: table, strategy: scd2_by_column, on_null_key: match, incremental_predicate: target.id > 1}
        """
    )
    assert warnings_of(parsed) == [
        "materialization.incremental_predicate: has no effect with the strategy scd2_by_column: it is for merge"
    ]
