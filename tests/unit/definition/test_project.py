from __future__ import annotations

import pytest

from airflow_materialize.definition.model.parsed import Outside
from airflow_materialize.definition.project.project import parse_project

TABLE = "materialization: {type: table}"
ORDERS = f"name: raw.orders\n{TABLE}"


@pytest.fixture
def project(write):
    """Write pipelines over one connection, each with assets in files of their own; a text is the whole `pipeline.yml`."""

    def _project(schedules=None, **pipelines):
        files = {}
        for pipeline, assets in pipelines.items():
            schedule = (schedules or {}).get(pipeline, "daily")
            lines = (f"name: {pipeline}", f"schedule: {schedule}", "default_connections: {duckdb: db}")
            files[f"{pipeline}/pipeline.yml"] = "\n".join(lines)
            for name, header in assets.items():
                files[f"{pipeline}/assets/{name}.py"] = f'"""@bruin\n{header}\n@bruin"""\n'
        return write(files)

    return _project


def found(pipelines):
    """Each asset by its path, without the folder `assets` and the suffix."""
    return {
        asset.path.replace("/assets/", "/").removesuffix(".py"): asset
        for pipeline in pipelines
        for asset in pipeline.assets
    }


def messages(asset):
    return [f"{problem} [{problem.code}]" for problem in (*asset.problems, *asset.warnings)]


def test_a_table_is_known_by_its_connection_and_name_unless_its_header_says_otherwise(project):
    assets = found(
        parse_project(
            project(
                a={
                    "plain": f"name: raw.größe\n{TABLE}",
                    "said": f"name: raw.said\nuri: s3://shop/said\nconnection: other\n{TABLE}",
                    "script": "name: script\nuri: s3://shop/script",
                }
            )
        )
    )
    assert {name: asset.uri for name, asset in assets.items()} == {
        "a/plain": "materialize://db/raw.gr%C3%B6%C3%9Fe",
        "a/said": "s3://shop/said",
        "a/script": "",
    }


def test_a_broken_header_or_pipeline_keeps_the_uri_that_its_text_says(project):
    root = project(a={"orders": f"{ORDERS}\nowner: a: b", "other": f"name: x\nuri: s3://me:pw@shop\n{TABLE}"})
    broken = found(parse_project(root))
    assert broken["a/orders"].asset is None
    assert broken["a/orders"].uri == "materialize://db/raw.orders"
    assert broken["a/other"].uri == "materialize://db/x"  # No secret gets where Airflow shows it.
    (root / "a" / "pipeline.yml").write_text("name: a\ndefault_connections: {duckdb: db}\nshedule: daily\n")
    assert found(parse_project(root))["a/orders"].uri == "materialize://db/raw.orders"


def test_a_dependency_on_another_pipeline_is_read_and_makes_no_edge(project):
    header = "depends: [raw.orders, {asset: raw.rates, mode: symbolic}, own]"
    root = project(
        a={"orders": f"{ORDERS}\nowner: ann", "rates": f"name: raw.rates\n{TABLE}"},
        b={"report": header, "own": "name: own"},
    )
    _, pipeline = parse_project(root)
    report = found([pipeline])["b/report"]
    assert report.problems == report.warnings == ()
    assert report.shape.depends == ("own",)
    assert report.outside == (
        Outside(
            "materialize://db/raw.orders", "raw.orders", False, {"name": "raw.orders", "pipeline": "a", "owner": "ann"}
        ),
        Outside("materialize://db/raw.rates", "raw.rates", True, {"name": "raw.rates", "pipeline": "a"}),
    )


def test_a_uri_leads_to_an_edge_to_another_pipeline_or_to_what_somebody_else_makes(project):
    uris = ("s3://shop/own", "s3://shop/orders/", "s3://elsewhere/x")
    header = f"depends: [{', '.join(f'{{uri: {uri!r}}}' for uri in uris)}]"
    root = project(
        a={"orders": f"{ORDERS}\nuri: s3://shop/orders"},
        b={"own": f"name: own\nuri: s3://shop/own\n{TABLE}", "report": header},
    )
    report = found(parse_project(root))["b/report"]
    assert messages(report) == []
    assert report.shape.depends == ("own",)
    assert [(one.uri, one.name) for one in report.outside] == [
        ("s3://elsewhere/x", ""),
        ("s3://shop/orders", "raw.orders"),
    ]


def test_a_symbolic_dependency_in_the_own_pipeline_is_lineage_alone(project):
    root = project(a={"orders": ORDERS, "report": "depends: [{asset: raw.orders, mode: symbolic}]"})
    report = found(parse_project(root))["a/report"]
    assert report.shape.depends == ()
    assert [(one.uri, one.symbolic) for one in report.outside] == [("materialize://db/raw.orders", True)]


def test_lineage_closes_a_cycle_and_the_edge_stays(project):
    root = project(a={"x": "depends: [{asset: y, mode: symbolic}]", "y": "depends: [x]"})
    assets = found(parse_project(root))
    hint = "(drop one of these dependencies) [AM304]"
    assert messages(assets["a/x"]) == [
        f"a/assets/x.py:2:11: depends: a cycle: x depends on y, which depends on x {hint}"
    ]
    assert messages(assets["a/y"]) == [
        f"a/assets/y.py:2:11: depends: a cycle: y depends on x, which depends on y {hint}"
    ]
    assert assets["a/y"].shape.depends == ("x",)


def test_an_unknown_dependency_is_an_error_with_the_asset_that_was_meant(project):
    root = project(a={"orders": ORDERS}, b={"report": "depends:\n  - raw.ordres\n  - RAW.Orders\n  - nothing.like.it"})
    assert messages(found(parse_project(root))["b/report"]) == [
        (
            "b/assets/report.py:3:5: depends: there is no asset 'raw.ordres' "
            "(did you mean 'raw.orders'? (a/assets/orders.py:2:1)) [AM303]"
        ),
        (
            "b/assets/report.py:4:5: depends: there is no asset 'RAW.Orders' "
            "(did you mean 'raw.orders'? (a/assets/orders.py:2:1)) [AM303]"
        ),
        (
            "b/assets/report.py:5:5: depends: there is no asset 'nothing.like.it' "
            "(the name of an asset, or `uri:` for what no asset here makes) [AM303]"
        ),
    ]


def test_a_uri_of_ours_that_nothing_has_is_a_warning(project):
    report = found(parse_project(project(a={"report": "depends: [{uri: 'materialize://db/raw.gone'}]"})))["a/report"]
    assert messages(report) == [
        (
            "a/assets/report.py:2:11: warning: depends: no asset here has the URI 'materialize://db/raw.gone' "
            "(materialize://<connection>/<name>, as an asset's connection and name say) [AM303]"
        )
    ]
    assert [one.uri for one in report.outside] == ["materialize://db/raw.gone"]


def test_a_file_of_another_kind_may_be_depended_on_in_its_own_pipeline_and_in_others(project, write):
    root = project(
        a={"report": "depends: [raw.one, raw.two, assets_of.r]"}, b={"report": "depends: [raw.one, other.kind]"}
    )
    write(
        {
            "a/assets/one.sql": "/* @bruin\nname: raw.one\ntype: duckdb.sql\n@bruin */\nselect 1",
            "a/assets/two.asset.yml": "name: raw.two\ntype: ingestr\n",
            "a/assets/assets_of/r.r": "1",
            "a/assets/kind.py": '"""@bruin\nname: other.kind\ntype: snowflake.sql\n@bruin"""\n',
        }
    )
    assets = found(parse_project(root))
    assert messages(assets["a/report"]) == messages(assets["b/report"]) == []
    assert assets["b/report"].outside == ()


def test_one_table_of_two_pipelines_is_an_error_of_the_file_that_comes_later(project):
    root = project(
        b={"orders": ORDERS}, c={"again": f"name: RAW.Orders\n{TABLE}"}, a={"other": f"{ORDERS}\nconnection: x"}
    )
    assets = found(parse_project(root))
    assert messages(assets["a/other"]) == messages(assets["b/orders"]) == []
    assert messages(assets["c/again"]) == [
        (
            "c/assets/again.py:2:1: name: the table RAW.Orders of the connection db is that of b/assets/orders.py:2:1 "
            "in the pipeline b too (one table, one asset) [AM302]"
        )
    ]
    assert assets["c/again"].uri == "materialize://db/RAW.Orders"


def test_one_uri_of_two_assets_is_an_error_of_the_file_that_comes_later(project):
    root = project(
        a={"one": f"name: one\nuri: s3://shop/x\n{TABLE}", "two": f"name: two\nuri: s3://shop/x/\n{TABLE}"},
        b={"three": f"name: three\nuri: materialize://db/raw.orders\n{TABLE}", "orders": ORDERS},
    )
    assets = found(parse_project(root))
    assert messages(assets["a/two"]) == [
        (
            "a/assets/two.py:3:1: uri: 's3://shop/x/' is the URI of a/assets/one.py:3:1 in the pipeline a too "
            "(one asset, one URI) [AM308]"
        )
    ]
    assert messages(assets["b/three"]) == [
        (
            "b/assets/three.py:3:1: uri: 'materialize://db/raw.orders' is the URI of b/assets/orders.py:2:1 "
            "in the pipeline b too (one asset, one URI) [AM308]"
        )
    ]
    assert messages(assets["a/one"]) == messages(assets["b/orders"]) == []


def test_a_name_of_two_pipelines_has_to_be_said_by_its_uri(project):
    two = {"a": {"orders": ORDERS}, "b": {"orders": f"{ORDERS}\nconnection: other"}}
    root = project(
        **two, c={"report": "depends: [raw.orders]", "sure": "depends: [{uri: 'materialize://other/raw.orders'}]"}
    )
    assets = found(parse_project(root))
    assert messages(assets["c/report"]) == [
        (
            "c/assets/report.py:2:11: depends: 'raw.orders' is an asset of a (a/assets/orders.py:2:1) and "
            "b (b/assets/orders.py:2:1) (say which: `uri: materialize://db/raw.orders`) [AM310]"
        )
    ]
    assert messages(assets["c/sure"]) == []
    assert messages(assets["a/orders"]) == messages(assets["b/orders"]) == []


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (
            "daily",
            (
                "b/assets/report.py:2:11: warning: depends: 'script' of the pipeline a makes no table: nothing waits for it "
                "(put both into one pipeline) [AM307]"
            ),
        ),
        (
            "assets",
            (
                "b/assets/report.py:2:11: depends: 'script' of the pipeline a makes no table, so it has no event to start on "
                "(depend on an asset that makes one) [AM307]"
            ),
        ),
    ],
)
def test_what_makes_no_table_cannot_be_waited_for_from_another_pipeline(project, schedule, message):
    assets = {"report": "depends: [script, {uri: 's3://x/y'}]"}
    root = project({"b": schedule}, a={"script": "name: script"}, b=assets)
    assert messages(found(parse_project(root))["b/report"]) == [message]


def test_an_asset_is_not_what_its_own_unknown_dependency_may_mean(project):
    assets = found(parse_project(project(a={"orders": "name: shop.orders\ndepends: shop.orderz"})))
    assert "did you mean" not in str(assets["a/orders"].problems[0])


def test_a_pipeline_on_assets_that_waits_for_a_disabled_asset_is_warned_that_it_never_starts(project):
    root = project({"b": "assets"}, a={"orders": f"{ORDERS}\nenabled: false"}, b={"report": "depends: raw.orders"})
    assert messages(found(parse_project(root))["b/report"]) == [
        (
            "b/assets/report.py:2:10: warning: depends: 'raw.orders' is disabled, so the pipeline never starts "
            "(enable it, or drop it here) [AM307]"
        )
    ]


def test_a_pipeline_on_assets_needs_one_of_another_pipeline(project):
    assets = {"x": "depends: [y, {uri: 's3://x/y', mode: symbolic}]", "y": "name: y"}
    [pipeline] = parse_project(project({"a": "assets"}, a=assets))
    text = (
        "a/pipeline.yml:2:1: schedule: 'assets' is no schedule here: no asset depends on one of another pipeline "
        "(add what it waits for to `depends` of an asset, or give the pipeline a cron expression) [AM309]"
    )
    assert messages(pipeline) == [text]
    assert [messages(asset) for asset in pipeline.assets] == [[text], [text]]


def test_pipelines_on_assets_that_wait_for_one_another_are_a_cycle_and_start_nothing(project):
    schedules = {"a": "assets", "b": "assets", "c": "assets"}
    root = project(
        schedules,
        a={"x": f"name: a.x\ndepends: [b.x]\n{TABLE}"},
        b={"x": f"name: b.x\n{TABLE}", "y": "name: b.y\ndepends: [a.x]"},
        c={"z": "depends: [a.x]"},
    )
    assets = found(parse_project(root))
    hint = "(give one of these pipelines a cron expression, or the dependency `mode: symbolic`) [AM304]"
    assert messages(assets["a/x"]) == [
        "a/assets/x.py:3:11: depends: a cycle of pipelines: a waits for b, which waits for a (b/assets/y.py:3:11) "
        + hint
    ]
    assert messages(assets["b/y"]) == [
        "b/assets/y.py:3:11: depends: a cycle of pipelines: b waits for a, which waits for b (a/assets/x.py:3:11) "
        + hint
    ]
    assert messages(assets["b/x"]) == messages(assets["c/z"]) == []
    assert [one.symbolic for name in ("a/x", "b/y") for one in assets[name].outside] == [True, True]


def test_a_cycle_that_a_cron_breaks_is_none(project):
    root = project(
        {"a": "assets"}, a={"x": f"name: a.x\ndepends: [b.x]\n{TABLE}"}, b={"x": f"name: b.x\ndepends: [a.x]\n{TABLE}"}
    )
    assert [messages(asset) for asset in found(parse_project(root)).values()] == [[], []]
