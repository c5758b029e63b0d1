"""What Airflow itself would import, by its own configuration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_materialize.connections import airflow_option
from airflow_materialize.definition.project.ignored import Discovery, discovery_top, warn_of_imports

if TYPE_CHECKING:
    from airflow_materialize.definition.model.parsed import ParsedPipeline


def with_import_warnings(pipelines: Iterable[ParsedPipeline], root: Path) -> list[ParsedPipeline]:
    """Give each pipeline a warning for each of its Python files that Airflow would import.

    Args:
        pipelines: What was parsed below `root`.
        root: The folder of all pipelines.
    """
    root = root.resolve()
    dags_folder = Path(airflow_option("dags_folder", "core") or root).expanduser().resolve()
    discovery = Discovery(
        discovery_top(root, dags_folder),
        "regexp" if airflow_option("dag_ignore_file_syntax", "core") == "regexp" else "glob",
        (airflow_option("dag_discovery_safe_mode", "core") or "true").lower() not in {"false", "f", "0"},
    )
    return warn_of_imports(pipelines, root, discovery)
