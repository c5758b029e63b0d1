"""What uv is told besides a command: where packages come from, and `[tool.uv]` of a project or a script.

uv reads no file of settings by itself here, and of a script none at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from airflow_materialize.execution.environments.index import Index
from airflow_materialize.execution.environments.requirement_lines import Requirements

# What an asset may say of the way from its dependencies to packages. The rest of `[tool.uv]` is about projects.
_SETTINGS = (
    *("index", "index-url", "extra-index-url", "no-index", "find-links", "index-strategy", "resolution", "prerelease"),
    *("fork-strategy", "dependency-metadata", "exclude-newer", "exclude-newer-package", "no-build", "no-build-package"),
    *("no-binary", "no-binary-package", "no-build-isolation", "no-build-isolation-package", "config-settings"),
    *("constraint-dependencies", "override-dependencies", "build-constraint-dependencies"),
)


def uv_toml(requirements: Requirements, indexes: Sequence[Index], first: str = "") -> str:
    """Return the settings for uv in the form of a `uv.toml`; empty where there are none.

    Args:
        requirements: Their `[tool.uv]` counts. Its indexes come after the others.
        indexes: Found by `find_indexes`, with their credentials.
        first: The name of an index of `[tool.uv]` that is searched before all others, for packages that it is the
            source of.
    """
    settings = _settings(requirements)
    tables = [_index_table(index) for index in indexes] + _own_indexes(settings)
    for table in [each for each in tables if first and each.get("name") == first]:
        tables = [{**table, "explicit": False}, *(each for each in tables if each is not table)]
    if tables:
        settings["index"] = tables
    return _toml(settings)


def write_project(requirements: Requirements, folder: Path) -> Path:
    """Write the dependencies of a script as those of a project, with their sources.

    Args:
        requirements: Those of a script.
        folder: Where the file goes. It exists.

    Returns:
        A `pyproject.toml`.
    """
    tool = json.loads(requirements.tool_uv) if requirements.tool_uv else {}
    sources = {name: _absolute_source(source, _home(requirements)) for name, source in _table(tool, "sources").items()}
    dependencies = [line.text for line in requirements.lines]
    project = {"project": {"name": "asset", "version": "0", "dependencies": dependencies}}
    # A source may name an index.
    indexes = {"index": tool["index"]} if "index" in tool else {}
    pyproject = folder / "pyproject.toml"
    pyproject.write_text(_toml({**project, "tool": {"uv": {**indexes, "sources": sources}}}))
    return pyproject


def explicit_index(package: str, requirements: Requirements) -> str:
    """Return the name of the index that gives a package and nothing that does not name it; empty where none does."""
    tool = json.loads(requirements.tool_uv) if requirements.tool_uv else {}
    explicit = {each.get("name") for each in _own_indexes(tool) if each.get("explicit")}
    for name, given in _table(tool, "sources").items():
        for source in given if isinstance(given, list) else [given]:
            index = source.get("index") if isinstance(source, dict) else None
            if canonicalize_name(name) == package and index in explicit and _holds(source.get("marker")):
                return str(index)
    return ""


def _holds(marker: Any) -> bool:
    return not isinstance(marker, str) or Marker(marker).evaluate()


def _own_indexes(tool: Mapping[str, Any]) -> list[dict[str, Any]]:
    tables = tool.get("index")
    return [each for each in tables if isinstance(each, dict)] if isinstance(tables, list) else []


def _settings(requirements: Requirements) -> dict[str, Any]:
    tool = json.loads(requirements.tool_uv) if requirements.tool_uv else {}
    return {name: _absolute(name, tool[name], _home(requirements)) for name in _SETTINGS if name in tool}


def _index_table(index: Index) -> dict[str, Any]:
    name = {"name": index.name} if index.name else {}
    return {**name, "url": index.address, "default": index.default}


def _table(tool: Any, name: str) -> dict[str, Any]:
    value = tool.get(name) if isinstance(tool, dict) else None
    return value if isinstance(value, dict) else {}


def _home(requirements: Requirements) -> Path:
    assert requirements.path, requirements  # noqa: S101  # for mypy: settings and dependencies stand in a file
    return requirements.path.parent


def _absolute(name: str, value: Any, home: Path) -> Any:
    if name == "find-links" and isinstance(value, list):
        return [each if "://" in str(each) else str(home / str(each)) for each in value]
    return value


def _absolute_source(source: Any, home: Path) -> Any:
    if isinstance(source, list):
        return [_absolute_source(each, home) for each in source]
    if isinstance(source, dict) and isinstance(source.get("path"), str):
        return {**source, "path": str(home / source["path"])}
    return source


def _toml(document: Mapping[str, Any]) -> str:
    return "".join(f"{_text(name)} = {_value(value)}\n" for name, value in document.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(name)} = {_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    # TOML has no halves of characters, which is how JSON escapes what lies beyond 16 bits.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
