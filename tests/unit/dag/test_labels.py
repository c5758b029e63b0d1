"""The words that Airflow's UI finds DAGs by."""

from __future__ import annotations

import pytest

from airflow_materialize import asset_dags


@pytest.fixture
def dag(tmp_path):
    """The DAG of one pipeline."""

    def build(pipeline: str, headers: list[str], **defaults):
        (tmp_path / "shop" / "assets").mkdir(parents=True)
        (tmp_path / "shop" / "pipeline.yml").write_text(f"name: shop\n{pipeline}")
        for number, header in enumerate(headers):
            text = f'"""@bruin\nname: a{number}\n{header}\n@bruin"""\n'
            (tmp_path / "shop" / "assets" / f"a{number}.py").write_text(text)
        (built,) = asset_dags(tmp_path, **defaults).values()
        return built

    return build


def test_a_dag_has_the_tags_and_domains_of_its_pipeline_and_its_assets(dag):
    built = dag("tags: [z, y]\ndomains: [sales]\n", ["tags: [y, x]\ndomains: [sales, web shop]", ""], tags=["mine"])
    expected = ["domain:sales", "domain:web shop", "materialize", "mine", "x", "y", "z"]
    assert sorted(built.tags) == expected


def test_a_dag_with_a_broken_asset_or_a_broken_pipeline_says_so_in_its_tags(dag):
    assert "materialize-error" in dag("", ["nonsense: 1", ""]).tags


def test_a_broken_pipeline_without_assets_says_so_too(dag):
    assert "materialize-error" in dag("nonsense: 1\n", []).tags


def test_the_longest_domain_is_a_tag_that_airflow_takes(dag):
    assert f"domain:{'x' * 93}" in dag(f"domains: [{'x' * 300}]\n", []).tags


@pytest.mark.parametrize(
    ("own", "shown"),
    [
        ("Ada", "Ada"),
        ("'Lovelace,Ada , '", "Lovelace, Ada"),
        ('" a\\n b "', "a b"),
        ("''", "Grace"),
        ('","', "Grace"),
        ("x" * 3000, "x" * 200),
    ],
)
def test_tasks_have_the_owner_of_their_asset_else_of_their_pipeline(dag, own, shown):
    built = dag("owner: Grace\n", [f"owner: {own}", ""])
    assert [task.owner for task in built.tasks] == [shown, "Grace"]


def test_without_an_owner_tasks_have_airflows_own(dag):
    assert dag("", [""]).owner == "airflow"


def test_owners_who_are_too_many_for_airflows_table_give_way_to_the_pipelines(dag):
    built = dag("owner: Grace\n", [f"owner: {letter * 190}" for letter in "abcdefghijkl"])
    assert built.owner == "Grace"
