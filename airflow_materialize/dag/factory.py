"""Folders of assets → DAGs. One pipeline is one DAG."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_materialize.connections import airflow_option
from airflow_materialize.dag.schedule import dag_params, schedule_for
from airflow_materialize.dag.tasks import asset_group, dag_id, gate, group_id
from airflow_materialize.definition.parse import parse_project

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from airflow_materialize.definition.parsed import ParsedAsset, ParsedPipeline

log = logging.getLogger(__name__)

# A pipeline without `start_date` needs some day from which its intervals count; any fixed one keeps the DAG the same
# at every parse.
_FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)


def asset_dags(root: str | Path, **dag_defaults: Any) -> dict[str, DAG]:
    """Build one DAG for each pipeline below a folder.

    No user code is imported and no connection opened. On a worker only the one asset is built that its task needs.
    An invalid asset keeps its tasks, and its `run` fails with its problems; the others run.

    Args:
        root: The folder, or a file directly in it: `asset_dags(__file__)`.
        dag_defaults: Passed on to each `DAG`, as `default_args={"email": …}`; what the pipeline says wins.

    Returns:
        The DAGs by their ids, ready for `globals().update(…)`.
    """
    from airflow.sdk import get_parsing_context

    folder = Path(root).resolve()
    folder = folder.parent if folder.is_file() else folder
    wanted = get_parsing_context()
    dags: dict[str, DAG] = {}
    for pipeline in parse_project(folder, default_connection=airflow_option("default_connection") or ""):
        identity = dag_id(pipeline.name)
        if wanted.dag_id in {None, identity}:
            dags[identity] = build_dag(pipeline, folder, dag_defaults, only_task=wanted.task_id)
    return dags


def build_dag(
    pipeline: ParsedPipeline, root: Path, dag_defaults: dict[str, Any], *, only_task: str | None = None
) -> DAG:
    """Build the DAG of one pipeline.

    Args:
        pipeline: Its definition, with the problems that were found.
        root: The folder of all pipelines.
        dag_defaults: Arguments of `DAG` that the pipeline does not set.
        only_task: The id of one task; the groups of all other assets are left out.
    """
    from airflow.sdk import DAG

    definition = pipeline.pipeline
    broken = [asset.name for asset in pipeline.assets if asset.problems]
    for asset in pipeline.assets:
        for problem in (*asset.problems, *asset.warnings):
            log.warning("%s", problem)
    own = {
        "dag_display_name": pipeline.name,
        "description": definition.description or None,
        "start_date": _start_date(definition.start_date),
        "catchup": bool(definition.catchup),
        "max_active_runs": definition.concurrency or 1,
        "params": dag_params(definition),
        "tags": sorted({*definition.tags, "materialize", *(["materialize-error"] if broken else [])}),
    }
    dag = DAG(dag_id(pipeline.name), schedule=schedule_for(definition), **{**dag_defaults, **own})
    wanted = [asset for asset in pipeline.assets if only_task is None or _owns(asset, only_task)]
    tasks = {asset.name: asset_group(asset, pipeline, root, dag) for asset in wanted}
    for upstream, downstream in pipeline.edges:
        if upstream in tasks and downstream in tasks:
            tasks[upstream][gate(_shape(pipeline, upstream))] >> tasks[downstream]["run"]
    return dag


def _owns(asset: ParsedAsset, task_id: str) -> bool:
    return task_id.rpartition(".")[0] == group_id(asset.name)


def _shape(pipeline: ParsedPipeline, name: str) -> Any:
    return next(asset.shape for asset in pipeline.assets if asset.name == name)


def _start_date(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else _FIRST_DAY
