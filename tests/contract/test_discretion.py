"""No value of a sensitive column stands in an error, whoever wrote its text."""

from __future__ import annotations

import logging

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError

MAIL = "ann@secret.example"
COLUMN = {"name": "mail", "sensitive": True}
KEY = {**COLUMN, "primary_key": True}


def refused(warehouse, *load, **options):
    """The text of a load that fails, with all that its log and the errors behind it said."""
    with pytest.raises(MaterializeError) as caught:
        warehouse.load(*load, **options)
    return str(caught.value)


@pytest.mark.parametrize(("data", "strategy", "columns", "options"), [
    ({"mail": [MAIL, MAIL]}, "merge", [KEY], {}),
    ({"mail": [MAIL, None], "id": [1, 1]}, "merge", [KEY, {"name": "id", "primary_key": True}], {}),
    ({"mail": [MAIL]}, "create+replace", [{**COLUMN, "type": "integer"}], {"enforce_schema": True}),
    ({"mail": [MAIL]}, "create+replace", [{**COLUMN, "type": "varchar(3)"}], {"enforce_schema": True}),
    ({"mail": [MAIL, None]}, "append", [{**COLUMN, "nullable": False}], {}),
])  # fmt: skip
def test_what_the_load_finds_wrong_shows_no_sensitive_value(warehouse, caplog, data, strategy, columns, options):
    with caplog.at_level(logging.DEBUG):
        text = refused(warehouse, data, strategy, columns=columns, options=options)
    assert "mail" in text
    assert "secret" not in text + caplog.text + " ".join(warehouse.said)


def test_a_predicate_that_hides_a_sensitive_key_does_not_show_it(warehouse):
    warehouse.load({"mail": [MAIL], "v": [1]})
    text = refused(warehouse, {"mail": [MAIL], "v": [2]}, "merge", columns=[KEY], incremental_predicate="target.v > 5")
    assert "1 primary key (mail)" in text
    assert "secret" not in text


def test_the_reach_of_a_sensitive_incremental_key_is_not_shown(warehouse, between):
    born = pa.array(["1950-06-07"]).cast(pa.date32())
    text = refused(
        warehouse, {"born": born}, "delete+insert", columns=[{"name": "born", "sensitive": True}], incremental_key="born",
        options={"delete_by": "interval"}, interval=between("2026-04-01", "2026-04-02"),
    )  # fmt: skip
    assert "1 row of the result lies outside" in text
    assert "1950" not in text


def test_what_the_database_finds_wrong_shows_no_sensitive_value(warehouse, caplog):
    warehouse.load({"mail": [MAIL], "v": [1]})
    warehouse.run("CREATE UNIQUE INDEX one_of_each ON {i} (mail)")
    with caplog.at_level(logging.DEBUG):
        open_text = refused(warehouse, {"mail": [MAIL], "v": [2]}, "append")
        text = refused(warehouse, {"mail": [MAIL], "v": [2]}, "append", columns=[COLUMN])
    assert "onstraint" in open_text
    assert "secret" not in text + caplog.text
    assert "onstraint" in text
    assert text.endswith("Nothing was changed in raw.orders.")
    assert warehouse.rows() == [(MAIL, 1)]


def test_a_hook_that_fails_over_a_sensitive_value_does_not_show_it(warehouse):
    warehouse.load({"mail": [MAIL]})
    hooks = ("CREATE UNIQUE INDEX one_of_each ON {t} (mail)", "INSERT INTO {t} SELECT mail FROM {t}")
    with warehouse.destination.session(read_only=True) as session:
        name = session.name_of(warehouse.table())
    hooks = tuple(hook.replace("{t}", name) for hook in hooks)
    if warehouse.kind == "sqlite":
        hooks = ('CREATE UNIQUE INDEX one_of_each ON "raw.orders" (mail)', hooks[1])
    if warehouse.kind == "mysql":
        warehouse.run("CREATE UNIQUE INDEX one_of_each ON {t} (mail)")
        hooks = ("SELECT 1", hooks[1])
    text = refused(warehouse, {"mail": [MAIL]}, hooks_post=hooks, columns=[COLUMN])
    assert text.startswith("hooks.post[1] failed: ")
    assert "secret" not in text


def test_types_that_do_not_fit_show_no_sensitive_value(warehouse):
    warehouse.load({"mail": [1]}, "append")
    text = refused(warehouse, {"mail": [1.5]}, "append", columns=[COLUMN], on_schema_change="freeze")
    assert "1.5" not in text
    assert "not shown" in text
