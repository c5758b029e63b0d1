from __future__ import annotations

import pytest

from airflow_materialize.definition.model.masks import MASKS, Mask, mask_problem, rule_problem, split_mask, split_rule


@pytest.mark.parametrize(
    "text",
    [
        *(kind.example or name for name, kind in MASKS.items()),
        *("partial", "partial:9999", "round:0.25", "range", "noise:0", "date_shift:1", "fixed", "fixed:", "HASH"),
        *("hmac:my-secret:key", " hash ", "noise"),
    ],
)
def test_a_mask_that_will_do_has_no_problem(text):
    assert mask_problem(text) is None


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("hsah", "'hsah' is no mask", "did you mean 'hash'?"),
        ("bcrypt:12", "'bcrypt' is no mask", "one of: hash, sha256, md5, "),
        ("", "'' is no mask", "one of: hash"),
        ("hash:5", "hash takes no parameter", "hash"),
        ("hmac", "hmac needs a parameter", "the name of a declared secret, as hmac:MASK_KEY"),
        ("hmac:", "hmac needs a parameter", "the name of a declared secret"),
        ("partial:0", "partial cannot use its parameter", "it takes a whole number from 1 to 9999, as partial:3"),
        ("partial:-1", "partial cannot use its parameter", "it takes a whole number"),
        ("partial:x", "partial cannot use its parameter", "it takes a whole number"),
        ("date_shift:1.5", "date_shift cannot use its parameter", "it takes a whole number"),
        ("round:0", "round cannot use its parameter", "it takes a number above zero, as round:1000"),
        ("range:1e400", "range cannot use its parameter", "it takes a number above zero"),
        ("round:NaN", "round cannot use its parameter", "it takes a number above zero"),
        ("noise:-0.1", "noise cannot use its parameter", "it takes a number, zero or more, as noise:0.2"),
        ("email:hash", "email takes no parameter", "email"),
    ],
)
def test_a_mask_that_will_not_do_says_what_would(text, message, hint):
    said = mask_problem(text)
    assert said
    assert (said[0], said[1][: len(hint)]) == (message, hint)


def test_a_mask_may_stand_behind_the_name_of_its_column_as_bruin_allows():
    assert mask_problem("email:hash", "email") is None
    assert split_mask("email:partial:4", "email") == Mask("partial", "4")
    # Here the name of the column is that of a mask, and `email` is its parameter.
    assert split_mask("fixed:unknown", "fixed") == Mask("fixed", "unknown")
    assert split_mask("HMAC:Key", "x") == Mask("hmac", "Key")
    assert mask_problem("bill:hash", "email") == ("'bill' is no mask", f"one of: {', '.join(MASKS)}")


def test_a_rule_under_parameters_names_a_column():
    assert split_rule("email:partial:4") == ("email", Mask("partial", "4"))
    assert rule_problem("email:hash") is None
    assert rule_problem("hash") == ("'hash' is no rule for a mask", "a column and its mask, as email:hash")
    assert rule_problem("email:hsah") == ("'hsah' is no mask", "did you mean 'hash'?")


def test_a_wrong_mask_stands_at_its_place(problems):
    [found] = problems("columns:\n  - name: email\n    mask: hsah\n")
    assert found == "orders.py:4:5: columns[0].mask: 'hsah' is no mask (did you mean 'hash'?)"


def test_a_wrong_rule_under_parameters_stands_at_its_place(problems):
    [found] = problems("parameters:\n  mask: email:hsah\n")
    assert found == "orders.py:3:3: parameters.mask: 'hsah' is no mask (did you mean 'hash'?)"
    [found] = problems("parameters:\n  mask: [email]\n")
    assert found == "orders.py:3:3: parameters.mask: a text is expected (as email:hash)"
    assert problems("parameters: {mask: '{{ var.rule }}'}") == []


def test_a_key_in_the_header_is_a_warning_and_the_name_of_a_secret_is_none(parse):
    parsed = parse("columns: [{name: email, mask: 'hmac:open'}]\n")
    assert [(warning.path, warning.code) for warning in parsed.warnings] == [("columns[0].mask", "AM507")]
    assert "open" not in str(parsed.warnings[0])
    declared = "secrets: [{key: a, inject_as: MASK_KEY}]\ncolumns: [{name: email, mask: 'hmac:MASK_KEY'}]\n"
    assert parse(declared).warnings == ()


def test_two_columns_of_one_source_are_a_problem_at_the_second(problems):
    [found] = problems("columns:\n  - {name: a, source_column: x}\n  - {name: b, source_column: x}\n")
    assert found == (
        "orders.py:4:15: columns[1].source_column: the result's column 'x' becomes 'a' already, on line 3 "
        "(one column of the table for each)"
    )
    [found] = problems("columns:\n  - {name: a, source_column: b}\n  - {name: b}\n")
    assert found.startswith("orders.py:4:6: columns[1].name: the result's column 'b' becomes 'a' already")


def test_columns_may_change_their_names_with_one_another(problems):
    assert problems("columns: [{name: a, source_column: b}, {name: b, source_column: a}]") == []


def test_the_variable_of_a_secret_has_a_name_that_is_free(problems):
    assert problems("secrets: [{key: a, inject_as: BRUIN_VARS}]") == [
        "orders.py:2:20: secrets[0].inject_as: 'BRUIN_VARS' is a name that each run gives itself (choose another one)"
    ]
    assert problems("secrets: [{key: a=b}]") == [
        "orders.py:2:12: secrets[0].key: 'a=b' is no name of a variable (without '=')"
    ]


def test_secrets_masks_renames_parameters_and_timeout_have_their_effect(parse):
    parsed = parse(
        """
        timeout: 10m
        secrets: [{key: a}]
        parameters: {b: 1}
        columns: [{name: c, mask: hash, source_column: d, sensitive: true}]
        """
    )
    assert (parsed.problems, parsed.warnings) == ((), ())
