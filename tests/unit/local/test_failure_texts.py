"""What a user reads when an asset fails: a file in `failures` for each way to fail, with the asset and the whole text.

`WRITE_TEXTS=1` writes the texts anew; read what has changed.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import pytest
from package_index import write_wheel

from airflow_materialize import MaterializeError, materialize
from airflow_materialize.execution import examiner

CASES = sorted((Path(__file__).parent / "failures").glob("*.txt"))
PIPELINE = "name: shop\ndefault_connections: {duckdb: warehouse}\n"
SETTINGS = {
    "environment-interpreter-that-is-not-there": {"AIRFLOW__MATERIALIZE__PYTHON": "/nonexistent/python"},
    "environment-index-that-is-not-reached": {
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple",
        "UV_HTTP_RETRIES": "0",
        "UV_CACHE_DIR": "{folder}/cache",
    },
}
PHASES = {"environment", "import", "materialize", "write", "validate"}


def parts(text):
    """Return the files of a case, and the text behind them."""
    pieces = re.split(r"(?m)^==> ?(.*)\n", text)[1:]
    files = dict(zip(pieces[::2], pieces[1::2], strict=True))
    return files, files.pop("")


def alike(said, folder, environments):
    """Leave out what is another thing on each machine, and from run to run."""
    for path, shown in ((environments, "/environments"), (folder, "")):
        said = said.replace(str(path), shown)
    for pattern, shown in (
        # Python 3.13 marks fewer lines.
        (r"(?m)^ *[~^]+\n", ""),
        (r"(?<=at hand are ).*", "…"),
        (r"(?<=/environments/)[\d.]+-[0-9a-f]{24}", "…"),
        (r"/[0-9a-f]{32}(?=[:/])", "/…"),
        (r"(?<=peak memory was )[\d,]+ MB", "… MB"),
        (r"(?<=repeated )\d+", "…"),
        (r"0x[0-9a-f]+", "0x…"),
        (re.escape(platform.python_version()), "3.X.Y"),
        (r"python3\.\d+/site-packages", "python3.X/site-packages"),
    ):
        said = re.sub(pattern, shown, said)
    return said


@pytest.fixture
def failure(tmp_path, environments, monkeypatch):
    """Write the files of a case, run them, and return the error."""
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__ENVIRONMENTS", str(environments))
    monkeypatch.setenv("AIRFLOW__MATERIALIZE__STAGED_FILES", str(tmp_path / "staged"))

    def run(case, files):
        for name, value in SETTINGS.get(case, {}).items():
            monkeypatch.setenv(name, value.format(folder=tmp_path))
        for name, text in {"pipeline.yml": PIPELINE, **files}.items():
            path = tmp_path / "shop" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if case == "environment-packages-that-do-not-import":
            write_wheel(tmp_path / "shop", "pyarrow", "99.0", "raise ImportError('libarrow.so.99 is missing')\n")
        if case == "validate-process-that-crashes":
            monkeypatch.setattr(examiner, "_START", "import os; os.kill(os.getpid(), 11)")
        with pytest.raises(MaterializeError) as caught:
            materialize(tmp_path / "shop", connections={"warehouse": f"duckdb:///{tmp_path}/warehouse.duckdb"})
        assert not (tmp_path / "warehouse.duckdb").exists()
        return caught.value

    return run


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_each_failure_has_one_text_with_phase_cause_and_way_out(case, failure, tmp_path, environments):
    files, expected = parts(case.read_text())
    error = failure(case.stem, files)
    said = alike(str(error), tmp_path, environments) + "\n"
    if os.environ.get("WRITE_TEXTS"):
        case.write_text(case.read_text().partition("==>\n")[0] + f"==>\n{said}")
        return
    assert said == expected
    assert error.phase == case.stem.partition("-")[0]
    # What callbacks find in fields is what the text says.
    assert error.ending.cause.removeprefix("it ") in str(error)
    if error.phase != "environment":
        assert error.ending.peak_memory_bytes > 1e6
        assert error.ending.environment in str(error)
        assert Path(error.ending.environment).is_file()
        assert all(f"\n  {line}\n" in str(error) for line in error.ending.output)


def test_there_is_a_text_for_each_phase():
    assert {case.stem.partition("-")[0] for case in CASES} == PHASES
