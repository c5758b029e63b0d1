from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_materialize.definition.project.cache import ParseCache
from airflow_materialize.definition.project.project import parse_project

HEADER = """\
name: {name}
materialization: {{type: table}}
extends: [Order]
columns:
  - name: id
    checks: [{{name: not_null}}, {{name: accepted_values, value: ["001", 2.50]}}]
parameters: {{deep: [1, x, null, 2.5, true]}}
depends: {depends}
"""
FILES = {
    "sales/pipeline.yml": "name: sales\nschedule: daily\ndefault_connections: {duckdb: warehouse}\n",
    "sales/_defaults.yml": "owner: team\n",
    "sales/glossary.yml": "entities:\n  Order:\n    attributes:\n      total: {name: total, type: double}\n",
    "sales/macros/one.sql": "{% macro one() %}1{% endmacro %}",
    "sales/requirements.txt": "pyarrow\n",
    "sales/assets/orders.py": f'"""@bruin\n{HEADER.format(name="raw.orders", depends="[]")}@bruin"""\n',
    "sales/assets/days.py": f'"""@bruin\n{HEADER.format(name="raw.days", depends="raw.orders")}@bruin"""\n',
    "other/assets/plain.py": '"""@bruin\nname: plain\n@bruin"""\n',
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "dags"
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.fixture
def cache(tmp_path: Path) -> ParseCache:
    return ParseCache(tmp_path / "parsed", b"key")


def kept(cache: ParseCache) -> list[Path]:
    return sorted(cache.folder.iterdir())


def mark_all(cache: ParseCache) -> None:
    """Put a mark into each kept pipeline, by which a test sees where a pipeline came from."""
    for file in kept(cache):
        cache.put(file.name, replace(cache.get(file.name), macros="from the cache"))


def from_cache(root: Path, cache: ParseCache, **options) -> set[str]:
    return {one.name for one in parse_project(root, cache=cache, **options) if one.macros == "from the cache"}


def test_a_pipeline_that_did_not_change_is_not_parsed_again(root, cache):
    first = parse_project(root, cache=cache)
    assert len(kept(cache)) == 2
    mark_all(cache)
    assert from_cache(root, cache) == {"sales", "other"}
    assert first == parse_project(root)


def test_what_the_cache_gives_is_what_parsing_gives(root, cache):
    parse_project(root, cache=cache)
    again = parse_project(root, cache=cache)
    assert again == parse_project(root)
    (orders,) = (asset for one in again for asset in one.assets if asset.name == "raw.orders")
    assert orders.asset.columns[0].checks[1].value == ("001", "2.50")
    assert [column.name for column in orders.asset.columns] == ["id", "total"]


def append(name: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text((root / name).read_text() + text)


CHANGES: dict[str, Callable[[Path], object]] = {
    "an asset's code": append("sales/assets/orders.py", "\n\ndef materialize():\n    return []\n"),
    "an asset's header": lambda root: (root / "sales/assets/orders.py").write_text(
        FILES["sales/assets/orders.py"].replace("id", "order_id")
    ),
    "the pipeline": append("sales/pipeline.yml", "owner: me\n"),
    "the defaults of a folder": append("sales/_defaults.yml", "tags: [x]\n"),
    "new defaults": lambda root: (root / "sales/assets/_defaults.yml").write_text("owner: other\n"),
    "the glossary": append("sales/glossary.yml", "      note: {name: note}\n"),
    "a macro": append("sales/macros/one.sql", "{% macro two() %}2{% endmacro %}"),
    "the requirements": append("sales/requirements.txt", "pandas\n"),
    "requirements nearer by": lambda root: (root / "sales/assets/requirements.txt").write_text("polars\n"),
    "a new asset": lambda root: (root / "sales/assets/new.py").write_text('"""@bruin\nname: new\n@bruin"""\n'),
    "an asset that is gone": lambda root: (root / "sales/assets/days.py").unlink(),
    "an asset that is moved": lambda root: (root / "sales/assets/days.py").rename(root / "sales/assets/weeks.py"),
    "a skipped file": lambda root: (root / "sales/assets/x.sql").write_text("SELECT 1"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_seen(root, cache, change):
    parse_project(root, cache=cache)
    mark_all(cache)
    CHANGES[change](root)
    assert from_cache(root, cache) == {"other"}
    fresh = parse_project(root)
    assert [one for one in parse_project(root, cache=cache) if one.name == "sales"] == [
        one for one in fresh if one.name == "sales"
    ]


def test_another_default_connection_is_another_pipeline(root, cache):
    parse_project(root, cache=cache)
    mark_all(cache)
    assert from_cache(root, cache, default_connection="lake") == set()


def test_the_same_files_in_another_checkout_are_found(root, cache):
    parse_project(root, cache=cache)
    mark_all(cache)
    moved = root.rename(root.with_name("elsewhere"))
    assert from_cache(moved, cache) == {"sales", "other"}


def test_a_broken_asset_is_parsed_each_time_and_mending_it_is_seen_at_once(root, cache):
    asset = root / "other/assets/plain.py"
    asset.write_text('"""@bruin\nnam: plain\n@bruin"""\n')
    for _ in range(2):
        (other,) = (one for one in parse_project(root, cache=cache) if one.name == "other")
        assert "other/assets/plain.py:2:1: nam: unknown field" in str(other.assets[0].problems[0])
    assert len(kept(cache)) == 1
    asset.write_text(FILES["other/assets/plain.py"])
    (other,) = (one for one in parse_project(root, cache=cache) if one.name == "other")
    assert not other.assets[0].problems


def test_an_asset_whose_script_stands_elsewhere_is_parsed_each_time(root, cache):
    (root / "sales/assets/yaml.asset.yml").write_text("name: yaml\nrun: ../shared.py\n")
    (root / "sales/shared.py").write_text("print(1)\n")
    parse_project(root, cache=cache)
    assert len(kept(cache)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b"warehouse", b"elsewhere"),
        lambda data: data[: len(data) // 2],
        lambda _: b"",
        lambda data: bytes(64) + data[64:],
    ],
    ids=["changed", "half", "empty", "unsigned"],
)
def test_a_kept_file_that_is_not_as_it_was_written_is_not_believed(root, cache, damage):
    right = parse_project(root, cache=cache)
    for file in kept(cache):
        file.write_bytes(damage(file.read_bytes()))
    assert parse_project(root, cache=cache) == right


def test_what_another_key_signed_is_not_believed(root, cache):
    parse_project(root, cache=ParseCache(cache.folder, b"that of somebody else"))
    mark_all(ParseCache(cache.folder, b"that of somebody else"))
    assert from_cache(root, cache) == set()


def test_a_folder_that_cannot_be_written_costs_time_alone(root, tmp_path):
    (tmp_path / "file").write_text("")
    assert parse_project(root, cache=ParseCache(tmp_path / "file" / "parsed", b"key")) == parse_project(root)


def test_what_nobody_asked_for_in_a_week_goes(root, cache):
    parse_project(root, cache=cache)
    old = time.time() - 8 * 24 * 3600
    for file in kept(cache):
        os.utime(file, (old, old))
    append("sales/pipeline.yml", "owner: me\n")(root)
    parse_project(root, cache=cache)
    assert all(file.stat().st_mtime > old for file in kept(cache))


def test_without_a_secret_the_folder_has_a_key_of_its_own_that_stays(root, tmp_path):
    cache = ParseCache(tmp_path / "own")
    parse_project(root, cache=cache)
    key = cache.folder / ".key"
    assert (len(key.read_bytes()), key.stat().st_mode & 0o777) == (32, 0o600)
    for file in kept(cache):
        if file != key:
            cache.put(file.name, replace(cache.get(file.name), macros="from the cache"))
    assert from_cache(root, cache) == {"sales", "other"}
    key.unlink()
    assert from_cache(root, cache) == set()


def test_nobody_else_may_read_the_folder(root, cache):
    parse_project(root, cache=cache)
    assert cache.folder.stat().st_mode & 0o777 == 0o700
