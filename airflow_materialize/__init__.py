"""Python files that return a DataFrame become Airflow DAGs that load managed warehouse tables."""

from __future__ import annotations

# An asset's process begins here, and `typing` takes a tenth of what it has until the first line.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from airflow_materialize.dag.factory import asset_dags
    from airflow_materialize.errors import AssetError, MaterializeError
    from airflow_materialize.local import materialize
    from airflow_materialize.results import MaterializeResult

__version__ = "0.1.0"
__all__ = ["AssetError", "MaterializeError", "MaterializeResult", "asset_dags", "materialize"]

_HOMES = {
    "AssetError": "airflow_materialize.errors",
    "MaterializeError": "airflow_materialize.errors",
    "MaterializeResult": "airflow_materialize.results",
    "asset_dags": "airflow_materialize.dag.factory",
    "materialize": "airflow_materialize.local",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: importing the package costs nothing (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
