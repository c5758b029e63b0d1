from __future__ import annotations

import pytest

from airflow_materialize.definition.project.project import parse_project
from airflow_materialize.definition.project.select import choose_variant, select_assets
from airflow_materialize.errors import MaterializeError

CLIENTS = """
name: "{{ var.client }}_pipe"
schedule: "{{ var.schedule }}"
default_connections: {duckdb: "{{ var.client }}_db"}
concurrency: "{{ var.runs }}"
default: {owner: "team {{ var.client }}", tags: ["{{ variant }}"]}
variables:
  client: {type: string, default: nobody}
  schedule: {type: string, default: daily}
  runs: {type: integer, default: 1}
  keys: {type: array, items: {type: integer}, default: [1]}
variants:
  alpha: {client: alpha, schedule: "@hourly", runs: 3}
  beta: {client: beta, keys: [2, 3]}
"""

ASSET = '''"""@bruin
name: "raw.{{ var.client }}_orders"
description: Orders of {{ var.client | upper }}
enabled: "{{ var.client == 'alpha' }}"
depends: ["raw.{{ var.client }}_users"]
parameters: {who: "{{ var.client }}", day: "{{ start_date }}"}
interval_modifiers: {start: "{{ '-1h' if var.client else '0' }}"}
hooks: {pre: [{query: "SELECT '{{ this }}'"}]}
materialization: {type: table}
custom_checks: [{name: "of {{ var.client }}", query: "SELECT '{{ end_date }}'"}]
columns: [{name: id, checks: [{name: pattern, value: "{{x}}"}]}]
@bruin"""
'''


@pytest.fixture
def variants(write):
    """Parse a pipeline whose file is given, by the names of its pipelines."""

    def _variants(pipeline, asset=ASSET):
        users = "# @bruin.name: raw.{{ var.client }}_users\n"
        root = write({"sales/pipeline.yml": pipeline, "sales/assets/a.py": asset, "sales/assets/b.py": users})
        return {parsed.name: parsed for parsed in parse_project(root)}

    return _variants


def errors(parsed):
    return [str(problem).removeprefix("sales/") for problem in parsed.problems]


def test_each_variant_is_a_pipeline_of_its_own(variants):
    found = variants(CLIENTS)
    assert [*found] == ["alpha_pipe", "beta_pipe"]
    alpha, beta = found.values()
    assert (errors(alpha), errors(beta)) == ([], [])
    assert (alpha.variant, alpha.pipeline.schedule, alpha.pipeline.concurrency) == ("alpha", "@hourly", 3)
    assert (beta.variant, beta.pipeline.schedule, beta.pipeline.concurrency) == ("beta", "daily", 1)
    assert alpha.pipeline.default_connections == {"duckdb": "alpha_db"}


def test_the_values_of_a_variant_are_the_defaults_of_its_variables(variants):
    values = {name: one.pipeline.variables for name, one in variants(CLIENTS).items()}
    assert values["alpha_pipe"]["client"].default == "alpha"
    assert values["alpha_pipe"]["keys"].default == [1]
    assert values["beta_pipe"]["keys"].default == [2, 3]


def test_what_an_asset_is_called_and_waits_for_differs_by_variant(variants):
    alpha = variants(CLIENTS)["alpha_pipe"]
    orders = alpha.assets[0]
    assert errors(orders) == []
    assert (orders.name, orders.asset.description) == ("raw.alpha_orders", "Orders of ALPHA")
    assert (orders.asset.owner, orders.asset.tags, orders.connection) == ("team alpha", ("alpha",), "alpha_db")
    assert orders.asset.custom_checks[0].name == "of alpha"
    assert alpha.edges == (("raw.alpha_users", "raw.alpha_orders"),)


def test_templates_that_wait_for_the_dag_run_are_left_alone(variants):
    asset = variants(CLIENTS)["beta_pipe"].assets[0].asset
    assert asset.enabled == "{{ var.client == 'alpha' }}"
    assert asset.parameters == {"who": "{{ var.client }}", "day": "{{ start_date }}"}
    assert asset.interval_modifiers.start == "{{ '-1h' if var.client else '0' }}"
    assert asset.hooks.pre[0].query == "SELECT '{{ this }}'"
    assert asset.custom_checks[0].query == "SELECT '{{ end_date }}'"
    assert asset.columns[0].checks[0].value == "{{x}}"


def test_the_hash_of_an_asset_tells_its_variants_apart(variants):
    hashes = {one.assets[0].source_hash for one in variants(CLIENTS).values()}
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("name: sales", ["sales-a", "sales-b"]),
        ("", ["sales-a", "sales-b"]),
        ('name: "{{ var.kind }}"', ["x-a", "x-b"]),
        ('name: "{{ var.who }}"', ["one", "two"]),
        ('name: "{{ var.unknown }}"', ["sales-a", "sales-b"]),
    ],
)
def test_variants_have_names_of_their_own(variants, name, expected):
    declared = "variables: {who: {default: one}, kind: {default: x}}\nvariants: {a: , b: {who: two}}\n"
    assert [*variants(f"{name}\n{declared}")] == expected


def test_a_single_variant_of_a_plain_name_has_the_name_that_it_keeps_when_a_second_one_comes(variants):
    assert [*variants("name: sales\nvariables: {x: {default: 1}}\nvariants: {a: {x: 2}}\n")] == ["sales-a"]


def test_a_mistake_of_one_variant_leaves_the_others_as_they_are(variants):
    text = CLIENTS + '  gamma: {clint: x, runs: many}\n  "d d": {client: delta}\n  eps: 3\n'
    found = variants(text)
    assert errors(found["alpha_pipe"]) == []
    assert errors(found["nobody_pipe-gamma"]) == [
        "pipeline.yml:4:1: concurrency: 'many' is no whole number",
        (
            "pipeline.yml:14:11: variants.gamma.clint: there is no variable 'clint' (did you mean 'client'? "
            "one of: client, keys, runs, schedule)"
        ),
        'pipeline.yml:14:21: variants.gamma.runs: "many" is of another type (its type is integer)',
    ]
    assert errors(found["delta_pipe"]) == [
        "pipeline.yml:15:3: variants.d d: 'd d' is no name of a variant (letters, digits, '_' and '-')"
    ]
    assert errors(found["nobody_pipe-eps"]) == [
        "pipeline.yml:16:3: variants.eps: a variant is a mapping of variables to values (name: value)"
    ]
    assert {len(one.assets) for one in found.values()} == {2}


def test_a_broken_file_keeps_the_pipelines_of_all_variants(variants):
    found = variants(CLIENTS + "owner: a: b\n")
    assert [*found] == ["alpha_pipe", "beta_pipe"]
    assert {name: [asset.name for asset in one.assets] for name, one in found.items()} == {
        "alpha_pipe": ["raw.alpha_orders", "raw.alpha_users"],
        "beta_pipe": ["raw.beta_orders", "raw.beta_users"],
    }


UNFILLABLE = {
    "{{ var.clint }}": "var.clint is unknown; the pipeline's variables: client, keys, runs, schedule (there are: var, variant)",
    "{{ start_date }}": "start_date is unknown (there are: var, variant)",
    "{{ conn.db.password }}": "conn is unknown (there are: var, variant)",
    "{{ var.client": "line 1: unexpected end of template, expected 'end of print statement'.",
    "{% for i in range(9) %}{% endfor %}": "loops and macros are not allowed here (an expression, as {{ var.region }})",
    "{{ 'x' * 10000000 }}": "the product is too large (templates reach names and filters only)",
    "{{ 9 ** 9999999 }}": "the power is too large (templates reach names and filters only)",
    "{{ ''.__class__ }}": "access to attribute '__class__' of 'str' object is unsafe. (templates reach names and filters only)",
}


@pytest.mark.parametrize(("template", "reason"), UNFILLABLE.items())
def test_a_template_that_cannot_be_filled_in_is_a_problem_at_its_place(variants, template, reason):
    asset = f'"""@bruin\nname: raw.orders\nowner: "{template}"\n@bruin"""\n'
    [orders] = [one for one in variants(CLIENTS, asset)["alpha_pipe"].assets if one.name == "raw.orders"]
    assert errors(orders) == [f"assets/a.py:3:8: owner: the template cannot be filled in: {reason}"]
    assert orders.problems[0].code == "AM631"


def test_a_pipeline_without_variants_fills_in_what_mentions_its_variables(variants):
    text = 'name: "{{ var.client }}"\ndefault_connections: {d: "{{ var.client }}_db"}\nvariables: {client: {default: shop}}\n'
    header = '"""@bruin\nname: raw.orders\nowner: "{{ var.client }}"\ndescription: Like {{ ref }} of dbt.\n@bruin"""\n'
    parsed = variants(text, header)["shop"]
    assert (errors(parsed), parsed.variant, parsed.pipeline.default_connections) == ([], "", {"d": "shop_db"})
    orders = parsed.assets[0].asset
    assert (orders.owner, orders.description) == ("shop", "Like {{ ref }} of dbt.")


def test_a_template_without_quotes_is_no_text_and_the_hint_says_so(variants):
    parsed = variants("name: {{ var.client }}\nvariables: {client: {default: shop}}\n")["shop"]
    assert errors(parsed) == ["pipeline.yml:1:8: name: a key must be a text (a template stands in quotes)"]


def test_a_variant_is_chosen_by_its_name(variants, tmp_path):
    variants(CLIENTS)
    [chosen] = choose_variant(select_assets(tmp_path / "sales"), "beta")
    assert chosen.pipeline.name == "beta_pipe"


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("", "sales has variants, and each is a pipeline\nHint: choose one of: alpha, beta"),
        ("alfa", "sales has no variant 'alfa'\nHint: did you mean 'alpha'? one of: alpha, beta"),
    ],
)
def test_a_choice_of_no_variant_lists_what_there_is(variants, tmp_path, variant, message):
    variants(CLIENTS)
    with pytest.raises(MaterializeError) as caught:
        choose_variant(select_assets(tmp_path / "sales"), variant)
    assert str(caught.value) == message


def test_a_choice_where_there_are_no_variants_is_an_error(variants, tmp_path):
    variants("name: sales\n", "# @bruin.owner: x\n")
    with pytest.raises(MaterializeError, match="There is no variant 'a'\nHint: no pipeline here has variants"):
        choose_variant(select_assets(tmp_path / "sales"), "a")
