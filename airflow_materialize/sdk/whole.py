"""The whole SDK, imported at once and as if an asset's neighbours were not there."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_HOMES = {
    "connection": ("Connection", "get_connection"),
    "last_load": ("LastLoad",),
    "outcome": ("Outcome", "Result", "result", "result_of", "skip"),
    "queries": ("query",),
    "relation": ("Relation", "ref", "source"),
    "run_context": ("Context", "context", "log"),
    "bruin_query": (),
}
# What is imported only where it is used.
_LATER = ("socket", "difflib")

NEIGHBOURS: list[str] = []
"""The folders that user code imports from first: a file there may have the name of a module that this package needs."""


def import_apart(*names: str) -> None:
    """Import modules as if `NEIGHBOURS` were not there."""
    from importlib import import_module

    path = list(sys.path)
    sys.path[:] = [folder for folder in path if folder not in NEIGHBOURS]
    try:
        for name in names:
            import_module(name)
    finally:
        sys.path[:] = path


def names() -> dict[str, Any]:
    """Import everything, and return what an asset may ask for."""
    import_apart(*_LATER, *(f"airflow_materialize.sdk.{home}" for home in _HOMES))
    return dict(_found())


def _found() -> Iterator[tuple[str, Any]]:
    for home, kept in _HOMES.items():
        module = sys.modules[f"airflow_materialize.sdk.{home}"]
        for name in kept:
            yield name, getattr(module, name)
