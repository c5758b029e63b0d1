from __future__ import annotations

import json
import re

import pytest

from airflow_materialize import asset_dags
from airflow_materialize.dag.docs import dag_doc, doc_md
from airflow_materialize.definition.model.markdown import code, fence, page, plain, printable, quote
from airflow_materialize.definition.project.project import parse_project

ORDERS = '''"""@bruin
name: raw.orders
description: |
  All **orders**, one row each.
owner: Ada
tier: 2
tags: [gold, pii]
domains: [sales]
meta: {ticket: ABC-1}
metadata: {source: shop}
connection: warehouse
materialization: {type: table, strategy: delete+insert, incremental_key: day}
depends:
  - {asset: raw.customers, columns: [id, name]}
  - {asset: raw.plans, mode: symbolic}
columns:
  - name: day
    type: decimal
    precision: 10
    scale: 2
    primary_key: true
    nullable: false
    description: The day | of it
    owner: Grace
    checks:
      - name: unique
      - {name: accepted_values, value: [a, b], blocking: false, description: only these}
    upstreams: [{table: raw.customers, column: since}]
  - {name: note, type: varchar(20)}
custom_checks:
  - {name: no gaps, query: SELECT 0, description: every day, blocking: false}
freshness: 1d
@bruin"""
'''


@pytest.fixture
def parsed(tmp_path):
    """Writes and parses one pipeline."""

    def write(asset: str, pipeline: str = "name: shop\n"):
        folder = tmp_path / "shop"
        (folder / "assets").mkdir(parents=True, exist_ok=True)
        (folder / "pipeline.yml").write_text(pipeline)
        (folder / "assets" / "orders.py").write_text(asset)
        for name in ("customers", "plans"):
            (folder / "assets" / f"{name}.py").write_text(f'"""@bruin\nname: raw.{name}\n@bruin"""\n')
        (found,) = parse_project(tmp_path)
        return found

    return write


def test_the_page_of_an_asset_says_all_that_its_header_says(parsed):
    _, asset, _ = parsed(ORDERS).assets
    text = doc_md(asset)
    assert text.startswith("# raw.orders\n\n> All **orders**, one row each.\n\nLoaded with **delete+insert** by `day`")
    assert "over the connection `warehouse`." in text
    for fact in ("Owner: Ada", "Tier: 2", "Tags: gold, pii", "Domains: sales", "source: shop", "ticket: ABC-1"):
        assert f"\n- {fact}" in text
    assert "**Depends on**\n\n- `raw.customers`: `id`, `name`\n- `raw.plans` (lineage alone)" in text
    assert (
        "| column | type | key | null | checks | description | from |\n| --- | --- | --- | --- | --- | --- | --- |\n"
        "| `day` | `decimal(10, 2)` | yes | never | unique, accepted_values `a, b`, not blocking (only these) "
        "| The day \\| of it (owner: Grace) | `raw.customers.since` |\n"
        "| `note` | `varchar(20)` |  |  |  |  |  |"
    ) in text
    assert "**Custom checks**\n\n- **no gaps**, not blocking every day" in text
    assert "**Warnings**\n\n- shop/assets/orders.py:" in text
    assert text.endswith("Source: `shop/assets/orders.py`\n")


def test_group_and_tasks_have_the_same_page_and_the_group_its_description_as_tooltip(parsed, tmp_path):
    parsed(ORDERS)
    dag = asset_dags(tmp_path)["shop"]
    group = dag.task_group.get_child_by_label("raw__orders")
    tasks = [dag.get_task(f"raw__orders.{step}") for step in ("run", "load", "check", "check_warn")]
    assert {group.doc_md, *(task.doc_md for task in tasks)} == {doc_md(tasks[0].parsed)}
    assert group.tooltip == "All **orders**, one row each."


def test_the_page_of_a_broken_asset_shows_each_problem_with_its_line(parsed):
    _, asset, _ = parsed(ORDERS.replace("unique", "uniqe")).assets
    text = doc_md(asset)
    assert "**This asset cannot run as it is written:**\n\nshop/assets/orders.py:26:9: columns" in text
    assert "did you mean 'unique'?" in text
    assert "- name: uniqe" in text


def test_the_page_of_a_pipeline_lists_its_warnings_and_its_broken_assets(parsed):
    pipeline = parsed(
        ORDERS.replace("unique", "uniqe"),
        "name: shop\ndescription: All of it.\nowner: Ada\ndomains: [sales]\nmeta: {k: v}\nagent: {a: b}\n",
    )
    text = dag_doc(pipeline)
    assert text.startswith("# shop\n\n> All of it.\n\n- Owner: Ada\n- Domains: sales\n- k: v\n\n**Warnings**\n\n- shop")
    assert "pipeline.yml:6:1: warning: agent: has no effect" in text
    assert "**Assets that cannot run**\n\n- `raw.orders`" in text


def test_the_page_of_a_broken_pipeline_lists_its_problems(parsed):
    text = dag_doc(parsed(ORDERS, "name: shop\nschedul: daily\ntagz: [a]\n"))
    listed = re.findall(r"^(shop/pipeline.yml:\d:1: \w+: .*)$", text, re.MULTILINE)
    assert [line.split(": ")[1] for line in listed] == ["schedul", "tagz"]
    assert "did you mean 'schedule'?" in text


HOSTILE = [
    "see README.md",
    "/etc/passwd.md",
    "```\nunclosed",
    "~~~~\nunclosed",
    "<script>alert(1)</script>",
    "<!-- unclosed",
    "a | b || c\n| d |",
    "`` ` ``",
    "# title\n\n---\n\n1. x",
    "{{ conn.warehouse.password }}",
    "<details><summary>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_an_author_gets_out_of_its_place(parsed, tmp_path, text):
    quoted = json.dumps(text)
    asset = ORDERS.replace("|\n  All **orders**, one row each.", quoted).replace("The day | of it", quoted)
    asset = (
        asset.replace("owner: Ada", f"owner: {quoted}")
        .replace("ABC-1", quoted)
        .replace("name: no gaps", f"name: {quoted}")
    )
    pipeline = parsed(asset, f"name: shop\ndescription: {quoted}\nowner: {quoted}\nmeta: {{k: {quoted}}}\n")
    assert not pipeline.problems
    assert not pipeline.assets[1].problems, pipeline.assets[1].problems
    dag = asset_dags(tmp_path)["shop"]
    for page_ in (
        dag.doc_md,
        dag.get_task("raw__orders.run").doc_md,
        dag.task_group.get_child_by_label("raw__orders").doc_md,
    ):
        outside = "\n".join(line for line in page_.splitlines() if not line.startswith(">"))
        assert "<" not in re.sub(r"\\<|`[^`]*`", "", outside)
        assert not re.search(r"^(```|~~~)", outside, re.MULTILINE)
        assert not page_.endswith(".md")
        assert re.search(r"^Source: `", page_, re.MULTILINE)
        rows = [line for line in outside.splitlines() if line.startswith("| `")]
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {8}
        assert not re.search(r"<[A-Za-z/!]", "".join(line for line in page_.splitlines() if line.startswith(">")))


def test_a_pages_last_letters_never_name_a_file(tmp_path, monkeypatch):
    (tmp_path / "secret.md").write_text("secret")
    monkeypatch.chdir(tmp_path)
    from airflow.sdk import DAG, TaskGroup

    text = page(["secret.md"])
    with DAG("x", schedule=None, doc_md=text) as dag:
        group = TaskGroup("g", doc_md=text)
    assert "secret\n" not in {dag.doc_md, group.doc_md}
    assert dag.doc_md == "secret.md\n"


def test_markdown_of_single_lines_and_fences():
    assert plain("a*b_c `d` <e> [f](g)\nh") == r"a\*b\_c \`d\` \<e\> \[f\](g) h"
    assert [plain(text) for text in ("- a", "1. a", "+ a", "# a", "2) a")] == [
        r"\- a",
        r"1\. a",
        r"\+ a",
        r"\# a",
        r"2\) a",
    ]
    assert [code("a"), code("a`b"), code(""), code("``")] == ["`a`", "`` a`b ``", "", "``` `` ```"]
    assert fence("x\n````\ny") == "`````text\nx\n````\ny\n`````"
    assert quote("a\n\n<b>") == "> a\n>\n> &lt;b>"


def test_what_postgresql_takes_in_no_json_is_replaced():
    assert printable("a\x00b\ud800c\td\n") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\td\n"
