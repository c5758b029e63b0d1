from __future__ import annotations

import os

import pytest

from airflow_materialize.definition.codes import CODES
from airflow_materialize.definition.project.project import parse_project

MEGABYTE = 1024 * 1024


def block(body):
    return f'"""@bruin\n{body}\n@bruin"""\n'


REFUSED = {
    "an alias bomb": (block("a: &a [x]\n" + "".join(f"b{i}: [*a,*a]\n" for i in range(2000))), "AM008"),
    "a recursive alias": (block("a: &a [*a]"), "AM008"),
    "5,000 nestings": (block("meta: " + "[" * 5000 + "]" * 5000), "AM005"),
    "5,000 mappings": (block("meta: " + "{a: " * 5000), "AM005"),
    "5,000 dashes": (block("- " * 5000 + "a"), "AM005"),
    "ten megabytes of lines": (block("# x\n" * (5 * MEGABYTE // 2)), "AM004"),
    "ten megabytes in one line": (block("description: " + "x" * (10 * MEGABYTE)), "AM004"),
    "ten megabytes without an end": ('"""@bruin\n' + "a: b\n" * (2 * MEGABYTE), "AM004"),
    "100,000 keys": (block("".join(f"k{i}: v\n" for i in range(100_000))), "AM004"),
    "a tag": (block("a: !!python/object/apply:os.system [id]"), "AM008"),
    "one key 6,000 times": (block("owner: a\n" * 6000), "AM009"),
    "NUL bytes": (block("a: " + "\0" * 1000), "AM003"),
    "an escape sequence": (block("a: \x1b[2J"), "AM003"),
    "a name of 60,000 signs": (block("name: " + "a-" * 30_000 + "!"), "AM109"),
    "a number of 60,000 digits": (block("tier: " + "9" * 60_000), "AM105"),
    "a duration of 60,000 digits": (block("timeout: " + "1" * 60_000), "AM111"),
    "a duration beyond time": (block("timeout: " + "9" * 40 + "h"), "AM111"),
    "a pattern that nests": (
        block("columns: [{name: a, checks: [{name: pattern, value: '" + "(" * 20_000 + "'}]}]"),
        "AM207",
    ),
    "a template that nests": (block("enabled: '{{ " + "(" * 20_000 + " }}'"), "AM631"),
    "8,000 times one tag": (block("tags:\n" + "- a\n" * 8000), "AM116"),
    "comment lines of ten megabytes": ("".join(f"# @bruin.meta.k{i}: v\n" for i in range(400_000)), "AM004"),
    "a comment line of ten megabytes": ("# @bruin.description: " + "a," * (5 * MEGABYTE), "AM004"),
    "a comment line of blanks": ("# @bruin.owner: y" + " " * (5 * MEGABYTE) + "y\n", "AM004"),
    "a comment key of 5,000 parts": ("# @bruin." + "a." * 5000 + "b: c\n", "AM005"),
    "the same comment line 6,000 times": ("# @bruin.owner: a\n" * 3000, "AM009"),
}


@pytest.mark.parametrize(("text", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_hostile_text_is_refused_in_few_words_and_leaves_its_neighbour_alone(write, text, code):
    files = {
        "sales/pipeline.yml": "name: sales\ndefault_connections: {duckdb: db}\n",
        "sales/assets/bad.py": text.encode(),
        "sales/assets/good.py": block("name: good"),
    }
    assets = {asset.path: asset for asset in parse_project(write(files))[0].assets}
    bad, good = assets["sales/assets/bad.py"], assets["sales/assets/good.py"]
    assert bad.asset is None
    assert code in {problem.code for problem in bad.problems}
    assert len(bad.problems) <= 101
    assert all(len(problem.explain()) < 2000 for problem in bad.problems)
    assert good.asset is not None


def test_of_hundreds_of_problems_a_hundred_are_told(write):
    files = {"sales/pipeline.yml": "name: sales\n", "sales/assets/a.py": block("tags:\n" + "- a\n" * 200)}
    [asset] = parse_project(write(files))[0].assets
    assert len(asset.problems) == 101
    assert asset.problems[-1].code == "AM011"
    assert "mend some" in str(asset.problems[-1])


NOT_HOSTILE = {
    "a body of ten megabytes": block("name: a") + "x = 1\n" * (10 * MEGABYTE // 6),
    "a body of NUL bytes": block("name: a") + "\0" * MEGABYTE,
    "windows newlines": block("name: a").replace("\n", "\r\n") + "x = 1\r\n" * MEGABYTE,
}


@pytest.mark.parametrize("text", NOT_HOSTILE.values(), ids=NOT_HOSTILE.keys())
def test_a_large_body_makes_no_header_invalid(write, text):
    root = write({"sales/pipeline.yml": "name: sales\n", "sales/assets/a.py": text.encode()})
    [asset] = parse_project(root)[0].assets
    assert (asset.name, asset.problems) == ("a", ())


@pytest.mark.parametrize("text", ["\n" * (10 * MEGABYTE), " " * (10 * MEGABYTE), "#" * MEGABYTE, "# x\n" * MEGABYTE])
def test_a_large_file_without_a_header_is_no_asset(write, text):
    root = write({"sales/pipeline.yml": "name: sales\n", "sales/assets/a.py": text.encode()})
    assert parse_project(root)[0].assets == ()


def test_a_pipeline_file_of_megabytes_is_refused_and_keeps_its_name(write):
    files = {"sales/pipeline.yml": "name: shop\n" + "# x\n" * MEGABYTE, "sales/assets/a.py": block("name: a")}
    [pipeline] = parse_project(write(files))
    assert pipeline.name == "shop"
    assert [problem.code for problem in pipeline.problems] == ["AM004"]


@pytest.mark.parametrize(
    "schedule", ["1," * 20_000 + "1 * * * *", "0-999999999 * * * *", "@every " + "9" * 50_000 + "h"]
)
def test_a_hostile_schedule_is_refused(write, schedule):
    files = {"sales/pipeline.yml": f"name: sales\nschedule: '{schedule}'\n", "sales/assets/a.py": block("name: a")}
    [pipeline] = parse_project(write(files))
    assert [problem.code for problem in pipeline.problems] == ["AM113"]


@pytest.fixture
def place(write, tmp_path):
    """A root with one valid asset, and a folder beside it."""
    write({"dags/sales/pipeline.yml": "name: sales\n", "dags/sales/assets/good.py": block("name: good")})
    write({"outside/secret.py": block("name: secret"), "outside/secret.yml": "name: stolen\nowner: thief\n"})
    return tmp_path / "dags", tmp_path / "outside"


def names(root):
    return [asset.name for pipeline in parse_project(root) for asset in pipeline.assets]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "name", ["assets/a.py", "assets/a.asset.yml", "assets/_defaults.yml", "glossary.yml", "requirements.txt"]
)
def test_what_is_no_regular_file_is_not_opened(place, name):
    root, _ = place
    os.mkfifo(root / "sales" / name)
    assert names(root) == ["good"]


@pytest.mark.timeout(20)
def test_a_pipe_is_no_pipeline_file_and_nothing_that_an_asset_runs(place):
    root, _ = place
    os.mkfifo(root / "sales/assets/load.py")
    (root / "sales/assets/x.asset.yml").write_text("run: load.py\n")
    (root / "other").mkdir()
    os.mkfifo(root / "other/pipeline.yml")
    [pipeline] = parse_project(root)
    assert [problem.code for asset in pipeline.assets for problem in asset.problems] == ["AM403"]


def test_a_link_to_an_asset_outside_is_skipped_with_a_warning(place):
    root, outside = place
    (root / "sales/assets/a.py").symlink_to(outside / "secret.py")
    [pipeline] = parse_project(root)
    assert [asset.name for asset in pipeline.assets] == ["good"]
    assert [(warning.code, "leads out" in str(warning)) for warning in pipeline.warnings] == [("AM502", True)]


def test_a_link_to_an_asset_inside_is_an_asset(place):
    root, _ = place
    (root / "sales/shared.py").write_text(block("owner: me"))
    (root / "sales/assets/linked.py").symlink_to(root / "sales/shared.py")
    assert names(root) == ["good", "linked"]


@pytest.mark.parametrize("name", ["sales/assets/more", "sales/tasks", "other"])
def test_no_link_to_a_folder_is_followed(place, name):
    root, outside = place
    (root / name).symlink_to(outside)
    assert names(root) == ["good"]


def test_a_folder_of_assets_that_is_a_link_is_not_followed(place):
    root, outside = place
    (root / "other").mkdir()
    (root / "other/pipeline.yml").write_text("name: other\n")
    (root / "other/assets").symlink_to(outside)
    assert names(root) == ["good"]


@pytest.mark.parametrize("name", ["sales/assets/_defaults.yml", "sales/glossary.yml", "glossary.yml"])
def test_what_an_asset_inherits_is_not_read_from_outside(place, name):
    root, outside = place
    (root / name).symlink_to(outside / "secret.yml")
    (root / "sales/assets/good.py").write_text(block("name: good\nextends: [Customer]"))
    told = [problem.explain() for pipeline in parse_project(root) for a in pipeline.assets for problem in a.problems]
    assert told
    assert "thief" not in "".join(told)
    assert "stolen" not in "".join(told)


@pytest.mark.parametrize("run", ["../../../outside/secret.py", "/etc/hosts.py", "link.py", "up/secret.py"])
def test_no_asset_runs_what_lies_outside(place, run):
    root, outside = place
    (root / "sales/assets/link.py").symlink_to(outside / "secret.py")
    (root / "sales/assets/up").symlink_to(outside)
    (root / "sales/assets/x.asset.yml").write_text(f"run: {run}\n")
    problems = {asset.path: asset.problems for pipeline in parse_project(root) for asset in pipeline.assets}
    assert [problem.code for problem in problems["sales/assets/x.asset.yml"]] == ["AM402"]


def test_every_code_is_documented():
    assert {code for _, code in REFUSED.values()} <= CODES.keys()


def test_a_pattern_that_takes_forever_is_left_to_the_run(write):
    variable = f'{{type: string, pattern: "^(a+)+$", minLength: 90, default: "{"a" * 60}b"}}'
    root = write({"shop/pipeline.yml": f"name: shop\nvariables:\n  x: {variable}\n"})
    [pipeline] = parse_project(root)
    assert [problem.code for problem in pipeline.problems] == ["AM612"]
    assert "too short" in str(pipeline.problems[0])
