from __future__ import annotations

import pytest

from airflow_materialize.definition.project.project import parse_project

TABLE = "materialization:\n  type: table\n"


def test_a_broken_asset_keeps_its_name_steps_and_edges(parse):
    parsed = parse(
        """
        name: raw.moved
        owner: a: b
        depends: [raw.x]
        materialization: {type: table}
        columns:
          - name: id
            checks:
              - name: uniqe
              - name: not_null
                blocking: false
        """
    )
    assert (parsed.name, parsed.asset) == ("raw.moved", None)
    assert (parsed.shape.table, parsed.shape.check, parsed.shape.check_warn) == (True, True, True)


def test_a_misspelled_value_leaves_the_steps_as_they_were(parse):
    columns = "columns: [{name: id, checks: [{name: uniqe}]}]"
    parsed = parse(f"materialization: {{type: tabel}}\n{columns}\nbloking: true")
    assert parsed.problems
    assert (parsed.shape.table, parsed.shape.check, parsed.shape.check_warn) == (True, True, False)


def test_half_a_marker_is_an_error_of_an_asset_that_keeps_its_name(write):
    files = {
        "sales/pipeline.yml": "name: sales\n",
        "sales/assets/a.py": '"""@bruin\nname: raw.a\n\n"""\ndef materialize(): ...\n',
    }
    [parsed] = parse_project(write(files))[0].assets
    assert parsed.name == "raw.a"
    assert [str(problem) for problem in parsed.problems] == [
        'sales/assets/a.py:1:1: the header is opened here and never closed (end it with a line @bruin""")'
    ]


def test_a_table_without_a_connection_is_an_error_that_lists_what_there_is(problems):
    header = "owner: a\nmaterialization:\n  type: table"
    hint = "(add `connection: <conn_id>` to the header, or to `default` in pipeline.yml)"
    nothing = "orders.py:3:1: materialization: there is no connection to load to or check on"
    assert problems(header, pipeline="name: sales\n") == [f"{nothing} {hint}"]
    two = "name: sales\ndefault_connections: {duckdb: a, gcp: b}\n"
    assert problems(header, pipeline=two) == [f"{nothing}; the pipeline has duckdb: a, gcp: b {hint}"]


def test_checks_without_a_connection_are_an_error_and_a_plain_script_needs_none(problems):
    checks = "columns: [{name: id, checks: [{name: unique}]}]"
    assert problems(checks, pipeline="name: sales\n") == [
        (
            "orders.py:2:1: connection: there is no connection to load to or check on "
            "(add `connection: <conn_id>` to the header, or to `default` in pipeline.yml)"
        )
    ]
    assert problems("owner: a", pipeline="name: sales\n") == []


@pytest.mark.parametrize(
    ("header", "pipeline", "setting", "connection"),
    [
        ("connection: own\n", "default: {connection: inherited}\n", "setting", "own"),
        ("", "default: {connection: inherited}\ndefault_connections: {duckdb: only}\n", "setting", "inherited"),
        ("", "default_connections: {duckdb: only}\n", "setting", "only"),
        ("", "default_connections: {duckdb: a, gcp: b}\n", "setting", "setting"),
        ("", "", "setting", "setting"),
    ],
)
def test_a_connection_is_looked_for_from_near_to_far(parse, header, pipeline, setting, connection):
    parsed = parse(header + TABLE, pipeline=f"name: sales\n{pipeline}", default_connection=setting)
    assert parsed.asset.connection == connection


def test_a_yaml_asset_runs_a_script_beside_it(write):
    files = {
        "sales/pipeline.yml": "name: sales\n",
        "sales/assets/raw/a.asset.yml": "run: ../lib/load.py\n",
        "sales/assets/raw/b.asset.yml": "type: python\nrun: ../lib/load.py\n",
        "sales/assets/lib/load.py": "def materialize(): ...\n",
    }
    [pipeline] = parse_project(write(files))
    assert [(a.name, a.path, a.script, a.problems) for a in pipeline.assets] == [
        ("raw.a", "sales/assets/raw/a.asset.yml", "sales/assets/lib/load.py", ()),
        ("raw.b", "sales/assets/raw/b.asset.yml", "sales/assets/lib/load.py", ()),
    ]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("missing.py", "1:1: run: sales/assets/missing.py does not exist (the Python file, relative to this file)"),
        ("folder.py", "1:1: run: sales/assets/folder.py is no Python file (the Python file, relative to this file)"),
        (
            "../../../x.py",
            "1:1: run: '../../../x.py' leads out of the folder of all pipelines (a path relative to this file)",
        ),
        (
            f"{'x' * 300}.py",
            f"1:1: run: sales/assets/{'x' * 300}.py does not exist (the Python file, relative to this file)",
        ),
        ("/x.py", "1:1: run: '/x.py' leads out of the folder of all pipelines (a path relative to this file)"),
    ],
)
def test_a_script_that_cannot_run_is_an_error(write, run, message):
    files = {
        "sales/pipeline.yml": "name: sales\n",
        "sales/assets/a.asset.yml": f"run: {run}\n",
        "sales/assets/folder.py/x": "",
    }
    [parsed] = parse_project(write(files))[0].assets
    assert [str(problem) for problem in parsed.problems] == [f"sales/assets/a.asset.yml:{message}"]


def test_a_yaml_asset_without_a_script_is_an_error(write):
    root = write({"sales/pipeline.yml": "name: sales\n", "sales/assets/a.asset.yml": "type: python\n"})
    [parsed] = parse_project(root)[0].assets
    assert [str(problem) for problem in parsed.problems] == [
        "sales/assets/a.asset.yml:1:1: run: `run` is missing (the Python file, relative to this file)"
    ]


def test_the_hash_follows_every_file_that_the_asset_is_made_of(write):
    files = {
        "sales/pipeline.yml": "name: sales\n",
        "sales/assets/a.asset.yml": "run: a.py\n",
        "sales/assets/a.py": "1\n",
        "sales/assets/b.py": "# @bruin.name: b\n",
    }
    hashes = []
    for changed in ({}, {"sales/assets/a.py": "2\n"}, {"sales/assets/a.asset.yml": "run: a.py\nowner: x\n"},
                    {"sales/pipeline.yml": "name: sales\nowner: x\n"}):  # fmt: skip
        [pipeline] = parse_project(write({**files, **changed}))
        hashes.append(tuple(asset.source_hash for asset in pipeline.assets))
    (a1, b1), (a2, b2), (a3, b3), (a4, b4) = hashes
    assert len({a1, a2, a3, a4}) == 4
    assert b1 == b2 == b3 != b4


def test_only_the_wanted_pipeline_is_read(write):
    header = "# @bruin.owner: x\n"
    root = write({"a/pipeline.yml": "name: one\n", "a/assets/x.py": header, "b/y.py": header})
    assert [pipeline.name for pipeline in parse_project(root, lambda name: name == "b")] == ["b"]
    assert parse_project(root, lambda name: name == "absent") == []


def test_a_header_of_comment_lines_says_the_same_as_a_block(write):
    text = """
    # @bruin.name: raw.orders
    # @bruin.depends: raw.a, raw.b
    # @bruin.depends: raw.c
    # @bruin.secrets: key, other:OTHER
    # @bruin.materialization.type: table
    # @bruin.materialization.strategy: merge
    # @bruin.columns.id.type: integer
    # @bruin.columns.id.primary_key: true
    # @bruin.columns.id.checks: not_null, unique
    # @bruin.columns.n.checks: positive
    # @bruin.parameters.enforce_schema: true
    # @bruin.connection: here
    """
    others = {f"sales/assets/{letter}.py": f"# @bruin.name: raw.{letter}\n" for letter in "abc"}
    root = write({"sales/pipeline.yml": "name: s\n", "sales/assets/orders.py": text, **others})
    *_, parsed = parse_project(root)[0].assets
    asset = parsed.asset
    assert parsed.problems == ()
    assert [dependency.asset for dependency in asset.depends] == ["raw.a", "raw.b", "raw.c"]
    assert [(secret.key, secret.inject_as) for secret in asset.secrets] == [("key", "key"), ("other", "OTHER")]
    assert (asset.primary_key, asset.materialization.strategy, asset.connection) == (("id",), "merge", "here")
    assert asset.materialization.enforce_schema is True
    assert [[check.name for check in column.checks] for column in asset.columns] == [
        ["not_null", "unique"],
        ["positive"],
    ]


def test_comment_lines_have_their_places(write):
    text = "# @bruin.name: a\n# @bruin.ownr: x\n# @bruin.name: b\n# @bruin.tier\n"
    [parsed] = parse_project(write({"sales/pipeline.yml": "name: s\n", "sales/assets/a.py": text}))[0].assets
    assert [str(problem) for problem in parsed.problems] == [
        "sales/assets/a.py:2:10: ownr: unknown field (did you mean 'owner'?)",
        "sales/assets/a.py:3:10: name: 'name' stands twice, on line 1 and on line 3 (keep one)",
        "sales/assets/a.py:4:10: tier: a colon is missing (# @bruin.tier: value)",
    ]


def test_a_body_that_is_no_utf_8_does_not_matter_and_a_header_does(write):
    files = {
        "sales/pipeline.yml": "name: s\n",
        "sales/assets/a.py": b'"""@bruin\nname: a\n@bruin"""\n# \xe9\n',
        "sales/assets/b.py": b'"""@bruin\nname: b\nowner: Ren\xe9\n@bruin"""\n',
    }
    good, bad = parse_project(write(files))[0].assets
    assert good.problems == ()
    assert (bad.name, [str(problem) for problem in bad.problems]) == (
        "b",
        ["sales/assets/b.py:3:11: the byte 0xE9 is no UTF-8"],
    )


def test_a_header_of_ten_megabytes_is_refused_and_keeps_its_name(write):
    text = '"""@bruin\nname: big\n' + "# words\n" * 1_250_000 + '@bruin"""\n'
    [parsed] = parse_project(write({"sales/pipeline.yml": "name: s\n", "sales/assets/a.py": text.encode()}))[0].assets
    assert parsed.name == "big"
    assert [str(problem) for problem in parsed.problems] == ["sales/assets/a.py:2:1: the header is longer than 64 KiB"]
