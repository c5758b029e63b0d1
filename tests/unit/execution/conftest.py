from __future__ import annotations

import hashlib
import logging
import platform
import shutil
import textwrap

import pytest

from airflow_materialize.execution.environment import ensure_environment
from airflow_materialize.execution.failure import explain_failure
from airflow_materialize.execution.logs import OutputLog, Redactor
from airflow_materialize.execution.process import run_child
from airflow_materialize.execution.requirements import Requirements
from airflow_materialize.execution.sandbox import child_environment

OWN = platform.python_version().rpartition(".")[0]
NONE = Requirements()


class Records(logging.Handler):
    """Keeps what is logged, as pairs of level and text."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append((record.levelname, record.getMessage()))

    @property
    def texts(self):
        return [text for _, text in self.lines]


@pytest.fixture
def records():
    return Records()


@pytest.fixture
def log(records):
    """A logger apart from all others, whose records are kept."""
    logger = logging.Logger("test", logging.DEBUG)  # noqa: LOG001
    logger.addHandler(records)
    return logger


@pytest.fixture
def folder(tmp_path):
    """A folder for environments, which are too large to be kept."""
    yield tmp_path / "environments"
    shutil.rmtree(tmp_path / "environments", ignore_errors=True)


@pytest.fixture(scope="session")
def plain_environment(tmp_path_factory):
    """The environment of an asset without requirements, on this interpreter."""
    folder = tmp_path_factory.mktemp("environments")
    yield ensure_environment(NONE, OWN, folder, logging.getLogger("environments"))
    shutil.rmtree(folder)


class Run:
    """Runs the text of an asset file in an environment, for real.

    Attributes:
        file: The asset's file.
        scratch: The private folder of its run.
        output: Its staged file.
    """

    def __init__(self, folder, log):
        self.folder = folder / "pipeline"
        self.folder.mkdir()
        self.file = self.folder / "orders.py"
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.output = self.scratch / "staged.arrow"
        self.log = log

    def __call__(self, environment, text, *, kind="materialize", secrets=(), **options):
        self.file.write_text(textwrap.dedent(text))
        spec = {
            "kind": kind,
            "file": str(self.file),
            "sha256": hashlib.sha256(self.file.read_bytes()).hexdigest(),
            "search_path": [str(self.folder)],
            "cwd": str(self.folder),
            "output": str(self.output),
            "context": {"data_interval_start": None, "data_interval_end": None},
            "columns": [],
        }
        env = child_environment({"BRUIN_ASSET": "raw.orders"}, self.scratch, environment.path)
        return run_child(environment, spec, env, OutputLog(self.log, Redactor(secrets)), **options)

    def failure(self, environment, text, *, requirements=NONE, **options):
        """Run it and return how its failure is explained."""
        result = self(environment, text, **options)
        assert result.failed
        return str(explain_failure(result, "raw.orders", self.file, requirements, "raw.orders"))


@pytest.fixture
def run(tmp_path, log):
    return Run(tmp_path, log)
