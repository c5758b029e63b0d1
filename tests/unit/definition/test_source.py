from __future__ import annotations

import pytest

from airflow_materialize.definition.project.project import parse_project
from airflow_materialize.definition.text.source import find_pipelines, slice_header

SPELLINGS = {
    "as Bruin writes it": '"""@bruin\nname: x\n@bruin"""\n',
    "one space": '""" @bruin\nname: x\n@bruin """\n',
    "three spaces": '"""   @bruin\nname: x\n@bruin   """\n',
    "the synonym": '"""@asset\nname: x\n@asset"""\n',
    "single quotes": "'''@bruin\nname: x\n@bruin'''\n",
    "a raw string": 'r"""@bruin\nname: x\n@bruin"""\n',
    "markers on lines of their own": '"""\n@bruin\nname: x\n@bruin\n"""\n',
    "prose below": '"""@bruin\nname: x\n@bruin\n\nWhat it does.\n"""\n',
    "code right after": '"""@bruin\nname: x\n@bruin"""; import os\n',
    "a BOM": '\ufeff"""@bruin\nname: x\n@bruin"""\n',
    "a shebang": '#!/usr/bin/env python\n"""@bruin\nname: x\n@bruin"""\n',
    "an encoding line": '# -*- coding: utf-8 -*-\n"""@bruin\nname: x\n@bruin"""\n',
    "comments and blank lines above": '\n# Copyright\n\n"""@bruin\nname: x\n@bruin"""\n',
    "CRLF": '"""@bruin\r\nname: x\r\n@bruin"""\r\n',
    "indented": '"""\n    @bruin\n    name: x\n    @bruin\n"""\n',
    "comment lines": "# @bruin.name: x\n\nprint()\n",
    "comment lines without a space": "#@bruin.name: x\n",
    "comment lines below code": "import os\n# @bruin.name: x\n",
    "comment lines of the synonym": "# @asset.name: x\n",
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_every_spelling_of_a_header_is_read(write, text):
    root = write({"sales/pipeline.yml": "name: sales\n", "sales/assets/a.py": text.encode()})
    [pipeline] = parse_project(root)
    assert pipeline.warnings == ()
    assert [(asset.name, asset.problems) for asset in pipeline.assets] == [("x", ())]


def test_a_header_knows_the_line_at_which_it_starts():
    header = slice_header('#!/bin/sh\n\n"""@bruin\n\nname: x\n@bruin"""\n')
    assert (header.text, header.first_line) == ("\nname: x\n", 4)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            'import os\n"""@bruin\nname: x\n@bruin"""\n',
            "2:1: warning: no asset: the header is not the first statement of the file (move it above the code)",
        ),
        (
            '"""\nname: x\n@bruin"""\n',
            '3:1: warning: no asset: the header is closed here and never opened (open it with a line """@bruin)',
        ),
        (
            '"""@bruin name: x\n@bruin"""\n',
            '1:1: warning: no asset: text follows the marker on its line (the line ends with """@bruin)',
        ),
        (
            "# @bruin name: x\n",
            "1:1: warning: no asset: the comment is no header line (# @bruin.key: value, from the first column)",
        ),
        (
            "x = '@bruin'\n",
            '1:1: warning: no asset: the marker stands outside of a header (a header starts the file with """@bruin)',
        ),
    ],
)
def test_a_file_that_mentions_a_marker_and_is_no_asset_is_a_warning_that_says_why(write, text, warning):
    [pipeline] = parse_project(write({"sales/pipeline.yml": "name: sales\n", "sales/assets/a.py": text}))
    assert pipeline.assets == ()
    assert [str(problem) for problem in pipeline.warnings] == [f"sales/assets/a.py:{warning}"]


def test_a_file_without_a_marker_is_a_module_of_the_author(write):
    files = {
        "sales/pipeline.yml": "name: sales\n",
        "sales/assets/help.py": '"""Words."""\nimport airflow\n\n@asset\ndef f(): ...\n',
    }
    [pipeline] = parse_project(write(files))
    assert (pipeline.assets, pipeline.warnings) == ((), ())


def test_files_of_another_kind_are_skipped_with_one_warning_each(write):
    files = {
        "sales/pipeline.yml": "name: sales\n",
        "sales/assets/a.sql": "/* @bruin */",
        "sales/assets/b.r": "1",
        "sales/assets/c.asset.yml": "type: ingestr\n",
        "sales/assets/d.asset.yml": "name: d\n",
        "sales/assets/e.py": '"""@bruin\ntype: duckdb.sql\n@bruin"""\n',
        "sales/assets/_defaults.yml": "owner: x\n",
        "sales/assets/readme.yml": "a: b\n",
    }
    [pipeline] = parse_project(write(files))
    kind = "(assets are Python files)"
    assert pipeline.assets == ()
    assert [str(problem).removeprefix("sales/assets/") for problem in pipeline.warnings] == [
        f"a.sql: warning: skipped: a .sql file {kind}",
        f"b.r: warning: skipped: a .r file {kind}",
        f"c.asset.yml: warning: skipped: an asset of type ingestr {kind}",
        f"d.asset.yml: warning: skipped: it neither has `type: python` nor runs a Python file {kind}",
        f"e.py: warning: skipped: an asset of type duckdb.sql {kind}",
    ]


NAMED = '"""@bruin\nowner: me\n@bruin"""\n'


def names(root):
    return {pipeline.name: [asset.name for asset in pipeline.assets] for pipeline in parse_project(root)}


def test_pipelines_are_found_at_any_depth_and_assets_in_both_of_their_folders(write):
    files = {
        "team/sales/pipeline.yml": "name: sales\n",
        "team/sales/assets/raw/orders.py": NAMED,
        "team/sales/tasks/old.py": NAMED,
        "team/sales/loose.py": NAMED,
        "ops/pipeline.yaml": "name: ops\n",
    }
    assert names(write(files)) == {"ops": [], "sales": ["old", "raw.orders"]}


def test_a_folder_below_the_root_that_has_assets_is_a_pipeline_of_that_name(write):
    root = write({"marts/rev.py": NAMED, "marts/assets/raw/a.py": NAMED, "plain/dag.py": "import os\n"})
    [pipeline] = parse_project(root)
    assert (pipeline.name, pipeline.path) == ("marts", "marts")
    assert (pipeline.pipeline.schedule, pipeline.pipeline.catchup) == ("daily", False)
    assert [asset.name for asset in pipeline.assets] == ["raw.a", "rev"]


def test_the_root_may_be_a_pipeline(write):
    root = write({"pipeline.yml": "name: sales\n", "assets/a.py": NAMED})
    [pipeline] = parse_project(root)
    assert (pipeline.name, pipeline.path, pipeline.assets[0].path) == ("sales", ".", "assets/a.py")


@pytest.mark.parametrize("file", ["assets/a.py", "a.py"])
def test_the_root_may_be_a_pipeline_without_a_file(write, file):
    root = write({file: NAMED})
    assert names(root) == {root.name: ["a"]}


def test_folders_of_tools_are_skipped(write):
    files = {f"sales/assets/{folder}/a.py": NAMED for folder in ("__pycache__", ".venv", "node_modules", "dist")}
    assert names(write({"sales/pipeline.yml": "name: sales\n", **files})) == {"sales": []}


def test_links_to_folders_are_not_followed_and_links_to_files_stay_in_the_root(write, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "a.py").write_text(NAMED)
    root = write({"sales/pipeline.yml": "name: sales\n", "sales/assets/b.py": NAMED})
    (root / "sales/assets/folder").symlink_to(outside)
    (root / "sales/assets/file.py").symlink_to(outside / "a.py")
    (root / "sales/assets/loop.py").symlink_to(root / "sales/assets/loop.py")
    (root / "sales/assets/inside.py").symlink_to(root / "sales/assets/b.py")
    [pipeline] = parse_project(root)
    assert [asset.name for asset in pipeline.assets] == ["b", "inside"]
    assert [str(warning) for warning in pipeline.warnings] == [
        (
            "sales/assets/file.py: warning: skipped: a link that leads out of the folder of all pipelines "
            "(assets are Python files)"
        )
    ]


def test_a_pipeline_inside_of_a_pipeline_is_an_error_of_its_assets_alone(write):
    files = {
        "sales/pipeline.yml": "name: sales\n",
        "sales/assets/a.py": NAMED,
        "sales/assets/inner/pipeline.yml": "name: inner\n",
        "sales/assets/inner/assets/b.py": NAMED,
    }
    inner, sales = parse_project(write(files))
    text = "sales/assets/inner/pipeline.yml:1:1: lies inside of the pipeline sales (pipelines stand side by side)"
    assert [str(problem) for problem in inner.assets[0].problems] == [text]
    assert [(asset.name, asset.problems) for asset in sales.assets] == [("a", ())]


def test_pipelines_come_in_the_order_of_their_paths(write):
    root = write({"b/pipeline.yml": "name: b\n", "a/a.py": NAMED, "c/pipeline.yml": "name: c\n"})
    assert [folder.path.name for folder in find_pipelines(root)] == ["a", "b", "c"]


def test_a_pipeline_file_that_is_a_link_out_of_the_root_is_an_error(write, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.yml"
    outside.write_text("name: secret\n")
    root = write({"sales/assets/a.py": NAMED})
    (root / "sales/pipeline.yml").symlink_to(outside)
    [pipeline] = parse_project(root)
    text = "sales/pipeline.yml: cannot be read: a link that leads out of the folder of all pipelines"
    assert (pipeline.name, [str(problem) for problem in pipeline.assets[0].problems]) == ("sales", [text])
