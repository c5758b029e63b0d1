"""Hands the inline metadata of a script to uv, which reads `[tool.uv]` from files of its own alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_materialize.execution.requirement_lines import Requirements

# What a script may say of the way from its dependencies to packages. The rest of `[tool.uv]` is about projects.
_SETTINGS = (
    *("index", "index-url", "extra-index-url", "no-index", "find-links", "index-strategy", "resolution", "prerelease"),
    *("fork-strategy", "dependency-metadata", "exclude-newer", "exclude-newer-package", "no-build", "no-build-package"),
    *("no-binary", "no-binary-package", "no-build-isolation", "no-build-isolation-package", "config-settings"),
    *("constraint-dependencies", "override-dependencies", "build-constraint-dependencies"),
)


def write_project(requirements: Requirements, folder: Path) -> tuple[Path, Path]:
    """Write inline metadata as a project.

    Args:
        requirements: Those of a script.
        folder: Where the files go. It exists.

    Returns:
        A `pyproject.toml` with the dependencies, and a `uv.toml` with the settings.
    """
    tool = json.loads(requirements.tool_uv) if requirements.tool_uv else {}
    assert requirements.path, requirements  # noqa: S101  # for mypy: inline metadata stands in a file
    home = requirements.path.parent
    settings = {name: _absolute(name, tool[name], home) for name in _SETTINGS if name in tool}
    sources = {name: _absolute_source(source, home) for name, source in (tool.get("sources") or {}).items()}
    dependencies = [line.text for line in requirements.lines]
    project = {"project": {"name": "asset", "version": "0", "dependencies": dependencies}}
    # A source may name an index.
    indexes = {"index": settings["index"]} if "index" in settings else {}
    pyproject, uv_toml = folder / "pyproject.toml", folder / "uv.toml"
    pyproject.write_text(_toml({**project, "tool": {"uv": {**indexes, "sources": sources}}}))
    uv_toml.write_text(_toml(settings))
    return pyproject, uv_toml


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
