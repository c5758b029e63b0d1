from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from airflow.sdk import Asset
from airflow.serialization.serialized_objects import DagSerialization

from airflow_materialize import asset_dags
from airflow_materialize.dag.assets import airflow_asset
from airflow_materialize.definition.model.identity import asset_uri

TABLE = "materialization: {type: table}\n"
CHECKED = TABLE + "columns: [{name: id, checks: [{name: unique}, {name: not_null, blocking: false}]}]\n"
OUTSIDE = "depends: [raw.orders, {uri: 's3://elsewhere/x'}, {asset: raw.rates, mode: symbolic}]\n"


@pytest.fixture
def dags(tmp_path: Path):
    """Build the DAGs of pipelines, each with assets by their names; `schedule` is that of `marts`."""

    def build(schedule: str = "daily", check_tasks: str = "one", **pipelines: dict[str, str]):
        for pipeline, assets in pipelines.items():
            folder = tmp_path / pipeline
            (folder / "assets").mkdir(parents=True, exist_ok=True)
            own = schedule if pipeline == "marts" else "daily"
            lines = (f"name: {pipeline}", f"schedule: {own}", f"check_tasks: {check_tasks}")
            (folder / "pipeline.yml").write_text("\n".join((*lines, "default_connections: {duckdb: warehouse}\n")))
            for name, header in assets.items():
                (folder / "assets" / f"{name}.py").write_text(f'"""@bruin\nname: {name}\n{header}@bruin"""\n')
        return asset_dags(tmp_path)

    return build


def outlets(dag) -> dict[str, list[str]]:
    return {task.task_id: [asset.uri for asset in task.outlets] for task in dag.tasks if task.outlets}


def inlets(dag) -> dict[str, list[str]]:
    return {task.task_id: [asset.uri for asset in task.inlets] for task in dag.tasks if task.inlets}


@pytest.mark.parametrize("check_tasks", ["one", "each"])
def test_the_last_blocking_step_of_a_table_emits_it(dags, check_tasks):
    assets = {
        "raw.orders": CHECKED,
        "raw.rates": TABLE,
        "script": "",
        "lax": CHECKED.replace("unique}", "unique, blocking: false}"),
    }
    assert outlets(dags(raw=assets, check_tasks=check_tasks)["raw"]) == {
        "raw__orders.check": ["materialize://warehouse/raw.orders"],
        "raw__rates.load": ["materialize://warehouse/raw.rates"],
        "lax.load": ["materialize://warehouse/lax"],
    }


def test_an_airflow_asset_is_the_one_that_its_uri_alone_gives():
    uri = asset_uri("", "my warehouse", "raw.größe")
    assert uri == "materialize://my%20warehouse/raw.gr%C3%B6%C3%9Fe"
    plain = Asset(uri)
    assert (plain.name, plain.uri) == (uri, uri)


@pytest.mark.parametrize("name", ["a/b", "a?b#c", "x" * 3000, "日" * 200, "a b", "%41", "@:", "\udcff"])
def test_whatever_a_name_is_airflow_takes_its_uri_as_it_is(name):
    uri = asset_uri("", "db@host:1/x", name)
    assert Asset(uri).uri == uri
    assert uri != asset_uri("", "db@host:1/x", name + "x")


@pytest.mark.parametrize("name", ["raw.orders", "Größe und *so*", "a/b?c#d@e", "x" * 1480, "x" * 5000, "~.-_"])
def test_an_airflow_asset_is_equal_to_one_that_is_made_without_a_short_cut(name):
    uri, about = asset_uri("", "Ware:house@x", name), {"owner": "Ada"}
    made, plain = airflow_asset(uri, about), Asset(name=uri, uri=uri, extra=about)
    assert (made, hash(made), vars_of(made)) == (plain, hash(plain), vars_of(plain))


def vars_of(asset: Asset) -> list:
    return [getattr(asset, field.name) for field in attrs.fields(Asset)]


def test_what_a_pipeline_with_a_cron_reads_of_others_are_inlets_of_run(dags):
    built = dags(raw={"raw.orders": TABLE, "raw.rates": TABLE}, marts={"report": OUTSIDE})
    marts = built["marts"]
    assert type(marts.timetable).__name__ == "CronDataIntervalTimetable"
    assert inlets(marts) == {
        "report.run": [
            "materialize://warehouse/raw.orders",
            "materialize://warehouse/raw.rates",
            "s3://elsewhere/x",
        ]
    }
    assert inlets(built["raw"]) == {}


def test_a_pipeline_on_assets_starts_when_all_that_it_waits_for_is_there(dags):
    built = dags("assets", raw={"raw.orders": TABLE, "raw.rates": TABLE}, marts={"report": OUTSIDE, "more": OUTSIDE})
    condition = built["marts"].timetable.asset_condition
    assert type(condition).__name__ == "AssetAll"
    assert [asset.uri for asset in condition.objects] == ["materialize://warehouse/raw.orders", "s3://elsewhere/x"]


def test_a_pipeline_on_assets_that_waits_for_nothing_has_no_schedule(dags):
    marts = dags("assets", marts={"report": ""})["marts"]
    assert type(marts.timetable).__name__ == "NullTimetable"
    assert "materialize-error" in marts.tags


def test_whoever_names_an_asset_says_the_same_of_it(dags):
    header = TABLE + (
        "description: Orders.\nowner: ann\ntags: [b, a]\ndomains: [shop]\ntier: 2\nmeta: {k: v}\n"
        "columns: [{name: id, upstreams: [{table: raw.x, column: y}]}]\n"
    )
    built = dags("assets", raw={"raw.orders": header}, marts={"report": "depends: [raw.orders]\n"})
    [made] = built["raw"].get_task("raw__orders.load").outlets
    assert made.extra == {
        "name": "raw.orders",
        "pipeline": "raw",
        "description": "Orders.",
        "owner": "ann",
        "tags": ["b", "a"],
        "domains": ["shop"],
        "tier": 2,
        "meta": {"k": "v"},
        "upstreams": {"id": ["raw.x.y"]},
    }
    [read] = built["marts"].get_task("report.run").inlets
    [awaited] = built["marts"].timetable.asset_condition.objects
    assert made == read == awaited


def test_a_broken_asset_keeps_what_it_emits_and_what_starts_its_pipeline(dags):
    assets = {"report": TABLE + "depends: [raw.orders]\n"}
    before = dags("assets", raw={"raw.orders": TABLE}, marts=assets)
    broken = {"report": assets["report"] + "ownr: ann\n"}
    after = dags("assets", raw={"raw.orders": TABLE + "owner: a: b\n"}, marts=broken)
    for name in ("raw", "marts"):
        assert "materialize-error" in after[name].tags
        assert outlets(after[name]) == outlets(before[name])
        assert inlets(after[name]) == inlets(before[name])
    assert [asset.uri for asset in after["marts"].timetable.asset_condition.objects] == [
        "materialize://warehouse/raw.orders"
    ]


def test_a_uri_that_airflow_refuses_breaks_its_assets_and_no_dag(dags):
    built = dags(
        "assets", raw={"raw.orders": TABLE + "uri: s3://[x\n"}, marts={"report": "depends: [{uri: 's3://[x'}]\n"}
    )
    for name, task in (("raw", "raw__orders.run"), ("marts", "report.run")):
        assert "materialize-error" in built[name].tags
        assert "Airflow refuses the URI" in built[name].get_task(task).doc_md
        assert outlets(built[name]) == inlets(built[name]) == {}


def test_dags_with_assets_can_be_serialized(dags):
    built = dags("assets", raw={"raw.orders": CHECKED}, marts={"report": OUTSIDE.replace("raw.rates", "raw.orders")})
    for dag in built.values():
        assert json.dumps(DagSerialization.to_dict(dag))
