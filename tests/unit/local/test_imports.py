"""What the worker's process has to import for a run."""

from __future__ import annotations

import os
import subprocess
import sys

RUN = """
import sys
from airflow_materialize import materialize

before = set(sys.modules)
done = materialize({project!r}, connections={{"warehouse": "duckdb:///{project}/w.db"}}, only=["run"])
heavy = {{"duckdb", "numpy", "pandas", "polars", "pyarrow", "sqlglot"}}
print(done.rows("numbers"), sorted(heavy & {{name.partition(".")[0] for name in set(sys.modules) - before}}))
"""
ASSET = '''"""@bruin
name: numbers
connection: warehouse
materialization: {type: table}
@bruin"""

def materialize():
    return [{"n": 1}, {"n": 2}]
'''


def test_the_worker_imports_no_library_of_data_to_run_an_asset(tmp_path, environments):
    """Each would be as long as the whole start of an asset, and the worker has no use for one."""
    assets = tmp_path / "shop" / "assets"
    assets.mkdir(parents=True)
    (assets / "numbers.py").write_text(ASSET)
    env = {
        "AIRFLOW__MATERIALIZE__ENVIRONMENTS": environments,
        "AIRFLOW__MATERIALIZE__STAGED_FILES": tmp_path / "staged",
    }
    env = {**os.environ, **{name: str(folder) for name, folder in env.items()}}
    command = [sys.executable, "-c", RUN.format(project=str(tmp_path))]

    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2 []"
