"""Two hundred strings that mean something to a database, in every place of a load that takes a name or a value."""

from __future__ import annotations

from contextlib import suppress
from itertools import product

import pyarrow as pa
import pytest

from airflow_materialize.errors import MaterializeError

SIGNS = [
    *("'", '"', "`", "]", "[", ";", "--", "/*", "*/", "$$", "$1", "?", "%s", "%(x)s", ":x", "@x", "\\", "\\'", "''", '""'),
    *("\n", "\r\n", "\t", "\u00a0", "\u2019", "\u201c", "\uff07", "\u02bc", "\u202e", "😀", "{{ 7 }}", "{0}", "#", "&", "|", "=", "(", ")"),
]  # fmt: skip
SENTENCES = [
    "a{}b", "{}; DROP TABLE canary; --", "x{} OR 1=1 --", "x{}); DELETE FROM canary; --", "{} UNION SELECT 1",
]  # fmt: skip
WORDS = [
    "select",
    "Order",
    "NULL",
    "rowid",
    "_rowid_",
    "x" * 300,
    "ä" * 200,
    " ",
    "NaN",
    "table",
    "1",
    "0x00",
    "*",
]
STRINGS = [sentence.format(sign) for sign, sentence in product(SIGNS, SENTENCES)] + WORDS


@pytest.fixture
def warehouse_with_canary(warehouse):
    name = 'raw."canary"' if warehouse.destination.capabilities.schemas else '"raw.canary"'
    if warehouse.destination.capabilities.schemas:
        warehouse.run("CREATE SCHEMA raw")
    warehouse.run("CREATE TABLE canary (id INTEGER)", f"CREATE TABLE {name} (id INTEGER)")
    warehouse.run("INSERT INTO canary VALUES (7)", f"INSERT INTO {name} VALUES (7)")
    yield warehouse
    with warehouse.destination.session(read_only=True) as session:
        assert session.rows("SELECT id FROM canary") == [(7,)]
        assert session.rows(warehouse.sql(f"SELECT id FROM {name}")) == [(7,)]


def test_there_are_two_hundred():
    assert len({text.casefold() for text in STRINGS}) == len(STRINGS) >= 200


def test_every_string_is_a_value_of_a_result_in_every_strategy(warehouse_with_canary):
    warehouse = warehouse_with_canary
    data = {"id": range(len(STRINGS)), "v": STRINGS}
    key = {"columns": [{"name": "v", "primary_key": True}]}
    warehouse.load(data)
    warehouse.load(data, "delete+insert", incremental_key="v")
    report = warehouse.load(data, "merge", **key)
    assert (report.rows_updated, report.rows_inserted, report.rows_total) == (0, 0, len(STRINGS))
    warehouse.load(data, "truncate+insert")
    assert sorted(warehouse.rows()) == [*enumerate(STRINGS)]
    key = {"columns": [{"name": "id", "primary_key": True}]}
    warehouse.load(data, "scd2_by_column", name="raw.history", **key)
    assert warehouse.load(data, "scd2_by_column", name="raw.history", **key).materialized is False


def test_every_string_is_the_name_of_a_column_in_every_strategy(warehouse_with_canary):
    warehouse = warehouse_with_canary
    names = [text for text in STRINGS if warehouse.kind != "mysql" or _fits_mysql(text)]
    data = {name: [index] for index, name in enumerate(names)}
    keys = [{"name": name, "primary_key": True} for name in names[::7]]
    history = [{"name": names[0], "primary_key": True}]
    warehouse.load(data)
    warehouse.load(data, "append")
    for key in names[::70]:
        warehouse.load(data, "delete+insert", incremental_key=key)
    warehouse.load({**data, names[1]: [-1]}, "merge", columns=keys)
    warehouse.load({**data, "one more": [0]}, "merge", columns=[*keys, {"name": names[1], "update_on_merge": True}])
    assert warehouse.rows() == [(*range(len(names)), None)]
    warehouse.load({name: [1] for name in names[:-5]}, on_schema_change="sync")
    assert len(warehouse.types()) == len(names) - 5
    for value in (0, 1):
        warehouse.load({**data, names[1]: [value]}, "scd2_by_column", name="raw.history", columns=history)
    assert len(warehouse.rows("raw.history")) == 2


def _fits_mysql(name):
    """Whether MySQL takes a name for a column: three bytes for each character, and no space at its end."""
    return max(name) <= "\uffff" and not name.endswith((" ", "\n", "\t"))


def test_every_string_is_a_default_and_a_description(warehouse_with_canary):
    warehouse = warehouse_with_canary
    columns = [
        {"name": f"c{index}", "type": "varchar", "default": "'" + text.replace("'", "''") + "'", "description": text}
        for index, text in enumerate(STRINGS)
    ]
    warehouse.load({"id": [1]}, columns=columns)
    warehouse.load({"id": [1]}, "append", columns=columns)
    assert warehouse.rows() == [(1, *STRINGS)] * 2 or warehouse.rows() == [(*STRINGS, 1)] * 2


@pytest.mark.parametrize("kind", ["table", "view"])
def test_strings_are_names_of_tables_or_the_header_refuses_them(warehouse_with_canary, kind):
    warehouse, options, taken = warehouse_with_canary, {"type": kind}, []
    for name in (*(f"raw.{word}" for word in ("select", "Order", "größe", "日本", "rowid", "x-y")), *STRINGS):
        with suppress(ValueError):
            warehouse.plan(name=name, options=options)
            taken.append(name)
    assert len(taken) < 30
    for name in [name for name in taken if len(name.encode()) < 60][::2]:
        warehouse.load({"id": [1]}, name=name, options=options)
        warehouse.load({"id": [2]}, "append", name=name, options=options)
        assert warehouse.rows(name) == [(1,), (2,)]


def test_strings_are_names_of_dags_and_runs(warehouse_with_canary):
    warehouse = warehouse_with_canary
    for text in STRINGS[::40]:
        plan = warehouse.plan("append", run=text, dag_id=text, source=text, columns=["_materialize_load_key"])
        file = warehouse.stage({"id": [1]})
        assert warehouse.load(file, plan=plan).outcome == "loaded"
        assert warehouse.load(file, plan=plan).outcome == "already_loaded"
    assert len(warehouse.rows()) == len(STRINGS[::40])


@pytest.mark.parametrize("field", ["collation", "merge_sql", "incremental_predicate"])
def test_an_expression_or_collation_does_nothing_else(warehouse_with_canary, field):
    warehouse = warehouse_with_canary
    warehouse.load({"id": [1], "v": ["a"]})
    keys, done = [{"name": "id", "primary_key": True}], 0
    for text in [one for one in STRINGS if "canary" in one][::9]:
        if field == "incremental_predicate":
            more = {"columns": keys, "options": {field: f"target.id = 1 {text}"}}
        else:
            more = {"columns": [*keys, {"name": "v", field: f"source.v {text}"}]}
        with suppress(MaterializeError, ValueError):
            # A comment may stand behind an expression.
            warehouse.load({"id": [1], "v": ["b"]}, "merge", **more)
            done += 1
    assert done < 3
    assert warehouse.rows(columns="id") == [(1,)]


def test_nul_is_in_no_name(warehouse):
    with pytest.raises(MaterializeError, match="is no name"):
        warehouse.load({"a\0b": [1]})
    with pytest.raises(ValueError, match="is no name"):
        warehouse.plan(name="raw.a\0b")


def test_nul_is_a_value_or_refused(warehouse):
    data = pa.table({"v": ["a\0b"]})
    try:
        warehouse.load(data)
    except MaterializeError as error:
        assert str(error).startswith("Column 'v'")  # noqa: PT017
        assert warehouse.types() is None
    else:
        assert warehouse.rows() == [("a\0b",)]
