"""The section `[materialize]` of Airflow's configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from airflow_materialize.errors import MaterializeError
from airflow_materialize.sizes import parse_size

SECTION = "materialize"

OPTIONS: dict[str, dict[str, Any]] = {
    "default_connection": {
        "description": "Connection id of a table asset that names none and whose pipeline has no single default.",
        "example": "warehouse",
    },
    "staged_files": {
        "description": "Folder in which results wait for their load. Default: materialize/staged in AIRFLOW_HOME.",
        "example": "/var/lib/materialize/staged",
    },
    "staged_files_shared": {
        "description": "Whether every worker sees the folder of staged_files. Needed by executors on many machines.",
        "type": "boolean",
        "default": "False",
    },
    "environments": {
        "description": "Folder of the assets' Python environments. Default: materialize/environments in AIRFLOW_HOME.",
        "example": "/var/lib/materialize/environments",
    },
    "environments_max_size": {
        "description": "How large all environments may be together. The ones unused for longest are removed first.",
        "default": "20GB",
        "example": "50GB",
    },
    "python": {
        "description": "Interpreter of assets that name none, as 3.12 or a path. Default: the worker's own.",
        "example": "3.12",
    },
    "index": {
        "description": "Package indexes of all environments, as connection ids or URLs, in the order of their search. "
        "Default: what uv or pip on the worker are told.",
        "example": "company_packages https://pypi.org/simple",
        "sensitive": True,
    },
    "requirements": {
        "description": "What assets may ask for: open (anything), pinned (exact versions from the indexes) or locked "
        "(these with hashes, and wheels alone).",
        "default": "open",
        "example": "pinned",
    },
    "isolation": {
        "description": "How far user code is set apart: process, or namespaces, which not every kernel allows.",
        "default": "process",
        "example": "namespaces",
    },
}
"""The options in the shape that a provider declares them in. `type` is `string` unless it says otherwise."""

DEFAULT_MAX_SIZE = 20 * 10**9

POLICIES = ("open", "pinned", "locked")


@dataclass(frozen=True)
class Settings:
    """The settings, read once. `OPTIONS` describes each."""

    staged_files: Path
    environments: Path
    default_connection: str = ""
    staged_files_shared: bool = False
    environments_max_size: int = DEFAULT_MAX_SIZE
    python: str = ""
    index: str = field(default="", repr=False)
    requirements: str = "open"
    isolation: Literal["process", "namespaces"] = "process"


def read_settings(get: Callable[[str], str | None]) -> Settings:
    """Read the settings.

    Args:
        get: Gives the text of one option, or None where it is not set.

    Raises:
        MaterializeError: A value is not what its option takes.
    """
    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "materialize"
    return Settings(
        staged_files=_folder("staged_files", get("staged_files"), home / "staged"),
        environments=_folder("environments", get("environments"), home / "environments"),
        default_connection=(get("default_connection") or "").strip(),
        staged_files_shared=_boolean("staged_files_shared", get("staged_files_shared")),
        environments_max_size=_size("environments_max_size", get("environments_max_size"), DEFAULT_MAX_SIZE),
        python=(get("python") or "").strip(),
        index=(get("index") or "").strip(),
        requirements=_policy("requirements", get("requirements")),
        isolation=_isolation(get("isolation")),
    )


def _isolation(text: str | None) -> Literal["process", "namespaces"]:
    word = (text or "process").strip().lower()
    if word == "process":
        return "process"
    # No other word may mean less than what its author had in mind.
    if word != "namespaces":
        raise MaterializeError(f"[{SECTION}] isolation is {text!r}", hint="process or namespaces")
    return "namespaces"


def _folder(option: str, text: str | None, default: Path) -> Path:
    if not text or not text.strip():
        return default
    if "://" in text:
        raise MaterializeError(f"[{SECTION}] {option} is {text!r}", hint="a path on this machine, as /var/lib/x")
    path = Path(text.strip()).expanduser()
    if not path.is_absolute():
        raise MaterializeError(f"[{SECTION}] {option} is the relative path {text!r}", hint="an absolute path")
    return path


def _size(option: str, text: str | None, default: int) -> int:
    if not text or not text.strip():
        return default
    try:
        return parse_size(text)
    except ValueError:
        raise MaterializeError(f"[{SECTION}] {option} is {text!r}", hint="a size, as 20GB") from None


def _policy(option: str, text: str | None) -> str:
    word = (text or "open").strip().lower()
    if word not in POLICIES:
        raise MaterializeError(f"[{SECTION}] {option} is {text!r}", hint=f"one of: {', '.join(POLICIES)}")
    return word


def _boolean(option: str, text: str | None) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
    word = (text or "").strip().lower()
    if word not in words:
        raise MaterializeError(f"[{SECTION}] {option} is {text!r}", hint="True or False")
    return words[word]
