from __future__ import annotations

from textwrap import dedent

import pytest

from airflow_materialize.definition.project.project import parse_folder
from airflow_materialize.definition.text.source import PipelineFolder

PIPELINE = "name: sales\ndefault_connections:\n  duckdb: warehouse\n"


@pytest.fixture
def write(tmp_path):
    """Write files below a root, and return the root."""

    def _write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else dedent(content).lstrip("\n").encode())
        return tmp_path

    return _write


@pytest.fixture
def parse(write):
    """Parse one asset, `sales/assets/raw/orders.py`, whose header is given, by itself, and return it."""

    def _parse(header, pipeline=PIPELINE, **options):
        text = f'"""@bruin\n{dedent(header).strip()}\n@bruin"""\n'
        root = write({"sales/pipeline.yml": pipeline, "sales/assets/raw/orders.py": text})
        folder = PipelineFolder(root / "sales", root / "sales/pipeline.yml")
        [pipeline] = parse_folder(folder, root, folder.path / "assets/raw/orders.py", **options)
        [parsed] = pipeline.assets
        return parsed

    return _parse


@pytest.fixture
def problems(parse):
    """The problems of one header, as users read them, without the path of the file."""

    def _problems(header, **options):
        return [str(problem).removeprefix("sales/assets/raw/") for problem in parse(header, **options).problems]

    return _problems
