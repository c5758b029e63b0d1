from __future__ import annotations

import pytest

from airflow_materialize.definition.project.project import parse_project

HEADER = "# @bruin.depends: other\n# @bruin.name: raw.a\n# @bruin.columns.id.checks: unique\n"


@pytest.fixture
def read(write):
    """Parse a pipeline of which the file is given."""

    def _read(text):
        files = {"sales/pipeline.yml": text, "sales/assets/a.py": HEADER, "sales/assets/other.py": "# @bruin.owner: x"}
        [pipeline] = parse_project(write(files), default_connection="warehouse")
        return pipeline

    return _read


def messages(parsed):
    return [str(problem).removeprefix("sales/pipeline.yml:") for problem in parsed.problems]


def test_a_pipeline_says_what_it_is(read):
    pipeline = read(
        """
        name: orders
        description: Words.
        schedule: "0 6 * * *"
        start_date: 2024-01-01
        default_connections: {duckdb: a}
        variables:
          day: {type: string, default: 2024-01-01}
          n: {type: [integer, null], default: 3, enum: [1, 3]}
        retries: 2
        tags: [x]
        owner: me
        catchup: active
        concurrency: 0
        """
    ).pipeline
    assert (pipeline.name, pipeline.schedule, pipeline.start_date) == ("orders", "0 6 * * *", "2024-01-01")
    assert (pipeline.catchup, pipeline.concurrency, pipeline.retries) == (True, 1, 2)
    assert [variable.default for variable in pipeline.variables.values()] == ["2024-01-01", 3]
    assert pipeline.variables["n"].model_dump()["enum"] == [1, 3]
    assert pipeline.variables["n"].type == ("integer", "null")


def test_the_name_of_a_pipeline_is_that_of_its_folder_unless_said(read):
    assert read("owner: me\n").name == "sales"


@pytest.mark.parametrize(
    "schedule",
    ["", "daily", "@daily", "hourly", "weekly", "@monthly", "yearly", "@annually", "continuous", "@continuous",
     "@every 1h30m", "*/5 * * * *", "0 0 * * MON-FRI"],
)  # fmt: skip
def test_schedules_are_cron_or_words(read, schedule):
    parsed = read(f"name: sales\nschedule: '{schedule}'\n")
    assert (parsed.problems, parsed.pipeline.schedule) == ((), schedule)


WORDS = "@every 1h, assets, continuous, daily, five cron fields as '0 6 * * *', hourly, monthly, weekly, yearly"

BROKEN = {
    "schedule": (
        "name: sales\nschedule: dayly\n",
        [f"2:1: schedule: 'dayly' is no schedule (did you mean 'daily'? one of: {WORDS})"],
    ),
    "cron of six fields": (
        "name: sales\nschedule: 0 0 * * * *\n",
        [f"2:1: schedule: '0 0 * * * *' is no schedule (one of: {WORDS})"],
    ),
    "cron out of range": (
        "name: sales\nschedule: 61 0 * * *\n",
        [f"2:1: schedule: '61 0 * * *' is no schedule (one of: {WORDS})"],
    ),
    "a day that never comes": (
        "name: sales\nschedule: 0 0 31 2 *\n",
        [f"2:1: schedule: '0 0 31 2 *' is no schedule (one of: {WORDS})"],
    ),
    "every": (
        "name: sales\nschedule: '@every day'\n",
        ["2:1: schedule: '@every day' is no schedule (@every and a duration, as @every 1h30m)"],
    ),
    "variable": (
        "name: sales\nvariables:\n  x: {type: string}\n",
        ["3:3: variables.x.default: a variable needs a `default`"],
    ),
    "start date": ("name: sales\nstart_date: soon\n", ["2:1: start_date: 'soon' is no day (YYYY-MM-DD)"]),
    "retries": ("name: sales\nretries: -1\n", ["2:1: retries: -1 is too small (at least 0)"]),
    "catchup": ("name: sales\ncatchup: some\n", ["2:1: catchup: 'some' is no boolean (true or false)"]),
    "field of an asset": (
        "name: sales\nconnection: x\n",
        ["2:1: connection: unknown field (it stands in the header of an asset, or under `default`)"],
    ),
    "unknown field": ("name: sales\nshedule: daily\n", ["2:1: shedule: unknown field (did you mean 'schedule'?)"]),
    "broken YAML": (
        "name: sales\nowner: a: b\n",
        [
            "2:9: the YAML is broken: a colon where a text goes on (quote a text that has a colon; fields of one mapping start in one column)"
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_pipeline_keeps_its_name_and_the_tasks_of_its_assets_which_all_fail(read, text, expected):
    parsed = read(text)
    assert parsed.name == parsed.pipeline.name == "sales"
    assert parsed.pipeline.schedule == ""
    assert messages(parsed) == expected
    assert [messages(asset) for asset in parsed.assets] == [expected, expected]
    assert [asset.asset for asset in parsed.assets] == [None, None]
    assert parsed.edges == (("other", "raw.a"),)
    assert parsed.assets[1].shape.check


def test_two_pipelines_of_one_name_are_an_error_that_names_both(write):
    files = {
        "a/pipeline.yml": "name: sales\n",
        "a/assets/a.py": "# @bruin.owner: x\n",
        "b/pipeline.yml": "owner: x\nname: sales\n",
    }
    [pipeline] = parse_project(write(files))
    text = "b/pipeline.yml:2:1: name: 'sales' is the name of a/pipeline.yml too (one pipeline, one name)"
    assert [str(problem) for problem in pipeline.problems] == [text]
    assert [str(problem) for problem in pipeline.assets[0].problems] == [text]
