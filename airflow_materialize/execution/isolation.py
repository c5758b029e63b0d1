"""How far what an asset starts is set apart from the worker: the setting `isolation`, put into views."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

import uv

from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.containment import Child, run_contained
from airflow_materialize.execution.environments.compiled import COMPILED, share
from airflow_materialize.execution.environments.environment import Environment
from airflow_materialize.execution.environments.uv import uv_environment
from airflow_materialize.execution.view import EVERYTHING, View, view_apart
from airflow_materialize.settings import Settings

# Where version tools of a user keep interpreters.
_INTERPRETERS = (".pyenv", ".asdf", ".local/share/mise")
# In a home that is shown, as it has the DAGs folder in it, these are hidden all the same.
_CREDENTIALS = (
    ".aws", ".azure", ".config", ".databrickscfg", ".dbt", ".docker", ".git-credentials", ".gnupg", ".kube", ".my.cnf",
    ".netrc", ".oci", ".pgpass", ".pypirc", ".snowflake", ".snowsql", ".ssh", ".bash_history", ".python_history",
)  # fmt: skip
_OF_AIRFLOW = (
    "airflow.cfg", "airflow.db", "webserver_config.py", "logs", "simple_auth_manager_passwords.json.generated",
)  # fmt: skip


@dataclass(frozen=True)
class Isolation:
    """What an asset, the building of its environment and the examination of its result may see.

    Attributes:
        settings: Say whether each is set apart.
        root: The folder of all pipelines, which is shown.
    """

    settings: Settings
    root: Path

    def to_build(self) -> View:
        """Return the view of uv, to which the folder of the new environment is added."""
        env = uv_environment(os.environ)
        home = Path(env.get("HOME", "/"))
        data = Path(env.get("XDG_DATA_HOME", home / ".local/share"))
        cache = Path(env.get("UV_CACHE_DIR") or Path(env.get("XDG_CACHE_HOME", home / ".cache")) / "uv")
        pythons = Path(env.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python")
        for folder in (cache, pythons):
            # Without power root writes to no folder that is made at the top of the machine once it is without.
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
        if self.settings.isolation == "process":
            return EVERYTHING
        view = self._apart().showing(self.root, uv.find_uv_bin(), *(home / folder for folder in _INTERPRETERS))
        if "/" in self.settings.python:
            view = view.showing(Path(self.settings.python).resolve().parent.parent)
        return view.showing(*_local_sources(env)).writing(cache, pythons)

    def own_compiled(self, environment: Environment, asset: Asset) -> Environment:
        """Return an asset's environment so that nobody else reads what the asset compiles in it."""
        if self.settings.isolation == "process":
            return environment
        key = hashlib.sha256(f"{self.root}\n{asset.name}".encode()).hexdigest()[:16]
        own = environment.path / "pycache-of-assets" / key
        if not own.exists():
            try:
                share(environment.compiled, own)
            except OSError:
                # An image that nobody can write to: what is compiled in it is read, and nothing is added.
                return environment
        return replace(environment, compiled=own)

    def to_run(self, environment: Environment, scratch: Path, output: Path, asset: Asset) -> View:
        """Return the view of user code.

        Args:
            environment: As `own_compiled` returns it.
            scratch: Its private folder.
            output: The folder of its staged file.
            asset: Its name, and whether it may have a network, count.
        """
        network = asset.resources.network != "none"
        if self.settings.isolation == "process":
            return View(network=network)
        (scratch / "tmp").mkdir(mode=0o700, exist_ok=True)
        prefix = environment.python.resolve().parent.parent
        view = self._apart(network=network).showing(self.root, environment.path, prefix)
        tmp = Path("/tmp")  # noqa: S108  # it is a private one
        own = [environment.compiled] if environment.compiled != environment.path / COMPILED else []
        return view.writing(output, scratch, *own, at={tmp: scratch / "tmp"})

    def to_examine(self, *packages: Path) -> View:
        """Return the view of the process that examines a result: folders of packages, and no network."""
        if self.settings.isolation == "process":
            return EVERYTHING
        return self._apart(network=False).showing(sys.prefix, *packages)

    def _apart(self, *, network: bool = True) -> View:
        return replace(self._base, network=network)

    @cached_property
    def _base(self) -> View:
        home = Path.home()
        airflow = Path(os.environ.get("AIRFLOW_HOME", home / "airflow")).expanduser()
        hidden = [self.settings.staged_files, self.settings.environments, airflow]
        hidden += [home / name for name in _CREDENTIALS]
        hidden += [airflow / name for name in _OF_AIRFLOW]
        return view_apart(hidden)


def refusal_of_namespaces() -> str:
    """Try it, and return why this machine gives no namespaces; nothing where it does."""
    try:
        run_contained(["/bin/true"], env={}, cwd=Path("/"), child=Child(view_apart(())))
    except MaterializeError as error:
        return error.message
    return ""


def _local_sources(env: Mapping[str, str]) -> Iterator[Path]:
    """Give the folders of packages and certificates that the variables of uv name."""
    for value in env.values():
        for word in value.split():
            if word.startswith("file:"):
                yield Path(unquote(urlsplit(word).path))
    for name in ("UV_FIND_LINKS", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT"):
        if env.get(name, "").startswith("/"):
            yield Path(env[name])
