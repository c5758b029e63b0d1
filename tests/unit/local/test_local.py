from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from airflow_materialize import AssetError, MaterializeError, staged_file
from airflow_materialize.execution.environments.interpreter import search_path

PYTHONS = [
    version
    for version in ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
    if any(Path(folder, f"python{version}").exists() for folder in search_path(os.environ))
]


@pytest.mark.parametrize("version", PYTHONS)
def test_an_asset_runs_on_each_python_at_hand(shop, version):
    shop.write(
        "versions",
        "import platform\n\ndef materialize():\n    yield {'python': platform.python_version()}\n",
        f"image: python:{version}\nmaterialization: {{type: table}}\n",
    )
    assert shop.run().rows("versions") == 1
    ((found,),) = shop.rows("SELECT python FROM versions")
    assert found.startswith(f"{version}.")


def test_assets_run_after_what_they_depend_on(shop):
    shop.write("a", "def materialize():\n    return [{'x': 1}]\n", "depends: [b]\nmaterialization: {type: table}\n")
    shop.write("b", "def materialize():\n    return [{'x': 1}]\n")
    assert list(shop.run().assets) == ["b", "a"]


def test_a_failed_asset_stops_only_what_depends_on_it(shop):
    shop.write("bad", "def materialize():\n    raise ValueError('no')\n")
    shop.write(
        "child", "def materialize():\n    return [{'x': 1}]\n", "depends: [bad]\nmaterialization: {type: table}\n"
    )
    shop.write("other", "def materialize():\n    return [{'x': 1}]\n")
    result = shop.run(raise_on_error=False)
    assert not result.success
    assert result.assets["child"].skipped == "bad"
    assert result.assets["other"].success
    with pytest.raises(MaterializeError, match="ValueError: no"):
        shop.run()


@pytest.mark.parametrize("enabled", ["false", "'{{ var.size > 3 }}'"])
def test_a_disabled_asset_does_nothing_and_what_depends_on_it_runs(shop, enabled):
    shop.write("off", "raise SystemExit('ran')\n", f"enabled: {enabled}\nmaterialization: {{type: table}}\n")
    shop.write("child", "print(1)\n", "depends: [off]\n")
    result = shop.run()
    assert result.success
    assert [(asset.name, asset.disabled, asset.run is None) for asset in result.assets.values()] == [
        ("off", True, True),
        ("child", False, False),
    ]


def test_an_asset_that_a_template_enables_runs(shop):
    shop.write(
        "on",
        "def materialize():\n    return [{'x': 1}]\n",
        "enabled: '{{ var.size > 3 }}'\nmaterialization: {type: table}\n",
    )
    result = shop.run(variables={"size": 5})
    assert not result.assets["on"].disabled
    assert result.rows("on") == 1


def test_a_disabled_asset_that_is_broken_is_still_broken(shop):
    shop.write("off", "", "enabled: false\nnonsense: 1\n")
    with pytest.raises(AssetError, match="nonsense"):
        shop.run()


@pytest.mark.parametrize(("blocking", "runs"), [("true", False), ("false", True)])
def test_a_check_that_fails_stops_what_depends_on_it_if_it_is_blocking(shop, blocking, runs):
    check = f"columns: [{{name: x, checks: [{{name: max, value: 0, blocking: {blocking}}}]}}]\n"
    shop.write("judged", "def materialize():\n    return [{'x': 1}]\n", f"materialization: {{type: table}}\n{check}")
    shop.write("child", "print(1)\n", "depends: [judged]\n")
    result = shop.run(raise_on_error=False)
    assert not result.success
    assert (result.assets["child"].skipped == "") is runs


def test_an_append_adds_once_per_call(shop):
    shop.write(
        "log", "def materialize():\n    return [{'x': 1}]\n", "materialization: {type: table, strategy: append}\n"
    )
    shop.run()
    shop.run()
    assert shop.rows("SELECT count(*) FROM log") == [(2,)]


def test_a_full_refresh_starts_at_the_start_date_and_replaces_the_table(shop):
    header = "start_date: '2026-01-01'\nmaterialization: {type: table, strategy: append}\n"
    shop.write(
        "days", "import os\n\ndef materialize():\n    return [{'start': os.environ['BRUIN_START_DATE']}]\n", header
    )
    shop.run(start="2026-04-01", end="2026-04-01")
    shop.run(start="2026-04-02", end="2026-04-02")
    assert shop.rows("SELECT start FROM days ORDER BY 1") == [("2026-04-01",), ("2026-04-02",)]
    shop.run(full_refresh=True)
    assert shop.rows("SELECT start FROM days") == [("2026-01-01",)]


def test_variables_reach_the_asset(shop):
    body = (
        "from bruin import context\n\ndef materialize():\n    return [{'n': n} for n in range(context.vars['size'])]\n"
    )
    shop.write("sized", body)
    assert shop.run().rows("sized") == 3
    assert shop.run(variables={"size": 5}).rows("sized") == 5
    with pytest.raises(MaterializeError, match="has no variable sise"):
        shop.run(variables={"sise": 5})


def test_a_field_without_effect_is_a_warning_when_its_asset_runs(shop, caplog):
    shop.write("x", "print(1)\n", "freshness: 1d\n")
    with caplog.at_level("WARNING", logger="airflow_materialize"):
        assert shop.run().success
    (said,) = caplog.messages
    assert said.startswith("shop/assets/x.py:2:1: warning: freshness: has no effect")


def test_a_file_is_looked_at_alone(shop):
    good = shop.write("good", "def materialize():\n    return [{'x': 1}]\n")
    shop.write("bad", "", "nonsense: 1\n")
    assert shop.run(good).success
    with pytest.raises(AssetError):
        shop.run()


def test_load_alone_takes_the_newest_file_that_run_alone_kept(shop):
    path = shop.write("x", "def materialize():\n    return [{'x': 1}]\n")
    kept = shop.run(path, only=["run"]).assets["x"].staged
    shop.write("x", "def materialize():\n    return [{'x': 2}]\n")
    newest = shop.run(path, only=["run"]).assets["x"].staged
    assert kept.exists()
    shop.run(path, only=["load"])
    assert shop.rows("SELECT * FROM x") == [(2,)]
    assert not newest.exists()


def test_a_loaded_file_is_gone_and_given_back_to_the_disk(shop, tmp_path):
    shop.write("x", "def materialize():\n    return [{'x': 1}]\n")
    assert shop.run().rows("x") == 1
    assert not [*tmp_path.glob("staged/**/*.arrow")]
    until = time.monotonic() + 10
    while (mapped := f"{tmp_path}/staged" in Path("/proc/self/maps").read_text()) and time.monotonic() < until:
        time.sleep(0.01)
    assert not mapped


def test_a_load_that_fails_does_not_wait_for_the_sum_of_its_file(shop, monkeypatch):
    path = shop.write("x", "def materialize():\n    return [{'x': 1}]\n")
    shop.run(path, only=["run"])
    shop.warehouse.write_text("This is no database. " * 1000)
    go_on, summed, verify = threading.Event(), threading.Event(), staged_file.open_verified

    def slowly(*arguments):
        go_on.wait(60)
        opened = verify(*arguments)
        summed.set()
        return opened

    monkeypatch.setattr(staged_file, "open_verified", slowly)
    with pytest.raises(MaterializeError, match="cannot be opened"):
        shop.run(path, only=["load"])
    assert not summed.is_set()
    go_on.set()
    assert summed.wait(60)


def test_modules_beside_the_asset_in_its_pipeline_and_in_the_repository_can_be_imported(shop):
    (shop.folder.parent / ".git").mkdir()
    (shop.folder / "assets" / "beside.py").write_text("NUMBER = 1\n")
    (shop.folder / "in_pipeline.py").write_text("NUMBER = 2\n")
    (shop.folder.parent / "in_repository.py").write_text("NUMBER = 3\n")
    shop.write(
        "sums",
        "import beside, in_pipeline, in_repository\n\ndef materialize():\n"
        "    return [{'x': beside.NUMBER + in_pipeline.NUMBER + in_repository.NUMBER}]\n",
    )
    shop.run()
    assert shop.rows("SELECT * FROM sums") == [(6,)]
    assert not list(shop.folder.rglob("__pycache__"))


def test_the_report_of_a_run_has_the_peak_memory_of_user_code_in_words_and_in_json(shop):
    shop.write("large", "def materialize():\n    held = b'x' * 200_000_000\n    return [{'size': len(held)}]\n")
    shop.write("small", "print('done')\n", header="name: small\n")
    result = shop.run()
    large, small = result.assets["large"].run, result.assets["small"].run
    assert large.to_json()["peak_memory_bytes"] == large.peak_memory_bytes > 200_000_000
    assert str(large) == f"1 row staged, 0.0 MB, peak memory {large.peak_memory_bytes / 1e6:,.0f} MB"
    assert 1_000_000 < small.peak_memory_bytes < 200_000_000
    assert str(small) == f"done, peak memory {small.peak_memory_bytes / 1e6:,.0f} MB"
