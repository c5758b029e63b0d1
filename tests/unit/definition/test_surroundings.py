from __future__ import annotations

import os
import shutil

import pytest

from airflow_materialize.definition.inheritance.surroundings import MACROS_LIMIT, Surroundings
from airflow_materialize.definition.project.project import parse_project

FILES = {
    "sales/pipeline.yml": "name: sales\n",
    "sales/assets/raw/a.py": '"""@bruin\nextends: [A]\n@bruin"""\n',
    "sales/assets/b.asset.yml": "run: ../lib/b.py\n",
    "sales/lib/b.py": "print(1)\n",
    "glossary.yml": "entities: {A: {attributes: {x: {type: text}}}}\n",
}


def hashes(root):
    return {asset.name: asset.source_hash for asset in parse_project(root)[0].assets}


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("sales/pipeline.yml", {"raw.a", "b"}),
        ("sales/_defaults.yml", {"raw.a", "b"}),
        ("sales/assets/raw/_defaults.yml", {"raw.a"}),
        ("glossary.yml", {"raw.a"}),
        ("sales/macros/days.sql", {"raw.a", "b"}),
        ("sales/lib/b.py", {"b"}),
        ("sales/lib/requirements.txt", {"b"}),
        ("requirements.txt", {"raw.a", "b"}),
        ("sales/assets/raw/requirements-dev.txt", {"raw.a"}),
        ("sales/pyproject.toml", {"raw.a", "b"}),
        ("sales/uv.lock", {"raw.a", "b"}),
        ("sales/assets/raw/a.py", {"raw.a"}),
        ("sales/assets/raw/helper.py", set()),
        ("sales/README.md", set()),
        ("elsewhere/requirements.txt", set()),
    ],
)
def test_the_hash_of_an_asset_covers_what_it_is_made_of(write, path, changed):
    root = write(FILES)
    before = hashes(root)
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    with (root / path).open("a") as file:
        file.write("# changed\n")
    after = hashes(root)
    assert {name for name in before if before[name] != after[name]} == changed


def test_the_hash_is_the_same_in_another_checkout_at_another_time(write, tmp_path):
    root = write({f"one/{path}": text for path, text in FILES.items()} | {"one/requirements.txt": "pandas\n"})
    shutil.copytree(root / "one", tmp_path / "other")
    os.utime(tmp_path / "other/requirements.txt", (1, 1))
    assert hashes(root / "one") == hashes(tmp_path / "other")


def test_files_around_assets_are_read_once(write, monkeypatch):
    files = {f"sales/assets/raw/a{number}.py": "# @bruin.owner: x\n" for number in range(9)}
    root = write({**files, "sales/pipeline.yml": "name: sales\n", "requirements.txt": "pandas\n"})
    listed = []
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listed.append(path) or listdir(path))
    parse_project(root)
    assert sorted(listed) == [root, root / "sales", root / "sales/assets", root / "sales/assets/raw"]


def test_a_requirements_file_elsewhere_is_not_read(write, tmp_path_factory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.txt"
    root = write(FILES)
    (root / "requirements.txt").symlink_to(secret)
    secret.write_text("a\n")
    before = hashes(root)
    secret.write_text("b\n")
    assert hashes(root) == before


def test_macros_of_a_pipeline_are_joined_in_the_order_of_their_names(write):
    macros = {"b.sql": "{% macro b() %}2{% endmacro %}", "a.sql": "{% macro a() %}1{% endmacro %}", "c.txt": "{% x"}
    root = write({**FILES, **{f"sales/macros/{name}": text for name, text in macros.items()}})
    assert parse_project(root)[0].macros == f"{macros['a.sql']}\n{macros['b.sql']}"


def test_macros_that_are_none_are_a_problem_of_the_pipeline_which_keeps_its_schedule(write):
    files = {
        **FILES,
        "sales/pipeline.yml": "name: sales\nschedule: hourly\n",
        "sales/macros/a.sql": "SELECT\n{% macro a( %}",
    }
    [parsed] = parse_project(write(files))
    [problem] = parsed.problems
    assert str(problem).startswith("sales/macros/a.sql:2:1: the macro cannot be read: ")
    assert parsed.pipeline.schedule == "hourly"
    assert all(problem in asset.problems for asset in parsed.assets)


def test_macros_have_a_limit(write):
    root = write({**FILES, "sales/macros/a.sql": "x" * (MACROS_LIMIT + 1)})
    assert str(Surroundings(root).macros(root / "sales").problems[0]) == (
        "sales/macros: the macros are longer than 64 KiB (keep what queries call)"
    )


def test_no_link_leads_to_macros_elsewhere(write, tmp_path_factory):
    root = write({**FILES, "sales/macros/a.sql": "1"})
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "b.sql"
    elsewhere.write_text("secret")
    (root / "sales/macros/b.sql").symlink_to(elsewhere)
    macros = Surroundings(root).macros(root / "sales")
    assert macros.text == ""
    assert [str(problem) for problem in macros.problems] == [
        "sales/macros/b.sql: cannot be read: a link that leads out of the folder of all pipelines"
    ]


def test_a_pipe_in_place_of_a_file_is_no_file(write):
    root = write(FILES)
    os.mkfifo(root / "sales/_defaults.yml")
    os.mkfifo(root / "requirements.txt")
    assert {asset.name: asset.problems for asset in parse_project(root)[0].assets} == {"raw.a": (), "b": ()}
