from __future__ import annotations

import json
import logging

import pytest

from airflow_materialize.cli.main import main

GOOD = '"""@bruin\nname: raw.good\nowner: me\n@bruin"""\n'
BAD = '"""@bruin\nname: raw.bad\nnonsense: 1\nowner: [x]\n@bruin"""\n'
WARNED = '"""@bruin\nname: raw.warned\nmaterialization: {strategy: append}\n@bruin"""\n'


@pytest.fixture(autouse=True)
def _logging_as_it_was(monkeypatch):
    """The command sets up logging for its process, which is that of all tests here."""
    ours = logging.getLogger("airflow_materialize")
    monkeypatch.setattr(ours, "handlers", [*ours.handlers])
    monkeypatch.setattr(ours, "propagate", ours.propagate)
    monkeypatch.setattr(ours, "level", ours.level)
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")


@pytest.fixture
def validate(tmp_path, monkeypatch, capsys):
    """Write assets of the pipeline `shop`, validate from the folder above it, and return exit code and what is printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))

    def _validate(assets, *options, path="shop", pipeline="name: shop\n"):
        (tmp_path / "shop" / "assets").mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / "pipeline.yml").write_text(pipeline)
        for name, text in assets.items():
            (tmp_path / "shop" / "assets" / f"{name}.py").write_text(text)
        code = main(["validate", path, *options])
        said = capsys.readouterr()
        return code, said.out, said.err

    return _validate


def test_the_text_shows_each_problem_with_its_line_and_counts_them(validate):
    assert validate({"bad": BAD, "good": GOOD}) == (
        2,
        "shop: 2 assets, 2 problems\n",
        (
            "shop/assets/bad.py:3:1: nonsense: unknown field [AM101]\n"
            "    3 | nonsense: 1\n"
            "      | ^\n"
            "shop/assets/bad.py:4:1: owner: a text is expected, this is a list [AM103]\n"
            "    4 | owner: [x]\n"
            "      | ^\n"
        ),
    )


def test_json_is_one_document(validate):
    code, out, err = validate({"bad": BAD, "good": GOOD, "warned": WARNED}, "--format", "json")
    document = json.loads(out)
    assert (code, err) == (2, "")
    assert (document["errors"], document["warnings"], document["problems"]) == (2, 1, [])
    [pipeline] = document["pipelines"]
    assert (pipeline["name"], pipeline["path"]) == ("shop", "shop")
    assert pipeline["assets"] == [
        {"name": "raw.bad", "path": "shop/assets/bad.py", "valid": False},
        {"name": "raw.good", "path": "shop/assets/good.py", "valid": True},
        {"name": "raw.warned", "path": "shop/assets/warned.py", "valid": True},
    ]
    assert pipeline["problems"][1] == {
        "file": "shop/assets/bad.py",
        "line": 4,
        "column": 1,
        "path": "owner",
        "message": "a text is expected, this is a list",
        "hint": "",
        "severity": "error",
        "code": "AM103",
    }


def test_annotations_of_github_are_escaped_as_github_asks(validate):
    assets = {"a,b:c%d": '"""@bruin\nname: raw.x\nowner: [x]\n"100% a:b,c": 1\n@bruin"""\n', "warned": WARNED}
    code, out, _ = validate(assets, "--format", "github")
    assert code == 2
    assert out.splitlines() == [
        "::error file=shop/assets/a%2Cb%3Ac%25d.py,line=3,col=1,title=AM103::owner: a text is expected, this is a list",
        "::error file=shop/assets/a%2Cb%3Ac%25d.py,line=4,col=1,title=AM101::100%25 a:b,c: unknown field",
        (
            "::warning file=shop/assets/warned.py,line=3,col=1,title=AM506::"
            "materialization: has no effect without a `type` (type: table makes a table)"
        ),
    ]


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--strict",), 2)])
def test_a_warning_counts_as_an_error_where_that_is_asked_for(validate, options, code):
    given, out, _ = validate({"warned": WARNED}, *options)
    assert given == code
    assert ("no problems, 1 warning" in out) == (code == 0)


def test_strict_leaves_no_warning_in_json(validate):
    code, out, _ = validate({"warned": WARNED}, "--strict", "--format", "json")
    document = json.loads(out)
    assert (code, document["errors"], document["warnings"]) == (2, 1, 0)
    assert document["pipelines"][0]["assets"][0]["valid"] is False


@pytest.mark.parametrize("form", ["json", "github", "text"])
def test_a_path_that_names_nothing_is_a_problem_in_every_format(validate, form):
    code, out, err = validate({}, "--format", form, path="nowhere")
    assert code == 2
    assert "AM404" in out + err
    if form == "json":
        assert [problem["code"] for problem in json.loads(out)["problems"]] == ["AM404"]


PIPELINE = "name: shop\ndefault:\n  owner: everyone\n  tags: [a]\n"
ASSET = '"""@bruin\ntags: [b]\ndescription: |\n  two\n  lines\n@bruin"""\n'


def test_explain_shows_where_each_value_comes_from(validate):
    code, out, _ = validate({"one": ASSET}, "--explain", pipeline=PIPELINE)
    assert code == 0
    assert out.splitlines() == [
        "one",
        "  name        = one            the path of the file",
        "  description = two\\nlines\\n   shop/assets/one.py:3",
        "  owner       = everyone       shop/pipeline.yml:3",
        "  tags[0]     = b              shop/assets/one.py:2",
        "  tags[1]     = a              shop/pipeline.yml:4",
        "shop: 1 asset, no problems",
    ]


def test_json_explains_where_each_value_comes_from(validate):
    _, out, _ = validate({"one": ASSET}, "--explain", "--format", "json", pipeline=PIPELINE)
    origins = {origin["path"]: origin for origin in json.loads(out)["pipelines"][0]["assets"][0]["origins"]}
    assert origins["owner"] == {
        "path": "owner",
        "value": "everyone",
        "file": "shop/pipeline.yml",
        "line": 3,
        "column": 10,
        "source": "",
    }
    assert (origins["name"]["file"], origins["name"]["source"]) == ("", "the path of the file")


MENTION = GOOD + "from airflow_materialize.sdk import context  # of an asset\n"


def test_a_file_that_airflow_would_import_is_a_warning(validate, tmp_path):
    code, out, _ = validate({"good": MENTION})
    assert code == 0
    assert "shop/assets/good.py: warning: Airflow imports this file" in out
    assert "(add the line **/assets/ to .airflowignore in the folder of all pipelines) [AM503]" in out
    (tmp_path / ".airflowignore").write_text("**/assets/\n")
    assert main(["validate", "shop", "--strict"]) == 0


def test_of_one_file_nothing_is_said_of_others(validate):
    code, out, _ = validate({"good": GOOD, "other": MENTION, "bad": BAD}, "--strict", path="shop/assets/good.py")
    assert (code, out) == (0, "shop: 1 asset, no problems\n")


def test_what_is_wrong_with_requirements_is_named_once_for_all_their_assets(validate, tmp_path, monkeypatch):
    (tmp_path / "shop" / "assets").mkdir(parents=True)
    (tmp_path / "shop" / "requirements.txt").write_text("six==1.17.0\ntabulate>=0.9\n")
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__REQUIREMENTS", "pinned")
    code, out, err = validate({"good": GOOD, "other": GOOD.replace("good", "other")})
    assert (code, out) == (2, "shop: 2 assets, 1 problem\n")
    assert err.startswith("shop/requirements.txt:2:1: 'tabulate>=0.9' is not pinned, which the policy ")
    assert err.endswith("; the platform team allows it by setting requirements = open) [AM707]\n")
