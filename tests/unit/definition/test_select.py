from __future__ import annotations

import pytest

from airflow_materialize.definition.project.select import select_assets

FILES = {
    "dags/shop/pipeline.yml": "name: shop\ndefault_connections: {duckdb: db}\n",
    "dags/shop/assets/orders.py": '"""@bruin\nname: orders\nmaterialization: {type: table}\n@bruin"""\n',
    "dags/reports/pipeline.yml": "name: reports\n",
    "dags/reports/assets/good.py": "# @bruin.depends: orders\n",
    "dags/reports/assets/bad.py": "# @bruin.depends: order\n",
}


def judged(path):
    return {
        asset.name: ([problem.code for problem in asset.problems], [one.name for one in asset.outside])
        for selection in select_assets(path)
        for asset in selection.chosen
    }


@pytest.mark.parametrize("sign", ["dags/.airflowignore", "nothing"])
def test_a_pipeline_is_judged_with_those_beside_it(write, sign):
    root = write({**FILES, sign: ""})
    assert judged(root / "dags/reports") == {"good": ([], ["orders"]), "bad": (["AM303"], [])}
    assert judged(root / "dags") == {**judged(root / "dags/reports"), "orders": ([], [])}


def test_a_pipeline_is_judged_with_all_below_the_dags_directory(write):
    deep = {name.replace("dags/shop", "dags/sales/shop"): text for name, text in FILES.items()}
    root = write({**deep, "dags/.airflowignore": ""})
    assert judged(root / "dags/reports")["good"] == ([], ["orders"])


def test_a_file_is_judged_by_itself(write):
    root = write(FILES)
    assert judged(root / "dags/reports/assets/bad.py") == {"bad": ([], [])}
