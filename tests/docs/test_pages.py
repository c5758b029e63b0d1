"""Every snippet of the documentation is executed.

A fence with a path (```python sales/assets/orders.py) writes that file. A fence `console` runs its lines after `$`
with bash, in a folder of the page's own, and compares what a terminal would show with the lines below them: `…` stands
for anything. A fence `text` is an illustration and is not executed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_materialize.definition.text.source import slice_header

REPOSITORY = Path(__file__).parent.parent.parent
PAGES = sorted(page for page in (REPOSITORY / "docs").rglob("*.md") if page.parent.name != "adr")
FENCE = re.compile(r"^```(\w*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(tmp_path: Path, environments: Path):
    (tmp_path / "dags").mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "duckdb", "host": str(tmp_path / "warehouse.duckdb")}),
        "AIRFLOW__MATERIALIZE__ENVIRONMENTS": str(environments),
        **{name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_CERT"))},
    }

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path / "dags",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        # Only the first page of a session that needs an environment sees it built.
        return re.sub(r"^(building|built) the environment .*\n", "", done.stdout, flags=re.MULTILINE)

    run.folder = tmp_path / "dags"
    return run


def matches(printed: str, expected: str) -> bool:
    pattern = "(.*)".join(map(re.escape, expected.strip().split("…")))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


@pytest.mark.timeout(240)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY / "docs").as_posix())
def test_every_snippet_of_a_page_does_what_the_page_says(page: Path, shell):
    for language, path, body in FENCE.findall(page.read_text()):
        if path:
            target = shell.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body)
        elif language == "console":
            for chunk in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, expected = chunk.partition("\n")
                printed = shell(command)
                assert matches(printed, expected), f"{page.name}: $ {command}\nprinted\n{printed}\nexpected\n{expected}"
        else:
            assert language == "text", f"{page.name}: a fence `{language}` without a path is not executed"


def test_the_asset_of_the_readme_has_a_header():
    blocks = FENCE.findall((REPOSITORY / "README.md").read_text())
    assets = [body for language, _, body in blocks if language == "python"]
    assert len(assets) == 1
    assert slice_header(assets[0]) is not None
