from __future__ import annotations

import pytest

from airflow_materialize.definition.project.project import parse_project

TABLE = "materialization: {type: table}"
ORDERS = f"name: raw.orders\n{TABLE}"

MANY = {
    "a": {
        "orders": f"{ORDERS}\nowner: ann",
        "quoted": f'"name": "raw.q"\n{TABLE}',
        "escaped": f'name: "raw.\\u0065scaped"\n{TABLE}',
        "folded": f"name:\n  raw.folded\n{TABLE}",
        "indented": f"name: raw.indented\n{TABLE}".replace("\n", "\n  ").join(("  ", "")),
        "by_path": TABLE,
        "script": "name: a.script",
        "loop": f"name: a.loop\ndepends: [c.loop]\n{TABLE}",
    },
    "b": {
        "orders": ORDERS,
        "quoted": f"name: RAW.Q\n{TABLE}",
        "escaped": f"name: raw.escaped\n{TABLE}",
        "folded": f"name: raw.folded\n{TABLE}",
        "indented": f"name: raw.indented\n{TABLE}",
        "path": f"name: by_path\n{TABLE}",
        "uri": f"name: b.uri\nuri: materialize://db/c.loop\n{TABLE}",
        "twice": f"name: twice\nconnection: x\n{TABLE}",
    },
    "c": {
        "loop": f"name: c.loop\ndepends: [d.way]\n{TABLE}",
        "unknown": "depends: [raw.orderz, a.script, by_path, raw.sql]",
        "twice": f"name: twice\n{TABLE}",
    },
    "d": {"way": f"name: d.way\ndepends: [a.loop]\n{TABLE}", "many": "depends: [twice, {uri: 's3://s/x'}]"},
    "e": {"uri": f"name: e.uri\nuri: s3://s/x\n{TABLE}", "lost": "depends: [{uri: 'materialize://db/by_path'}]"},
}
SCHEDULES = {"a": "assets", "c": "assets", "d": "assets"}


@pytest.mark.parametrize("name", MANY)
def test_one_pipeline_by_itself_is_judged_as_among_all(write, name):
    files = {}
    for pipeline, assets in MANY.items():
        lines = (
            f"name: {pipeline}",
            f"schedule: {SCHEDULES.get(pipeline, 'daily')}",
            "default_connections: {duckdb: db}",
        )
        files[f"{pipeline}/pipeline.yml"] = "\n".join(lines)
        files |= {f"{pipeline}/assets/{name}.py": f'"""@bruin\n{text}\n@bruin"""\n' for name, text in assets.items()}
    root = write({**files, "e/assets/s.sql": "/* @bruin\nname: raw.sql\n@bruin */"})
    whole = {pipeline.name: pipeline for pipeline in parse_project(root)}
    [alone] = parse_project(root, lambda wanted: wanted == name)
    assert alone == whole[name]
    assert any(asset.problems or asset.outside for asset in alone.assets)


def test_the_names_that_variants_give_their_assets_are_found(write):
    root = write(
        {
            "v/pipeline.yml": (
                "name: v-{{ variant }}\ndefault_connections: {duckdb: db}\nvariables: {market: {type: string, default: x}}\n"
                "variants: {a: {market: be}, b: {market: nl}}\n"
            ),
            "v/assets/orders.py": f'"""@bruin\nname: "{{{{ var.market }}}}.orders"\n{TABLE}\n@bruin"""\n',
            "v/assets/same.py": f'"""@bruin\nname: same\n{TABLE}\n@bruin"""\n',
            "w/pipeline.yml": "name: w\n",
            "w/assets/report.py": "# @bruin.depends: nl.orders, same\n",
        }
    )
    whole = {pipeline.name: pipeline for pipeline in parse_project(root)}
    assert sorted(whole) == ["v-a", "v-b", "w"]
    for name, pipeline in whole.items():
        assert parse_project(root, lambda wanted, name=name: wanted == name) == [pipeline]
    [report] = whole["w"].assets
    assert [(one.uri, one.name) for one in report.outside] == [
        ("materialize://db/nl.orders", "nl.orders"),
        ("materialize://db/same", "same"),
    ]
    assert [problem.code for pipeline in whole.values() for asset in pipeline.assets for problem in asset.problems] == [
        "AM302"
    ]
