"""All that is looked at, in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from airflow_materialize.connections import airflow_option
from airflow_materialize.definition.project.select import Selection, select_assets
from airflow_materialize.doctor.connections import connection_findings
from airflow_materialize.doctor.finding import Finding
from airflow_materialize.doctor.folders import folder_findings
from airflow_materialize.doctor.isolation import isolation_findings
from airflow_materialize.doctor.pythons import python_findings
from airflow_materialize.errors import MaterializeError
from airflow_materialize.settings import read_settings

Step = Callable[[], Iterator[Finding]]


def diagnose(path: Path | None = None, *, clean: bool = False) -> Iterator[Finding]:
    """Look at this machine, and at what the assets of a folder need of it, and give each finding as it comes.

    Args:
        path: An asset's file or a folder; Airflow's own DAGs folder where it is not given, if there is one.
        clean: Whether what loads that died left in the databases is removed.

    Raises:
        AssetError: A path was given that names no asset.
        MaterializeError: A setting is not what its option takes.
    """
    settings = read_settings(airflow_option)
    selections = _selections(path)
    root = selections[0].root if selections else Path("/nonexistent")
    yield from isolation_findings(settings, root)
    yield from folder_findings(settings, airflow_option("executor", "core") or "")
    yield from python_findings(settings, root, selections)
    yield from connection_findings(selections, airflow_option("default_connection") or "", clean=clean)


def _selections(path: Path | None) -> list[Selection]:
    default = airflow_option("default_connection") or ""
    if path is not None:
        return select_assets(path, default)
    usual = Path(airflow_option("dags_folder", "core") or "/nonexistent")
    try:
        return select_assets(usual, default)
    except MaterializeError:
        # Nobody asked for it, and there may be none.
        return []
