"""Where each value of an asset comes from, as text and as JSON."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from airflow_materialize.definition.project.explain import Origin

_WIDEST = 60


def origin_lines(name: str, origins: Iterable[Origin], root: Path) -> list[str]:
    """Return a line for each value of an asset below its name: the field, the value, and where it comes from.

    Args:
        name: The asset's name.
        origins: The values, with places relative to `root`.
        root: The folder of all pipelines.
    """
    rows = [(origin.path, _short(origin.value), _where(origin, root)) for origin in origins]
    paths, values = (max((len(row[index]) for row in rows), default=0) for index in (0, 1))
    return [name, *(f"  {path:<{paths}} = {value:<{values}}   {where}" for path, value, where in rows)]


def origin_data(origins: Iterable[Origin], root: Path) -> list[dict[str, Any]]:
    """Return the values as plain data: those that no file gives have an empty file, and a source in words."""
    return [
        {
            "path": origin.path,
            "value": origin.value,
            "file": os.path.relpath(root / origin.place.file) if origin.place else "",
            "line": origin.place.line if origin.place else 0,
            "column": origin.place.column if origin.place else 0,
            "source": origin.source,
        }
        for origin in origins
    ]


def _short(value: str) -> str:
    """One line of the value, with control characters as escapes, cut where it is long."""
    text = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _where(origin: Origin, root: Path) -> str:
    if origin.place is None:
        return origin.source
    return f"{os.path.relpath(root / origin.place.file)}:{origin.place.line}"
