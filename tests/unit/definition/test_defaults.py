from __future__ import annotations

import pytest

from airflow_materialize.definition.project.project import parse_project

PIPELINE = """
name: sales
default_connections: {duckdb: warehouse}
default: {owner: far, description: far, tags: [far], image: python:3.11}
"""
ASSET = '"""@bruin\nowner: own\ntags: [own]\nmaterialization: {type: table}\n@bruin"""\n'


@pytest.fixture
def read(write):
    """Parse a pipeline with files of one's own, and return its assets by name."""

    def _read(files, pipeline=PIPELINE, asset=ASSET):
        root = write({"sales/pipeline.yml": pipeline, "sales/assets/raw/a.py": asset, **files})
        [parsed] = parse_project(root)
        _read.pipeline = parsed
        return {asset.name: asset for asset in parsed.assets}

    return _read


def errors(parsed):
    return [str(problem).removeprefix("sales/") for problem in parsed.problems]


def test_the_nearest_folder_wins_and_pipeline_yml_comes_last(read):
    files = {
        "sales/_defaults.yml": "description: folder\ntags: [folder]\ntier: 3\nimage: python:3.12\n",
        "sales/assets/_defaults.yaml": "description: assets\ntags: [assets]\ntier: 2\n",
        "sales/assets/raw/_defaults.yml": "description: near\ntags: [near]\nowner: near\n",
        "sales/assets/other/_defaults.yml": "tier: 5\n",
    }
    asset = read(files)["raw.a"].asset
    assert (asset.owner, asset.description, asset.tier, asset.image) == ("own", "near", 2, "python:3.12")
    assert asset.tags == ("own", "near", "assets", "folder", "far")


def test_the_default_of_pipeline_yml_holds_where_no_folder_says_otherwise(read):
    asset = read({"sales/assets/_defaults.yml": "# nothing yet\n"})["raw.a"].asset
    assert (asset.description, asset.image) == ("far", "python:3.11")


def test_folders_above_the_pipeline_have_no_word(read):
    assert read({"_defaults.yml": "tier: 1\n"})["raw.a"].asset.tier is None


def test_load_options_under_parameters_of_a_folder_are_its_own_too(read):
    asset = read({"sales/assets/_defaults.yml": "parameters: {enforce_schema: true, x: 1}\n"})["raw.a"].asset
    assert (asset.materialization.enforce_schema, asset.parameters) == (True, {"x": 1})


def test_a_mistake_is_one_even_where_every_asset_has_its_own_value(read):
    text = "owner: [a]\ntier: high\nownr: x\nschedule: daily\ncolumns: [{name: id, primary_kee: true}]\n"
    own = '"""@bruin\nowner: me\ntier: 1\ncolumns: [{name: x}, {name: id}]\n@bruin"""\n'
    assets = read({"sales/assets/raw/_defaults.yml": text, "sales/assets/b.py": own}, asset=own)
    where = "assets/raw/_defaults.yml"
    assert errors(assets["raw.a"]) == [
        f"{where}:1:1: owner: a text is expected, this is a list",
        f"{where}:2:1: tier: 'high' is no whole number",
        f"{where}:3:1: ownr: unknown field (did you mean 'owner'?)",
        f"{where}:4:1: schedule: unknown field (it stands in pipeline.yml)",
        f"{where}:5:22: columns[0].primary_kee: unknown field (did you mean 'primary_key'?)",
    ]
    assert errors(assets["b"]) == []


def test_a_mistake_in_the_default_of_pipeline_yml_is_one_of_the_pipeline_which_keeps_its_schedule(read):
    assets = read({}, pipeline="name: sales\nschedule: hourly\ndefault: {tier: high}\n", asset="# @bruin.owner: x\n")
    text = ["pipeline.yml:3:11: tier: 'high' is no whole number"]
    assert (errors(assets["raw.a"]), errors(read.pipeline), read.pipeline.pipeline.schedule) == (text, text, "hourly")


def test_text_that_cannot_be_read_leaves_the_assets_below_their_steps(read):
    files = {"sales/assets/raw/_defaults.yml": "materialization: {type: table}\ndepends: [b]\nowner: a: b\n"}
    files["sales/assets/b.py"] = "# @bruin.owner: x\n"
    assets = read(files, asset='"""@bruin\nimage: python:2\n@bruin"""\n')
    parsed = assets["raw.a"]
    assert len(errors(parsed)) == 2
    assert errors(parsed)[0].startswith("assets/raw/_defaults.yml:3:9: the YAML is broken")
    assert errors(parsed)[1].startswith("assets/raw/a.py:2:1: image: 'python:2' is no image")
    assert (parsed.shape.table, parsed.shape.depends, parsed.asset) == (True, ("b",), None)
    assert errors(assets["b"]) == []


def test_no_link_leads_to_defaults_elsewhere(read, tmp_path, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret.yml"
    elsewhere.write_text("owner: secret\n")
    (tmp_path / "sales/assets").mkdir(parents=True)
    (tmp_path / "sales/assets/_defaults.yml").symlink_to(elsewhere)
    assert errors(read({})["raw.a"]) == [
        "assets/_defaults.yml: cannot be read: a link that leads out of the folder of all pipelines"
    ]


def test_what_folders_say_without_effect_is_warned_of_once(read):
    files = {
        "sales/assets/_defaults.yml": "name: x\nrouting: {egress_gateway: x}\n",
        "sales/assets/b.py": "# @bruin.owner: x\n",
    }
    assets = read(files)
    assert [str(warning) for warning in read.pipeline.warnings] == [
        "sales/assets/_defaults.yml:1:1: warning: name: is not inherited (each asset has its own)",
        "sales/assets/_defaults.yml:2:1: warning: routing: has no effect: it is read by Bruin Cloud alone",
    ]
    assert {name: asset.warnings for name, asset in assets.items()} == {"raw.a": (), "b": ()}


def test_templates_of_folders_know_the_variant(read):
    pipeline = "name: '{{ var.c }}'\nvariables: {c: {default: x}}\nvariants: {a: {c: one}}\n"
    files = {"sales/assets/_defaults.yml": "owner: team {{ var.c }}\nstart_date: '2026-0{{ 1 }}-01'\n"}
    asset = read(files, pipeline=pipeline, asset="# @bruin.tier: 1\n")["raw.a"].asset
    assert (asset.owner, asset.start_date) == ("team one", "2026-01-01")


HOOKS = "default:\n  hooks:\n    pre: [{query: SELECT 1}]\n    post: [{query: SELECT 2}]\n"


@pytest.mark.parametrize(
    ("types", "inherited"),
    [("", True), ("    applicable_type: [duckdb.sql]\n", False), ("    applicable_type: [duckdb.sql, python]\n", True)],
)
def test_hooks_are_inherited_where_they_are_for_python(read, types, inherited):
    own = '"""@bruin\nhooks: {pre: [{query: SELECT 0}]}\n@bruin"""\n'
    hooks = read({}, pipeline=f"name: sales\n{HOOKS}{types}", asset=own)["raw.a"].asset.hooks
    assert [hook.query for hook in hooks.pre] == ["SELECT 0"]
    assert [hook.query for hook in hooks.post] == (["SELECT 2"] if inherited else [])


def test_who_inherits_hooks_is_no_matter_of_an_asset(read):
    own = '"""@bruin\nhooks: {pre: [{query: SELECT 0}], applicable_type: [python]}\nmaterialization: {type: table}\n@bruin"""\n'
    [warning] = read({}, asset=own)["raw.a"].warnings
    assert str(warning) == (
        "sales/assets/raw/a.py:2:35: warning: hooks.applicable_type: has no effect: "
        "it chooses which assets inherit the hooks of a default"
    )
