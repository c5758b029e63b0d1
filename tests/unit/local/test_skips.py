"""Assets that have nothing to do, what becomes of those that depend on them, and what assets say to one another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from airflow_materialize import MaterializeError
from airflow_materialize.cli.main import main
from airflow_materialize.signing import KEY

TABLE = "materialization: {type: table}\n"
ROWS = "def materialize():\n    return [{'n': 1}]\n"
SKIP = "from airflow_materialize.sdk import skip\n\ndef materialize():\n    skip('no files today'MODE)\n"
SOFT, HARD = SKIP.replace("MODE", ""), SKIP.replace("MODE", ", mode='hard'")


def after(*names: str) -> str:
    return f"depends: [{', '.join(names)}]\n{TABLE}"


def test_a_skip_loads_and_checks_nothing_and_is_no_failure(shop):
    path = shop.write("made", ROWS)
    assert shop.run().success
    path.write_text(path.read_text().replace(ROWS, SOFT))
    header = "columns: [{name: n, checks: [{name: negative}]}]\n"
    path.write_text(path.read_text().replace(TABLE, TABLE + header))
    result = shop.run()
    done = result.assets["made"]
    assert result.success
    assert (done.run.outcome, done.load, done.check, done.staged) == ("skipped", None, None, None)
    assert str(done.skip) == "skipped (soft): no files today"
    assert shop.rows("SELECT n FROM made") == [(1,)]
    left = [file.name for file in shop.folder.parent.joinpath("staged").rglob("*") if file.is_file()]
    assert left == [KEY]


FAN_IN = {
    "after one soft skip": (["soft"], "skipped (soft) after soft: no files today"),
    "after soft skips alone": (["soft", "soft2"], "skipped (soft) after soft, soft2: no files today"),
    "after a soft skip and a run": (["soft", "ran"], ""),
    "after a soft skip and a disabled asset": (["soft", "off"], ""),
    "after a disabled asset": (["off"], ""),
    "after a hard skip and a run": (["hard", "ran"], "skipped (hard) after hard: no files today"),
    "after a hard skip and a soft one": (["hard", "soft"], "skipped (hard) after hard: no files today"),
}


def test_what_an_asset_does_after_others_were_skipped(shop):
    for name, body in {"soft": SOFT, "soft2": SOFT, "hard": HARD, "ran": ROWS}.items():
        shop.write(name, body)
    shop.write("off", "raise SystemExit('ran')\n", f"enabled: false\n{TABLE}")
    for place, (upstream, _) in enumerate(FAN_IN.values()):
        shop.write(f"last{place}", ROWS, after(*upstream))
    shop.write("farther", ROWS, after("last5", "ran"))
    shop.write("beyond", ROWS, after("last0", "ran"))
    result = shop.run()
    assert result.success
    said = {sentence: str(result.assets[f"last{place}"].skip or "") for place, sentence in enumerate(FAN_IN)}
    assert said == {sentence: expected for sentence, (_, expected) in FAN_IN.items()}
    assert str(result.assets["farther"].skip) == "skipped (hard) after hard: no files today"
    assert result.assets["beyond"].load.rows_inserted == 1


def test_what_depends_on_a_failed_asset_is_not_run_whatever_else_was_skipped(shop):
    shop.write("failed", "raise ValueError('broken')\n")
    shop.write("hard", HARD)
    shop.write("last", ROWS, after("failed", "hard"))
    result = shop.run(raise_on_error=False)
    assert (result.assets["last"].skipped, result.assets["last"].skip, result.success) == ("failed", None, False)


WAYS = {
    "while the module is imported": "from airflow_materialize.sdk import skip\nskip('early')\n",
    "inside of except Exception": (
        "from airflow_materialize.sdk import skip\n\ndef materialize():\n    try:\n        skip('early')\n"
        "    except Exception:\n        return [{'n': 1}]\n"
    ),
    "after rows": "from bruin import skip\n\ndef materialize():\n    yield {'n': 1}\n    skip('early')\n",
    "in a coroutine": "from bruin import skip\n\nasync def materialize():\n    skip('early')\n",
}


@pytest.mark.parametrize("body", WAYS.values(), ids=WAYS)
def test_an_asset_skips_from_wherever_it_finds_out(shop, body):
    shop.write("made", body)
    done = shop.run().assets["made"]
    assert (str(done.skip), done.load) == ("skipped (soft): early", None)


def test_a_script_skips_as_well(shop):
    shop.write("script", "from airflow_materialize.sdk import skip\nskip('nothing new', mode='hard')\n", "tags: [a]\n")
    assert str(shop.run().assets["script"].skip) == "skipped (hard): nothing new"


@pytest.mark.parametrize(
    ("call", "text"),
    [("skip()", "reason"), ("skip(' ')", "say in a sentence why"), ("skip('x', 'medium')", "'soft' or 'hard'")],
)
def test_a_skip_that_says_nothing_is_a_failure(shop, call, text):
    shop.write("made", f"from airflow_materialize.sdk import skip\n\ndef materialize():\n    {call}\n")
    with pytest.raises(MaterializeError, match=text):
        shop.run()


def test_the_command_line_shows_skips_and_ends_well(shop, capsys):
    shop.write("hard", HARD)
    shop.write("last", ROWS, after("hard"))
    assert main(["run", str(shop.folder), "--connection", f"warehouse=duckdb:///{shop.warehouse}"]) == 0
    printed = capsys.readouterr().out
    assert "hard  run    skipped (hard): no files today  " in printed
    assert "last  skipped (hard) after hard: no files today\n" in printed


ASKS = """
from airflow_materialize.sdk import result_of

def materialize():
    found = result_of('made')
    return [{'found': repr(found), 'day': found.metadata['day'], 'default': result_of('left', default='none')}]
"""


def test_metadata_and_materialized_reach_what_follows(shop):
    shop.write(
        "made",
        "import datetime\nfrom decimal import Decimal\nfrom airflow_materialize.sdk import result\n\n"
        "def materialize():\n    said = {'day': datetime.date(2026, 4, 1), 'price': Decimal('1.10'), 'pages': [1, None]}\n"
        "    return result([{'n': 1}, {'n': 2}], metadata=said)\n",
    )
    shop.write("left", SOFT, after("made"))
    shop.write("between", ROWS, after("made", "left"))
    shop.write("asks", ASKS, after("between"))
    result = shop.run()
    assert result.assets["made"].run.metadata == {"day": "2026-04-01", "price": "1.10", "pages": [1, None]}
    metadata = "{'day': '2026-04-01', 'price': '1.10', 'pages': [1, None]}"
    assert shop.rows("SELECT * FROM asks") == [
        (f"Outcome(metadata={metadata}, materialized=True, rows=2)", "2026-04-01", "none")
    ]


def test_what_an_asset_says_of_its_table_counts_for_more_than_what_the_load_finds(shop):
    shop.write("given", "from bruin import result\n\ndef materialize():\n    return result(materialized=True)\n")
    shop.write(
        "denied", "from bruin import result\n\ndef materialize():\n    return result([{'n': 1}], materialized=False)\n"
    )
    shop.write("found", "def materialize():\n    return None\n")
    shop.write("script", "print('ran')\n", "tags: [a]\n")
    body = (
        "from airflow_materialize.sdk import result_of\n\ndef materialize():\n"
        "    return [{'said': repr([result_of(name).materialized for name in ('given', 'denied', 'found', 'script')])}]\n"
    )
    shop.write("asks", body, after("given", "denied", "found", "script"))
    shop.run()
    assert shop.rows("SELECT said FROM asks") == [("[True, False, False, None]",)]


def test_a_check_that_nothing_waits_for_takes_no_word_away(shop):
    header = "columns: [{name: n, checks: [{name: negative, blocking: false}]}]\n"
    shop.write("made", "from bruin import result\n\ndef materialize():\n    return result([{'n': 1}], metadata={'day': 1})\n", TABLE + header)  # fmt: skip
    shop.write("asks", ASKS.replace("result_of('left', default='none')", "0"), after("made"))
    result = shop.run(raise_on_error=False)
    assert result.assets["made"].error
    assert shop.rows("SELECT day FROM asks") == [(1,)]


def test_a_generator_fills_in_metadata_while_it_runs(shop):
    body = """
from airflow_materialize.sdk import result

def materialize():
    said = {}

    def rows():
        for number in range(3):
            said["last"] = number
            yield {"n": number}

    return result(rows(), metadata=said)
"""
    shop.write("sync", body)
    shop.write("coroutine", body.replace("def materialize", "async def materialize"))
    shop.write("generator", body.replace("def rows", "async def rows"))
    result = shop.run()
    assert [done.run.metadata for done in result.assets.values()] == [{"last": 2}] * 3
    assert {result.rows(name) for name in result.assets} == {3}


REFUSED = {
    "a set": ("{'a': {'b': {1}}}", "TypeError: metadata['a']['b'] is of type set"),
    "a key": ("{1: 2}", "has the key 1: names are texts"),
    "NaN": ("{'a': [float('nan')]}", r"metadata['a'][0] is nan, which JSON does not have: say None"),
    "NUL": ("{'a': 'x\\0'}", "a character that no database keeps"),
    "size": ("{'a': 'x' * 20_000}", "has 20,009 bytes as JSON, and 16,384 at most"),
    "no dict": ("[1]", "metadata is a dict of names and values, not of type list"),
}


@pytest.mark.parametrize(("metadata", "text"), REFUSED.values(), ids=REFUSED)
def test_metadata_that_cannot_be_kept_are_refused_at_the_users_line(shop, metadata, text):
    body = f"from airflow_materialize.sdk import result\n\ndef materialize():\n    return result([], metadata={metadata})\n"
    path = shop.write("made", body)
    with pytest.raises(MaterializeError) as caught:
        shop.run()
    assert text in str(caught.value)
    assert f'File "{path}", line 7, in materialize' in str(caught.value)


def test_a_result_within_an_iterator_says_where_it_belongs(shop):
    shop.write("made", "from bruin import result\n\ndef materialize():\n    yield result([{'n': 1}])\n")
    with pytest.raises(MaterializeError, match=r"result\(\) goes around the whole"):
        shop.run()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("left", "result_of('left'): left was skipped (soft): no files today; with `default=…` that is no error"),
        ("other", "asks does not depend on it, so it may not have run yet. Add it: `depends: [other]`"),
        ("lefd", "this pipeline has no asset of that name (did you mean 'left'? one of: left, ran)"),
    ],
)
def test_asking_for_what_was_not_said_names_the_reason(shop, name, text):
    shop.write("left", SOFT)
    shop.write("ran", ROWS)
    shop.write("other", ROWS)
    shop.write("asks", ASKS.replace("made", name), after("left", "ran"))
    with pytest.raises(MaterializeError) as caught:
        shop.run()
    assert f"ResultOfError: {text}" in str(caught.value) or text in str(caught.value)


def test_an_asset_that_is_run_alone_is_not_skipped_and_takes_the_default(shop):
    shop.write("left", HARD)
    body = "from bruin import result_of\n\ndef materialize():\n    return [{'n': result_of('left', default=7)}]\n"
    path = shop.write("asks", body, after("left"))
    shop.run(path)
    assert shop.rows("SELECT n FROM asks") == [(7,)]


def test_secrets_in_metadata_and_reasons_are_masked(shop, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_TOKEN", "4711000815")
    body = (
        "import os\nfrom airflow_materialize.sdk import result, skip\n\n"
        "def materialize():\n    token = os.environ['TOKEN']\n"
        "    return result([{'n': 1}], metadata={token: [token, int(token), {'a': f'<{token}>'}]})\n"
    )
    shop.write("tells", body, f"secrets: [{{key: TOKEN}}]\n{TABLE}")
    shop.write(
        "skips",
        body.replace("return result", "skip(f'no {token}')\n    return result"),
        f"secrets: [{{key: TOKEN}}]\n{TABLE}",
    )
    result = shop.run()
    assert result.assets["tells"].run.metadata == {"***": ["***", "***", {"a": "<***>"}]}
    assert str(result.assets["skips"].skip) == "skipped (soft): no ***"


CONTEXT = """
from airflow_materialize.sdk import context, log, ref

def materialize():
    last = context.last_load
    before = len(ref(context.this)) if last else 0
    log.info("asked")
    assert context.log is log
    return [{"run": last and last.run_id, "start": last and last.interval_start.isoformat(), "rows": last and last.rows_in,
             "at": last and last.committed_at.isoformat(), "strategy": last and last.strategy, "before": before,
             "this": context.this, "partition": context.partition_key, "prefix": context.schema_prefix}]
"""


def test_the_context_has_the_figures_of_the_last_load_and_none_before_the_first(shop):
    shop.write("told", CONTEXT, "materialization: {type: table, strategy: append}\n")
    first = shop.run(start="2026-04-01", end="2026-04-01")
    shop.run(start="2026-04-02", end="2026-04-02")
    one, two = shop.rows('SELECT * FROM told ORDER BY "before"')
    assert one == (None, None, None, None, None, 0, "told", None, "")
    run, start, rows, at, strategy, *rest = two
    assert (run, rows, strategy, rest) == (first.run_id, 1, "append", [1, "told", None, ""])
    assert start == "2026-04-01T00:00:00+00:00"
    assert datetime.now(UTC) - datetime.fromisoformat(at) < timedelta(minutes=5)


def test_the_partition_of_a_run_reaches_the_context(shop):
    shop.write("told", CONTEXT)
    shop.run(partition_key="2026-04-01|eu")
    assert shop.rows("SELECT partition FROM told") == [("2026-04-01|eu",)]


def test_a_load_of_a_table_that_is_gone_counts_for_nothing(shop):
    shop.write("told", CONTEXT)
    shop.run()
    with duckdb.connect(str(shop.warehouse)) as connection:
        connection.execute("DROP TABLE told")
    shop.run()
    assert shop.rows("SELECT run FROM told") == [(None,)]
