from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest


def test_the_result_is_staged_and_said_last(asset):
    ended = asset("def materialize():\n    return [{'id': 1, 'name': 'a'}, {'id': 2, 'name': None}]\n")

    assert ended.code == 0
    assert ended.kinds() == ["staged"]
    assert ended.last.body == {"rows": 2, "batches": 1, "columns": {"id": "int64", "name": "string"}}
    assert ended.phases() == ["import", "materialize", "write"]
    assert ended.table().to_pylist() == [{"id": 1, "name": "a"}, {"id": 2, "name": None}]


@pytest.mark.parametrize("value", ["None", "[]", "()", "iter([])", "(x for x in [])", "iter([None, []])"])
def test_nothing_returned_is_no_data_and_no_file(asset, value):
    ended = asset(f"def materialize():\n    return {value}\n")

    assert (ended.code, ended.kinds()) == (0, ["no_data"])
    assert list(Path(ended.output).parent.iterdir()) == []


def test_the_main_block_does_not_run_when_an_asset_is_imported(asset):
    ended = asset("""
        def materialize():
            return [{"name": __name__, "file": __file__}]

        if __name__ == "__main__":
            raise SystemExit(3)
        """)

    row = ended.table().to_pylist()[0]
    assert row["name"] == "pipeline.assets.raw.orders"
    assert row["file"].endswith("assets/raw/orders.py")


def test_a_dataclass_pickle_and_inspect_find_the_module(asset):
    ended = asset("""
        from __future__ import annotations
        import dataclasses, inspect, pickle
        from typing import ClassVar

        @dataclasses.dataclass
        class Row:
            kind: ClassVar[str] = "x"
            id: int = 1

        def materialize():
            assert inspect.getsource(Row).startswith("@dataclasses")
            return [pickle.loads(pickle.dumps(Row(5)))]
        """)

    assert ended.table().to_pylist() == [{"id": 5}]


def test_future_imports_of_the_child_do_not_reach_the_asset(asset):
    ended = asset("def f(x: int): pass\ndef materialize():\n    return [{'t': str(f.__annotations__['x'])}]\n")

    assert ended.table().to_pylist() == [{"t": "<class 'int'>"}]


def test_a_relative_import_and_a_neighbour_are_found(asset, tmp_path):
    folder = tmp_path / "pipeline" / "assets" / "raw"
    folder.mkdir(parents=True)
    (folder / "rates.py").write_text("VALUE = 7\n")
    (tmp_path / "pipeline" / "shared.py").write_text("VALUE = 8\n")
    ended = asset("""
        import rates, shared
        from .rates import VALUE
        def materialize():
            return [{"a": rates.VALUE, "b": shared.VALUE, "c": VALUE}]
        """)

    assert ended.table().to_pylist() == [{"a": 7, "b": 8, "c": 7}]


def test_an_asset_named_like_a_library_does_not_hide_it(asset, tmp_path):
    folder = tmp_path / "pipeline" / "assets" / "raw"
    folder.mkdir(parents=True)
    (folder / "statistics.py").write_text('"""@bruin\nname: raw.statistics\n@bruin"""\nraise RuntimeError\n')
    (folder / "colorsys.py").write_text("MINE = True\n")
    text = """
        import calendar, statistics, colorsys
        def materialize():
            return [{"leap": calendar.isleap(2024), "mean": statistics.mean([1, 3]), "mine": colorsys.MINE}]
        """
    ended = asset(text, name="calendar.py")

    assert ended.table().to_pylist() == [{"leap": True, "mean": 2, "mine": True}]


def test_nothing_is_written_into_the_users_folders(asset, tmp_path):
    folder = tmp_path / "pipeline" / "assets" / "raw"
    folder.mkdir(parents=True)
    (folder / "rates.py").write_text("VALUE = 7\n")
    asset("import rates\ndef materialize():\n    return [{'a': 1}]\n")

    assert sorted(path.name for path in (tmp_path / "pipeline").rglob("*") if path.is_file()) == [
        "orders.py",
        "rates.py",
    ]


def test_the_working_directory_is_the_pipelines_folder_and_argv_the_file(asset):
    ended = asset("import os, sys\ndef materialize():\n    return [{'cwd': os.getcwd(), 'argv': sys.argv}]\n")

    row = ended.table().to_pylist()[0]
    assert Path(row["cwd"]).name == "pipeline"
    assert [Path(each).name for each in row["argv"]] == ["orders.py"]


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("context", "Context"),
        ("ctx", "Context"),
        ("ctx, /", "Context"),
        ("context=None", "Context"),
        ("*, context", "Context"),
        ("limit=3", "3"),
        ("*args, **kwargs", "()"),
    ],
)
def test_materialize_takes_the_context_or_nothing(asset, signature, expected):
    name = signature.replace("*, ", "").split("=")[0].split(",")[0].strip("*")
    ended = asset(
        f"def materialize({signature}):\n    v = {name}\n"
        "    return [{'v': type(v).__name__ if type(v).__name__ == 'Context' else str(v)}]\n"
    )

    assert ended.table().to_pylist() == [{"v": expected}]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def materialise():\n    pass\n", "has no function materialize(): it has materialise"),
        ("x = 1\n", "has no function materialize(): it has no function at all"),
        ("materialize = [1]\n", "is no function but a value of type list"),
        ("def materialize(a, b): pass\n", "takes too many arguments"),
        ("def materialize(*, a): pass\n", "takes too many arguments"),
    ],
)
def test_a_wrong_materialize_is_named_with_the_signature_that_is_right(asset, text, problem):
    ended = asset(text)

    assert ended.code == 1
    assert "orders.py" in ended.failure["message"]
    assert problem in ended.failure["message"]
    assert "def materialize():" in ended.failure["hint"]


@pytest.mark.parametrize(
    "text",
    [
        "async def materialize():\n    return [{'a': 1}, {'a': 2}]\n",
        "async def materialize():\n    yield {'a': 1}\n    yield [{'a': 2}]\n",
        """
        import asyncio
        async def rows():
            yield {"a": 1}
            await asyncio.sleep(0)
            yield {"a": 2}
        async def materialize():
            return rows()
        """,
    ],
)
def test_asynchronous_assets_are_awaited(asset, text):
    assert asset(text).table().to_pylist() == [{"a": 1}, {"a": 2}]


def test_an_asynchronous_generator_runs_in_one_task(asset):
    ended = asset("""
        import asyncio
        async def materialize():
            first = asyncio.current_task()
            yield {"same": True}
            yield {"same": asyncio.current_task() is first}
        """)

    assert ended.table().to_pylist() == [{"same": True}, {"same": True}]


def test_an_exception_comes_with_the_users_frames_alone(asset):
    ended = asset("""
        def deep():
            raise ValueError("no rates for 2024")
        def materialize():
            return deep()
        """)

    failure = ended.failure
    assert ended.code == 1
    assert (failure["phase"], failure["type"], failure["message"]) == ("materialize", "ValueError", "no rates for 2024")
    lines = failure["traceback"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line for line in lines if line.startswith("  File")] == [
        f'  File "{Path(ended.output).parents[1]}/pipeline/assets/raw/orders.py", line {n}, in {name}'
        for n, name in ((5, "materialize"), (3, "deep"))
    ]
    assert '    raise ValueError("no rates for 2024")' in lines


def test_frames_of_a_cause_and_of_an_event_loop_are_trimmed_too(asset):
    ended = asset("""
        async def materialize():
            try:
                {}["key"]
            except KeyError as error:
                raise RuntimeError("outer") from error
        """)

    text = ended.failure["traceback"]
    assert text.count("  File ") == 2
    assert "airflow_materialize" not in text
    assert "KeyError: 'key'" in text


def test_an_error_at_import_names_the_phase_and_the_line(asset):
    failure = asset("import json\n\n1 / 0\n").failure

    assert (failure["phase"], failure["type"]) == ("import", "ZeroDivisionError")
    assert 'orders.py", line 3, in <module>' in failure["traceback"]
    assert failure["traceback"].count("  File ") == 1


def test_a_syntax_error_shows_the_line(asset):
    failure = asset("def materialize(:\n    pass\n").failure

    assert (failure["phase"], failure["type"]) == ("import", "SyntaxError")
    assert "def materialize(:" in failure["traceback"]
    assert failure["traceback"].count("  File ") == 1


def test_a_missing_module_comes_with_where_to_add_it(asset):
    failure = asset("import no_such_library.part\n").failure

    assert failure["type"] == "ModuleNotFoundError"
    assert failure["hint"] == (
        "add the distribution that brings the module no_such_library to the asset's requirements.txt"
    )


@pytest.mark.parametrize("text", ["import sys\nsys.exit(0)\n", "import sys\ndef materialize():\n    sys.exit(0)\n"])
def test_sys_exit_is_a_failure_of_an_asset(asset, text):
    ended = asset(text)

    assert ended.code == 1
    assert ended.failure["message"] == "the asset called sys.exit(0) before it returned a result"


def test_an_exit_behind_python_leaves_no_last_message(asset):
    ended = asset("import os\ndef materialize():\n    os._exit(0)\n")

    assert (ended.code, ended.kinds()) == (0, [])


def test_a_generator_that_raises_leaves_no_file(asset):
    ended = asset("""
        def materialize():
            for number in range(200_000):
                yield {"n": number}
            raise RuntimeError("half way")
        """)

    assert (ended.failure["phase"], ended.failure["message"]) == ("materialize", "half way")
    assert list(Path(ended.output).parent.iterdir()) == []


def test_a_changed_file_is_refused_before_it_runs(asset):
    ended = asset("print('ran')\n", sha256="0" * 64)

    assert ended.out == ""
    assert "orders.py was changed after this run was planned" in ended.failure["message"]


def test_a_missing_file_is_named(asset, tmp_path):
    ended = asset("", file=str(tmp_path / "gone.py"))

    assert ended.failure["message"] == f"{tmp_path}/gone.py cannot be read: No such file or directory"


def test_the_source_in_a_traceback_is_the_one_that_runs(asset):
    ended = asset("""
        def materialize():
            open(__file__, "w").write("# all is different now\\n" * 9)
            raise ValueError("late")
        """)

    assert 'raise ValueError("late")' in ended.failure["traceback"]


def test_records_and_warnings_arrive_by_level(asset):
    ended = asset("""
        import logging, warnings
        from airflow_materialize.sdk import log
        def materialize():
            log.info("page %s", 1)
            log.debug("unseen")
            logging.getLogger("lib").error("bad")
            logging.log(25, "between")
            warnings.warn("old")
            print("plain")
        """)

    logs = ended.logs()
    assert [entry for entry in logs if entry[0] != "WARNING"] == [
        ("INFO", "page 1"),
        ("ERROR", "bad"),
        ("INFO", "between"),
    ]
    assert any(level == "WARNING" and "UserWarning: old" in text for level, text in logs)
    assert ended.out == "plain\n"


def test_a_long_record_is_cut(asset):
    ended = asset("import logging\ndef materialize():\n    logging.warning('x' * 100_000)\n")

    text = ended.logs()[0][1]
    assert text.endswith("… (34,464 more characters)")
    assert len(text) < 66_000


def test_threads_log_in_whole_frames(asset):
    ended = asset("""
        import logging, threading
        def work(name):
            for _ in range(200):
                logging.info(name * 5000)
        def materialize():
            threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            return [{"a": 1}]
        """)

    assert len(ended.logs()) == 800
    assert ended.kinds() == ["staged"]


def test_a_forked_process_prints_its_records_and_sends_nothing(asset):
    ended = asset("""
        import logging, os
        def materialize():
            pid = os.fork()
            if pid == 0:
                logging.warning("from the fork")
                os._exit(0)
            os.waitpid(pid, 0)
            return [{"a": 1}]
        """)

    assert ended.kinds() == ["staged"]
    assert ended.logs() == []
    assert ended.err == "from the fork\n"


def test_a_key_error_of_an_interval_name_tells_the_choices(asset):
    failure = asset("import os\ndef materialize():\n    os.environ['BRUIN_START_DATE']\n").failure

    assert failure["hint"].startswith("this run has no data interval: give start_date and end_date")


def test_the_interval_reaches_the_context(asset):
    ended = asset(
        "def materialize(context):\n    return [{'s': context.data_interval_start, 'e': context.data_interval_end}]\n",
        context={"data_interval_start": "2026-04-01T00:00:00+00:00", "data_interval_end": "2026-04-02T00:00:00Z"},
    )

    row = ended.table().to_pylist()[0]
    assert (row["s"].isoformat(), row["e"].isoformat()) == ("2026-04-01T00:00:00+00:00", "2026-04-02T00:00:00+00:00")


def test_a_script_runs_as_main_and_is_done(asset):
    ended = asset("import sys\nprint(__name__, sys.modules['__main__'].__file__ == __file__)\n", kind="script")

    assert (ended.code, ended.kinds(), ended.out) == (0, ["done"], "__main__ True\n")


@pytest.mark.parametrize(("call", "kind"), [("()", "done"), ("(0)", "done"), ("(3)", "failure"), ("('x')", "failure")])
def test_the_exit_code_of_a_script_decides(asset, call, kind):
    ended = asset(f"import sys\nsys.exit{call}\n", kind="script")

    assert ended.kinds() == [kind]
    assert ended.code == (0 if kind == "done" else 1)


def test_a_failing_script_has_a_traceback(asset):
    failure = asset("def f():\n    raise OSError('x')\nf()\n", kind="script").failure

    assert failure["phase"] == "script"
    assert failure["traceback"].count("orders.py") == 2


def test_a_value_of_a_sensitive_column_is_not_shown(asset):
    text = "def materialize():\n    return [{'ssn': 1}, {'ssn': 'secret-7'}]\n"

    assert "secret-7" in asset(text).failure["message"]
    hidden = asset(text, columns=[{"name": "ssn", "type": "text", "sensitive": True}]).failure["message"]
    assert hidden == "column 'ssn', row 2: str after int: one column has one type"


def test_a_wrong_return_value_names_the_type_and_what_is_accepted(asset):
    failure = asset("def materialize():\n    return 'rows.csv'\n").failure

    assert (failure["phase"], failure["message"]) == ("materialize", "materialize() returned a value of type str")
    assert "a pandas or polars frame" in failure["hint"]
    assert failure["traceback"] == ""


def test_a_folder_that_cannot_be_written_is_a_failure_of_the_write(asset, tmp_path):
    failure = asset("def materialize():\n    return [{'a': 1}]\n", output=str(tmp_path / "none" / "1.part")).failure

    assert (failure["phase"], failure["type"], failure["kinds"][0]) == ("write", "", "WriteError")
    assert failure["message"].endswith("/none: No such file or directory")


def test_bruins_spelling_is_answered_by_the_sdk(asset, tmp_path):
    import airflow_materialize.sdk

    alias = Path(airflow_materialize.sdk.__file__).with_name("bruin_alias.py")
    (tmp_path / "pipeline" / "bruin").mkdir(parents=True)
    (tmp_path / "pipeline" / "bruin" / "__init__.py").write_text(alias.read_text())
    ended = asset(
        """
        import bruin
        from bruin import context, result
        def materialize():
            return result([{"pipeline": context.pipeline, "other": hasattr(bruin, "nothing")}])
        """,
        env={"BRUIN_PIPELINE": "sales"},
    )

    assert ended.table().to_pylist() == [{"pipeline": "sales", "other": False}]


def test_memory_stays_bounded_by_the_batch(asset):
    ended = asset("""
        import pyarrow as pa, resource
        peak = 0
        def rows():
            global peak
            for number in range(2_000_000):
                if number % 50_000 == 0:
                    peak = max(peak, pa.total_allocated_bytes())
                yield {"n": number, "text": "some text of a usual length"}
        def materialize():
            yield from rows()
            import logging
            logging.info("peak %d", peak)
        """)

    assert ended.last.body["rows"] == 2_000_000
    peak = int(ended.logs()[0][1].split()[1])
    assert 0 < peak < 64 * 1024 * 1024
    assert ended.table().column("n").to_pylist()[-1] == 1_999_999
    assert isinstance(ended.table().schema, pa.Schema)


def test_the_first_line_of_an_asset_waits_for_no_pyarrow_and_no_asyncio(asset):
    ended = asset("""
        import sys

        HEAVY = {"pyarrow", "numpy", "asyncio"} & {*sys.modules}

        def materialize():
            return [{"heavy": sorted(HEAVY | ({"pyarrow"} & {*sys.modules}))}]
        """)

    assert ended.table().to_pylist() == [{"heavy": []}]


def test_the_first_line_of_an_asset_waits_for_nothing_of_the_sdk_that_it_does_not_use(asset):
    ended = asset("""
        import sys

        HEAVY = {"dataclasses", "datetime", "inspect", "pathlib", "socket", "typing"} & {*sys.modules}
        SDK = {"airflow_materialize.sdk.queries", "airflow_materialize.sdk.connection"} & {*sys.modules}

        def materialize():
            return [{"heavy": sorted(HEAVY | SDK)}]
        """)

    assert ended.table().to_pylist() == [{"heavy": []}]


@pytest.mark.parametrize("name", ["uuid", "decimal", "base64", "mmap", "socket", "dataclasses"])
def test_a_neighbour_named_like_a_module_of_the_library_does_no_harm_to_an_sdk_that_comes_late(asset, tmp_path, name):
    folder = tmp_path / "pipeline" / "assets" / "raw"
    folder.mkdir(parents=True)
    (folder / f"{name}.py").write_text("raise RuntimeError('the neighbour')\n")
    (folder / "helper.py").write_text("from airflow_materialize.sdk import context, query, skip\n")

    ended = asset("""
        import helper

        def materialize():
            return [{"query": repr(helper.query), "full": helper.context.is_full_refresh}]
        """)

    assert ended.table().to_pylist() == [
        {"query": "query(sql, connection=None, params=None, *, batches=None)", "full": False}
    ]


def test_a_neighbour_named_like_a_module_of_the_library_does_no_harm_to_what_writes_the_result(asset, tmp_path):
    folder = tmp_path / "pipeline" / "assets" / "raw"
    folder.mkdir(parents=True)
    (folder / "decimal.py").write_text("raise RuntimeError('not this one')\n")

    ended = asset("def materialize():\n    return [{'id': 1}]\n")

    assert ended.table().to_pylist() == [{"id": 1}]
