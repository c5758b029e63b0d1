from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from airflow_materialize.definition.inheritance.glossary import GlossaryFile
from airflow_materialize.definition.inheritance.inherit import LOAD_OPTIONS, NOT_INHERITED
from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.definition.model.column import CHECKS
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.model.variables import check_variables
from airflow_materialize.definition.parsing.rules import check_rules
from airflow_materialize.definition.project.project import parse_project
from airflow_materialize.definition.schema.examples import EXAMPLES
from airflow_materialize.definition.schema.json_schema import SCHEMAS, models_in
from airflow_materialize.definition.text.fields import as_value
from airflow_materialize.definition.text.reading import validate
from airflow_materialize.definition.text.source import Header, slice_header
from airflow_materialize.definition.text.tree import compose, to_data

REPOSITORY = Path(__file__).parents[3]
ROOTS = [REPOSITORY / "example_dags", REPOSITORY / "tests/e2e/project"]
MODELS = models_in(Asset) | models_in(Pipeline) | models_in(GlossaryFile)
DOCUMENTS = {what: make() for what, make in SCHEMAS.items()}
PARSED_WITH = {
    "header": (Asset, check_rules),
    "pipeline": (Pipeline, check_variables),
    "glossary": (GlossaryFile, lambda _: ()),
}
# What else a field needs.
BESIDE = {"Column.scale": {"precision": 10}}
FIELDS = {f"{name}.{field}": info for name, model in MODELS.items() for field, info in model.model_fields.items()}


def as_an_editor_reads(text: str):
    return as_value(to_data(compose(text, "x.yml")[0]))


def refused_by_the_schema(what: str, text: str) -> list[str]:
    validator = Draft202012Validator(DOCUMENTS[what])
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(as_an_editor_reads(text))]


def refused_by_parsing(what: str, text: str):
    tree, problems = compose(text, "x.yml")
    model, rules = PARSED_WITH[what]
    given = {} if tree.get("name") or what == "glossary" else {"name": "orders"}
    refused = [*problems, *validate(model, tree, given, dict)[1], *rules(tree)]
    return [problem for problem in refused if problem.severity == "error"]


@pytest.mark.parametrize("what", SCHEMAS)
def test_a_schema_is_json_schema_2020_12(what):
    assert DOCUMENTS[what]["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert list(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(DOCUMENTS[what])) == []


def accepted_headers():
    for root in ROOTS:
        for pipeline in parse_project(root):
            yield "pipeline", root / pipeline.path / "pipeline.yml"
            yield from (("header", root / asset.path) for asset in pipeline.assets if asset.asset)


@pytest.mark.parametrize(
    ("what", "file"), [*accepted_headers()], ids=lambda value: str(value).removeprefix(str(REPOSITORY))
)
def test_the_schema_takes_what_parsing_takes(what, file):
    text = file.read_text()
    header = slice_header(text) if file.suffix == ".py" else Header(text, form="file")
    assert refused_by_the_schema(what, header.text) == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("header", "name: NO"),
        ("header", "name: 2024"),
        ("header", "name: größe.preis"),
        ("header", "description: 12.5"),
        ("header", "owner:"),
        ("header", "type: Python"),
        ("header", "columns:"),
        ("header", "tags: [1, true, yes]"),
        ("header", "refresh_restricted: yes"),
        ("header", "refresh_restricted: OFF"),
        ("header", "enabled: f"),
        ("header", "enabled: 0"),
        ("header", "enabled: '{{ var.on }}'"),
        ("header", "depends: raw.orders"),
        ("header", "depends: 2024"),
        ("header", "depends: {uri: s3://x, mode: Symbolic}"),
        ("header", "depends: [a, {asset: b, columns: [id, {name: day, usage: key}]}, {asset: c, uri: ''}]"),
        ("header", "connections: {snowflake: sf}"),
        ("header", "connections: [a, b]"),
        ("header", "secrets: [{key: a}]"),
        ("header", "image: ''"),
        ("header", "start_date: 2026-01-01"),
        ("header", "start_date: ''"),
        ("header", "timeout: 1h30m0.5s"),
        ("header", "retries: 0"),
        ("header", "retries: {max: 2}"),
        ("header", "rerun_cooldown: -1"),
        ("header", "retries: {max: 2, delay: 1.5, backoff: true, max_delay: 10m, on: [requests.Timeout]}"),
        ("header", "interval_modifiers: {start: -2h, end: 0}"),
        ("header", "instance: pool:two at a time"),
        ("header", "columns: [{name: email, mask: email:Hash}, {name: b, mask: 'partial:3'}, {name: c, mask: ''}]"),
        ("header", "interval_modifiers: {start: '{{ 1 }}'}"),
        ("header", "materialization: {type: Table, strategy: APPEND}"),
        ("header", "materialization: {type: table, strategy: '', cluster_by: [a]}"),
        ("header", "materialization: {on_duplicate_key: last}"),
        ("header", "columns: [{name: 1, precision: 4, scale: 2, extends: A.b}]"),
        ("header", "columns: [{name: a, checks: [{name: not_null, value: }, {name: unique, value: 1}]}]"),
        ("header", "columns: [{name: a, checks: [{name: min, value: 2024-01-01}, {name: max, value: 1.5}]}]"),
        ("header", "columns: [{name: a, checks: [{name: accepted_values, value: [a, 1, true]}]}]"),
        ("header", "columns: [{name: a, checks: [{name: pattern, value: 12}]}]"),
        ("header", "custom_checks: [{name: a, query: SELECT 1, count: 0, blocking: no}]"),
        ("header", "parameters: {anything: [1, {a: b}]}"),
        ("header", "meta: {a: 1}"),
        ("pipeline", "name: shop-2"),
        ("pipeline", "schedule: '@hourly'"),
        ("pipeline", "schedule: ' 0 6 * * 1-5 '"),
        ("pipeline", "schedule: '@every 1h30m'"),
        ("pipeline", "schedule:"),
        ("pipeline", "catchup: active"),
        ("pipeline", "concurrency: 0"),
        ("pipeline", "variables: {a: {default: 1, minimum: 0}, b: {type: [string, null], default: x}}"),
        ("pipeline", "variables: {ä: {type: 'null'}, b: {type: [string, null]}}"),
        ("pipeline", "schedule: assets"),
        ("pipeline", "notifications: {slack: [{channel: '#data', success: no}], email: [{recipients: [a]}]}"),
        ("glossary", "domains: {sales: {owners: [ann], contact: [{type: email, address: a@b.c}]}, other: }"),
        ("glossary", "entities: {Customer: {attributes: {ID: {type: integer}, Name: }}, Order: }"),
        ("pipeline", "variants: {eu: {region: eu}, us-2: }"),
        ("pipeline", "default: {type: duckdb.sql, name: x, materialization: {strategy: append}, columns: []}"),
    ],
)
def test_the_schema_and_parsing_take_the_same_spellings(what, text):
    assert refused_by_parsing(what, text) == []
    assert refused_by_the_schema(what, text) == []


@pytest.mark.parametrize("option", LOAD_OPTIONS)
def test_a_load_option_under_parameters_has_the_values_of_materialization(option):
    assert refused_by_the_schema("header", f"parameters: {{{option}: [{{}}]}}") != []


@pytest.mark.parametrize("text", ["incremental_strategy: replace", "cluster_by: day", "on_duplicate: last"])
def test_a_load_option_under_parameters_may_have_bruins_words(text, parse):
    assert refused_by_the_schema("header", f"parameters: {{{text}}}") == []
    assert parse(f"parameters: {{{text}}}").problems == ()


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("header", "nam: a"),
        ("header", "name: raw orders"),
        ("header", "name: raw..orders"),
        ("header", "name: [a]"),
        ("header", f"name: {'a' * 201}"),
        ("header", "tags: daily"),
        ("header", "tags: [[a]]"),
        ("header", "tags: [~]"),
        ("header", "owner: {a: b}"),
        ("header", "tier: 6"),
        ("header", "tier: high"),
        ("header", "retries: -1"),
        ("header", "retries: often"),
        ("header", "retries: {delay: 30s}"),
        ("header", "rerun_cooldown: -2"),
        ("header", "refresh_restricted: maybe"),
        ("header", "enabled: perhaps"),
        ("header", "depends: {asset: a, uri: b}"),
        ("header", "depends: {mode: full}"),
        ("header", "depends: ''"),
        ("header", "depends: [{asset: a, mode: half}]"),
        ("header", "depends: [{asset: a, columns: id}]"),
        ("header", "image: python:2.7"),
        ("header", "start_date: 01/02/2026"),
        ("header", "timeout: 30"),
        ("header", "timeout: soon"),
        ("header", "interval_modifiers: {start: 2 hours}"),
        ("header", "interval_modifiers: {begin: -2h}"),
        ("header", "secrets: [{inject_as: a}]"),
        ("header", "meta: {a: [b]}"),
        ("header", "columns: [{type: integer}]"),
        ("header", "columns: [{name: ''}]"),
        ("header", "columns: [{name: a, nulable: true}]"),
        ("header", "columns: [{name: a, length: 0}]"),
        ("header", "columns: [{name: a, mask: hsh}]"),
        ("header", "columns: [{name: a, mask: 'partal:3'}]"),
        ("header", "retries: {max: 2, backoff: exponential}"),
        ("header", "retries: {max: 2, backoff: 0.5}"),
        ("header", "instance: pol:two"),
        ("header", "uri: orders"),
        ("header", "depends: {uri: orders}"),
        ("header", "tags: ['']"),
        ("header", "notifications: {email: [{recipients: []}]}"),
        ("header", "notifications: {slack: [{channel: ''}]}"),
        ("header", "columns: [{name: a, extends: Customer}]"),
        ("header", "columns: [{name: a, foreign_key: {table: b}}]"),
        ("header", "columns: [{name: a, checks: [{name: notnull}]}]"),
        ("header", "columns: [{name: a, checks: [{value: 1}]}]"),
        ("header", "columns: [{name: a, checks: [{name: min}]}]"),
        ("header", "columns: [{name: a, checks: [{name: max, value: true}]}]"),
        ("header", "columns: [{name: a, checks: [{name: accepted_values, value: 1}]}]"),
        ("header", "columns: [{name: a, checks: [{name: accepted_values, value: []}]}]"),
        ("header", "columns: [{name: a, checks: [{name: accepted_values, value: [[1]]}]}]"),
        ("header", "columns: [{name: a, checks: [{name: pattern, value: [a]}]}]"),
        ("header", "custom_checks: [{name: a}]"),
        ("header", "custom_checks: [{name: a, query: ' '}]"),
        ("header", "custom_checks: [{name: a, query: SELECT 1, count: -1}]"),
        ("header", "hooks: {pre: [ANALYZE]}"),
        ("header", "materialization: {type: tabel}"),
        ("header", "materialization: {type: table, strategy: mege}"),
        ("header", "materialization: {type: table, strategy: time_interval}"),
        ("header", "materialization: {on_schema_change: frezee}"),
        ("header", "materialization: table"),
        ("header", "materialization: {cluster_by: day}"),
        ("header", "notifications: {pager: []}"),
        ("pipeline", "owners: a"),
        ("pipeline", "name: a/b"),
        ("pipeline", "schedule: dayly"),
        ("pipeline", "schedule: '* * * *'"),
        ("pipeline", "schedule: '@every day'"),
        ("pipeline", "catchup: some"),
        ("pipeline", "concurrency: -1"),
        ("pipeline", "max_active_steps: 0"),
        ("pipeline", "check_tasks: two"),
        ("pipeline", "variables: {a: {type: string}}"),
        ("pipeline", "variables: {a: 1}"),
        ("pipeline", "variables: {_a: {default: 1}}"),
        ("pipeline", "variables: {a-b: {default: 1}}"),
        ("pipeline", "variables: {a: {type: strng, default: 1}}"),
        ("pipeline", "default: [a]"),
        ("glossary", "entities: [Customer]"),
        ("glossary", "entities: {Customer: {attributes: {ID: integer}}}"),
        ("glossary", "entities: {Customer: {atributes: {}}}"),
        ("glossary", "domains: {sales: {owners: ann}}"),
    ],
)
def test_the_schema_and_parsing_refuse_the_same_mistakes(what, text):
    assert refused_by_parsing(what, text) != []
    assert refused_by_the_schema(what, text) != []


def test_the_schema_takes_templates_where_parsing_fills_them_in(parse):
    pipeline = "name: sales\nretries: '{{ var.n }}'\nvariables: {n: {type: integer, default: 3}}\n"
    header = """
        tier: '{{ var.n }}'
        timeout: '{{ var.n }}m'
        refresh_restricted: '{{ var.n > 1 }}'
        retries: {max: '{{ var.n }}', backoff: '{{ var.n }}'}
    """
    assert parse(header, pipeline).problems == ()
    assert refused_by_the_schema("header", dedent(header)) == []
    assert refused_by_the_schema("pipeline", pipeline) == []


def test_a_column_may_have_its_name_from_the_glossary():
    assert refused_by_the_schema("header", "columns: [{extends: Customer.ID}]") == []


def test_a_mistake_in_a_default_is_refused_where_it_stands():
    assert refused_by_the_schema("pipeline", "default: {tier: 9}") != []
    assert refused_by_the_schema("defaults", "tier: 9") != []
    assert refused_by_the_schema("defaults", "tier: 4") == []


def test_what_is_not_inherited_is_marked_in_the_schema_of_defaults():
    properties = DOCUMENTS["defaults"]["properties"]
    assert {name for name, field in properties.items() if field.get("deprecated")} == NOT_INHERITED
    assert properties.keys() == Asset.model_fields.keys()


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_says_what_it_is(field):
    assert (FIELDS[field].description or "").endswith(".")


def schema_of(field: str):
    """The schema of one field, which can be used alone."""
    model, name = field.split(".")
    tops = {"Asset": DOCUMENTS["header"], "Pipeline": DOCUMENTS["pipeline"], "GlossaryFile": DOCUMENTS["glossary"]}
    inner = DOCUMENTS["pipeline"]["$defs"] | DOCUMENTS["glossary"]["$defs"]
    return {"$defs": inner, **(tops.get(model) or inner[model])["properties"][name]}


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_has_an_example_unless_its_values_are_listed(field):
    schema = schema_of(field)
    listed = [choice for choice in schema.get("anyOf", [schema]) if "enum" in choice or choice.get("type") == "boolean"]
    assert listed or schema.get("examples"), "add one to definition/schema/examples.py"


def test_an_example_belongs_to_a_field():
    assert EXAMPLES.keys() <= FIELDS.keys()


@pytest.mark.parametrize(
    ("field", "example"), [(field, example) for field, examples in EXAMPLES.items() for example in examples]
)
def test_an_example_is_taken_by_its_field(field, example):
    model, name = field.split(".")
    text = yaml.safe_dump({**BESIDE.get(field, {}), name: example}, allow_unicode=True)
    try:
        MODELS[model].model_validate(to_data(compose(text, "x.yml")[0]))
        refused = []
    except ValidationError as error:
        refused = [detail for detail in error.errors() if detail["loc"][:1] == (name,)]
    assert refused == []
    Draft202012Validator(schema_of(field)).validate(as_an_editor_reads(text)[name])


def test_each_check_that_wants_a_value_says_which_in_the_schema():
    assert {name for name, kind in CHECKS.items() if kind.schema} == {
        name for name, kind in CHECKS.items() if kind.wants
    }


def test_a_description_stands_beside_each_strategy():
    [words, *_] = DOCUMENTS["header"]["$defs"]["Materialization"]["properties"]["strategy"]["anyOf"]
    assert "merge" in words["enum"]
    assert len(words["markdownEnumDescriptions"]) == len(words["enum"])


def test_nothing_of_a_schema_is_imported_where_dags_are_parsed():
    script = """
        import sys
        import airflow_materialize.definition.project.project
        print([name for name in sys.modules if name.endswith((".json_schema", ".examples", ".refinements"))])
    """
    command = [sys.executable, "-c", dedent(script)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "['pydantic.json_schema']\n"
