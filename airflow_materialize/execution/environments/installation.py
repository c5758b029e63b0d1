"""One environment that is asked for: of what it is made, with what, and for whom."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from airflow_materialize.execution.containment import Child
from airflow_materialize.execution.environments.index import Index, find_indexes, index_identity
from airflow_materialize.execution.environments.interpreter import Interpreter
from airflow_materialize.execution.environments.requirements import Requirements
from airflow_materialize.execution.environments.uv import run_uv
from airflow_materialize.execution.redaction import Redactor


@dataclass(frozen=True)
class Installation:
    """What goes into an environment, and what with.

    Attributes:
        requirements: Of the asset.
        interpreter: The Python below it.
        env: The environment variables of uv.
        log: Told of waiting and building.
        child: The handle by which the installation is ended.
        index: The setting `index`. Its connections are looked up when uv needs them.
        asset: For whom this is done.
    """

    requirements: Requirements
    interpreter: Interpreter
    env: Mapping[str, str]
    log: logging.Logger
    child: Child
    index: str = ""
    asset: str = ""

    @property
    def index_identity(self) -> list[str]:
        """What tells one choice of indexes from another, without a credential."""
        return index_identity(self.index, os.environ)

    @property
    def refreshed(self) -> list[str]:
        """Options for uv, which keeps the build of a local package until its `pyproject.toml` changes."""
        from airflow_materialize.execution.environments.local_copies import project_name

        names = [name or project_name(path) for name, path in self.requirements.local_packages]
        return [f"--refresh-package={name}" for name in names] if all(names) else ["--refresh"]

    @property
    def home(self) -> Path:
        """Where relative paths of the requirements start."""
        return self.requirements.path.parent if self.requirements.path else Path("/")

    @cached_property
    def _indexes(self) -> list[Index]:
        return find_indexes(self.index, os.environ)

    def uv(self, *arguments: str | Path, held: int, first: str = "") -> subprocess.CompletedProcess[str]:
        """Run uv with the indexes; where none of them is reached, once more with what uv has kept of them.

        Args:
            arguments: The command and its options. Relative paths start in the folder of the requirements file.
            held: File descriptor of a lock. uv holds it too: when the worker is killed, the next one waits until uv has
                stopped writing.
            first: The name of an index of the asset that is searched before all others.
        """
        from airflow_materialize.execution.environments.blame import is_network_failure

        process = self._uv(arguments, held, first)
        if is_network_failure(process):
            kept = self._uv((*arguments, "--offline"), held, first)
            if not kept.returncode:
                self.log.warning("the package index was not reached; what uv has kept of it is enough")
                return kept
        return process

    def _uv(self, arguments: tuple[str | Path, ...], held: int, first: str) -> subprocess.CompletedProcess[str]:
        from airflow_materialize.execution.environments.uv_settings import uv_toml

        config = uv_toml(self.requirements, self._indexes, first)
        secrets = [index.secret for index in self._indexes if index.secret]
        run = partial(run_uv, cwd=self.home, env=self.env, child=self.child, held=(held,), config=config)
        process = run(*arguments, secret=bool(secrets))
        redact = Redactor(secrets)
        return subprocess.CompletedProcess([], process.returncode, process.stdout, redact(process.stderr))
