"""Folders of assets → DAGs. One pipeline is one DAG."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_materialize.connections import airflow_option
from airflow_materialize.dag.schedule import dag_params, schedule_for
from airflow_materialize.dag.tasks import asset_group, dag_id, gate, group_id
from airflow_materialize.definition.parse import parse_project
from airflow_materialize.definition.pipeline import Pipeline
from airflow_materialize.errors import Problem

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
    connection = airflow_option("default_connection") or ""
    for pipeline in parse_project(folder, _is_wanted(wanted.dag_id), default_connection=connection):
        if wanted.task_id is None:  # A task's log is about that task.
            _log_problems(pipeline)
        try:
            dag = build_dag(pipeline, folder, dag_defaults, only_task=wanted.task_id)
        except Exception as error:  # An exception that leaves the loader hides the DAGs of all other pipelines.
            log.exception("the pipeline %s cannot become a DAG", pipeline.name)
            dag = broken_dag(pipeline, folder, error, only_task=wanted.task_id)
        dags[dag.dag_id] = dag
    return dags


def _is_wanted(wanted: str | None) -> Callable[[str], bool]:
    return lambda name: wanted in {None, dag_id(name)}


def _log_problems(pipeline: ParsedPipeline) -> None:
    own = [problem for asset in pipeline.assets for problem in (*asset.problems, *asset.warnings)]
    for problem in (*pipeline.warnings, *own):
        log.warning("%s", problem)


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
    own = {
        "dag_display_name": pipeline.name,
        "description": definition.description or None,
        "start_date": _start_date(definition.start_date),
        "catchup": bool(definition.catchup),
        # Airflow takes a continuous schedule with one run at a time alone.
        "max_active_runs": 1 if definition.schedule.endswith("continuous") else definition.concurrency or 1,
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


def broken_dag(pipeline: ParsedPipeline, root: Path, error: Exception, *, only_task: str | None = None) -> DAG:
    """Build the DAG of a pipeline that cannot be built as it is written: the same tasks, no schedule, each `run` fails.

    Args:
        pipeline: Its definition.
        root: The folder of all pipelines.
        error: What went wrong.
        only_task: As for `build_dag`.
    """
    problem = Problem(pipeline.path, 0, 0, "", f"the pipeline cannot become a DAG: {error}")
    harmless = replace(
        pipeline,
        pipeline=Pipeline.model_construct(name=pipeline.name),
        assets=tuple(asset.with_problems(problem) for asset in pipeline.assets),
    )
    return build_dag(harmless, root, {}, only_task=only_task)


def _owns(asset: ParsedAsset, task_id: str) -> bool:
    return task_id.rpartition(".")[0] == group_id(asset.name)


def _shape(pipeline: ParsedPipeline, name: str) -> Any:
    return next(asset.shape for asset in pipeline.assets if asset.name == name)


def _start_date(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else _FIRST_DAY
