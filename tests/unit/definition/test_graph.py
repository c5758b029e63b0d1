from __future__ import annotations

import pytest

from airflow_materialize.definition.project.graph import AssetGraph
from airflow_materialize.definition.project.project import parse_project


@pytest.fixture
def graph(write):
    """Parse assets of which the dependencies are given, each in a file of its name."""

    def _graph(**depends):
        headers = {
            f"s/assets/{name}.py": f'"""@bruin\nname: {name}\ndepends: {up}\n@bruin"""\n'
            for name, up in depends.items()
        }
        [pipeline] = parse_project(write({"s/pipeline.yml": "name: s\n", **headers}))
        return pipeline

    return _graph


def messages(pipeline):
    return {asset.name: [str(problem) for problem in asset.problems] for asset in pipeline.assets}


def test_edges_lead_to_assets_of_the_pipeline_alone(graph):
    pipeline = graph(a="[]", b="[a, {uri: 's3://x'}]", c="[{asset: a, mode: Symbolic}, b]")
    assert messages(pipeline) == {"a": [], "b": [], "c": []}
    assert pipeline.edges == (("a", "b"), ("b", "c"))


def test_a_cycle_is_said_in_words_to_each_of_its_assets_and_makes_no_edge(graph):
    pipeline = graph(a="[c]", b="[a]", c="[b]", d="[c]", e="[]", f="[a, e]")
    end = "(drop one of these dependencies)"
    assert messages(pipeline) == {
        "a": [f"s/assets/a.py:3:11: depends: a cycle: a depends on c, which depends on b, which depends on a {end}"],
        "b": [f"s/assets/b.py:3:11: depends: a cycle: b depends on a, which depends on c, which depends on b {end}"],
        "c": [f"s/assets/c.py:3:11: depends: a cycle: c depends on b, which depends on a, which depends on c {end}"],
        "d": [],
        "e": [],
        "f": [],
    }
    assert pipeline.edges == (("a", "f"), ("c", "d"), ("e", "f"))


def test_an_asset_that_depends_on_itself_is_a_cycle(graph):
    assert messages(graph(a="[a]")) == {
        "a": ["s/assets/a.py:3:11: depends: a cycle: a depends on itself (drop one of these dependencies)"]
    }


def test_the_way_into_a_cycle_is_kept(graph):
    pipeline = graph(a="[]", b="[a, c]", c="[b]")
    assert pipeline.edges == (("a", "b"),)


def test_two_assets_of_one_name_are_an_error_at_the_second(write):
    files = {
        "s/pipeline.yml": "name: s\n",
        "s/assets/one.py": "# @bruin.name: raw.a\n",
        "s/assets/two.py": '"""@bruin\n\nname: raw.a\n@bruin"""\n',
    }
    [pipeline] = parse_project(write(files))
    assert messages(pipeline) == {
        "raw.a": ["s/assets/two.py:3:1: name: 'raw.a' is the name of s/assets/one.py:1:10 too (one asset, one name)"]
    }


def test_names_that_differ_by_case_alone_are_an_error_of_both(write):
    files = {"s/pipeline.yml": "name: s\n", "s/assets/1.py": "# @bruin.name: b", "s/assets/2.py": "# @bruin.name: B"}
    [pipeline] = parse_project(write(files))
    text = (
        "s/assets/2.py:1:10: name: 'B' is, but for upper and lower case, the name of s/assets/1.py:1:10 "
        "(one asset, one name)"
    )
    assert messages(pipeline) == {"B": [text], "b": [text]}


def test_the_order_puts_what_is_depended_on_first_and_is_always_the_same():
    graph = AssetGraph({"z": (), "a": ("z", "m"), "m": ("z",), "b": ()})
    assert graph.order() == ("b", "z", "m", "a")


def test_downstream_reaches_all_the_way():
    graph = AssetGraph({"a": (), "b": ("a",), "c": ("b",), "d": ()})
    assert graph.downstream("a") == {"b", "c"}
    assert graph.downstream("d") == frozenset()
