from __future__ import annotations

from airflow_materialize.definition.project.explain import explain
from airflow_materialize.definition.project.select import select_assets


def origins(root, **options):
    [selection] = select_assets(root / "sales/assets/raw/a.py", **options)
    [asset] = selection.chosen
    found = explain(selection.root, selection.pipeline, asset, **options)
    return [(origin.path, origin.value, origin.where) for origin in found]


def test_every_value_tells_where_it_comes_from_in_the_order_of_the_fields(write):
    files = {
        ".git/HEAD": "x",
        "glossary.yml": "entities:\n  Customer:\n    attributes:\n      ID: {type: integer}\n",
        "sales/pipeline.yml": "name: sales\ndefault_connections: {duckdb: db}\ndefault:\n  owner: far\n  tags: [far]\n",
        "sales/assets/_defaults.yml": "tier: 2\nowner: '{{ var.x }} and near'\n",
        "sales/assets/raw/a.py": '"""@bruin\ntags: [own]\nextends: [Customer]\nparameters: {enforce_schema: true, n: 1}\n'
        'materialization:\n  type: table\n@bruin"""\n',
    }
    files["sales/pipeline.yml"] += "variables: {x: {default: me}}\n"
    assert origins(write(files)) == [
        ("name", "raw.a", "the path of the file"),
        ("parameters.n", "1", "sales/assets/raw/a.py:4:39"),
        ("connection", "db", "sales/pipeline.yml:2:31"),
        ("materialization.type", "table", "sales/assets/raw/a.py:6:9"),
        ("materialization.enforce_schema", "true", "sales/assets/raw/a.py:4:30"),
        ("owner", "me and near", "sales/assets/_defaults.yml:2:8"),
        ("tier", "2", "sales/assets/_defaults.yml:1:7"),
        ("extends[0]", "Customer", "sales/assets/raw/a.py:3:11"),
        ("columns[0].name", "ID", "glossary.yml:4:7"),
        ("columns[0].type", "integer", "glossary.yml:4:18"),
        ("columns[0].extends", "Customer.ID", "sales/assets/raw/a.py:3:11"),
        ("tags[0]", "own", "sales/assets/raw/a.py:2:8"),
        ("tags[1]", "far", "sales/pipeline.yml:5:10"),
    ]


def test_the_connection_of_the_setting_says_so(write):
    root = write({"sales/pipeline.yml": "name: sales\n", "sales/assets/raw/a.py": '"""@bruin\nname: a\n@bruin"""\n'})
    assert origins(root, default_connection="warehouse") == [
        ("name", "a", "sales/assets/raw/a.py:2:7"),
        ("connection", "warehouse", "the setting default_connection"),
    ]


def test_a_variant_is_explained_as_itself(write):
    text = "name: '{{ var.x }}'\nvariables: {x: {default: me}}\nvariants: {a: , b: {x: you}}\n"
    root = write({"sales/pipeline.yml": text, "sales/assets/a.py": '"""@bruin\nname: "{{ var.x }}"\n@bruin"""\n'})
    for selection in select_assets(root / "sales"):
        found = explain(selection.root, selection.pipeline, selection.chosen[0])
        assert found[0].value == selection.pipeline.name
