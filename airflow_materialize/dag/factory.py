"""Folders of assets → DAGs. One pipeline is one DAG."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_materialize.connections import airflow_option, signing_key
from airflow_materialize.dag.assets import triggers, without_refused_uris
from airflow_materialize.dag.discovery import with_import_warnings
from airflow_materialize.dag.docs import dag_doc
from airflow_materialize.dag.ids import dag_id, group_id
from airflow_materialize.dag.labels import dag_tags, shown, task_owners
from airflow_materialize.dag.notify import callbacks, joined
from airflow_materialize.dag.params import dag_params
from airflow_materialize.dag.schedule import schedule_for
from airflow_materialize.dag.sequence import gate
from airflow_materialize.dag.tasks import asset_group, follow
from airflow_materialize.definition.model.markdown import printable
from airflow_materialize.definition.model.pipeline import ON_ASSETS, Pipeline
from airflow_materialize.definition.project.cache import ParseCache
from airflow_materialize.definition.project.project import parse_project
from airflow_materialize.errors import Problem
from airflow_materialize.settings import read_settings

if TYPE_CHECKING:
    from airflow.sdk import DAG, Asset
    from airflow.timetables.base import Timetable

    from airflow_materialize.definition.model.parsed import ParsedAsset, ParsedPipeline

log = logging.getLogger(__name__)

# A pipeline without `start_date` needs some day from which its intervals count; any fixed one keeps the DAG the same
# at every parse.
_FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)

# What is beyond any use would not fit into Airflow's tables, and hide the DAGs of all pipelines.
_MOST = 10_000


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
    with _without_collector():
        return _asset_dags(folder, dag_defaults, wanted.dag_id, wanted.task_id)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Let nothing look for garbage while thousands of objects are made that all stay: a quarter of the time.

    Nor among these afterwards: the collector takes them for old. Where Airflow has frozen what was there before, as in
    the processes that it forks, they are frozen too, as thawing would thaw everything.
    """
    was_on, is_frozen = gc.isenabled(), gc.get_freeze_count() > 0
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if not is_frozen:
            gc.unfreeze()
        if was_on:
            gc.enable()


def _asset_dags(
    folder: Path, dag_defaults: dict[str, Any], only_dag: str | None, only_task: str | None
) -> dict[str, DAG]:
    dags: dict[str, DAG] = {}
    settings = read_settings(airflow_option)
    cache = ParseCache(settings.environments / ".parsed", signing_key())
    pipelines = parse_project(folder, _is_wanted(only_dag), default_connection=settings.default_connection, cache=cache)
    if only_task is None:  # A task's log is about that task.
        pipelines = with_import_warnings(pipelines, folder)
        for pipeline in pipelines:
            _log_problems(pipeline)
    for pipeline in pipelines:
        try:
            dag = build_dag(pipeline, folder, dag_defaults, only_task=only_task)
        except Exception as error:  # An exception that leaves the loader hides the DAGs of all other pipelines.
            log.exception("the pipeline %s cannot become a DAG", pipeline.name)
            dag = broken_dag(pipeline, folder, error, only_task=only_task)
        dags[dag.dag_id] = dag
    return dags


def _is_wanted(wanted: str | None) -> Callable[[str], bool]:
    return lambda name: wanted in {None, dag_id(name)}


def _log_problems(pipeline: ParsedPipeline) -> None:
    own = [problem for asset in pipeline.assets for problem in (*asset.problems, *asset.warnings)]
    for problem in (*pipeline.warnings, *own):
        log.warning("%s", problem.explain())


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

    pipeline = without_refused_uris(pipeline)
    definition = pipeline.pipeline
    own: dict[str, Any] = {
        "dag_display_name": shown(pipeline.name),
        "description": printable(definition.description) or None,
        "doc_md": dag_doc(pipeline),
        "start_date": _start_date(definition.start_date),
        "catchup": bool(definition.catchup),
        # Airflow takes a continuous schedule with one run at a time alone.
        "max_active_runs": 1 if definition.schedule.endswith("continuous") else min(definition.concurrency or 1, _MOST),
        "max_active_tasks": definition.max_active_steps and min(definition.max_active_steps, _MOST),
        "tags": sorted({*dag_tags(pipeline), *dag_defaults.get("tags", ())}),
        **joined(callbacks(definition.notifications, definition), dag_defaults),
    }
    own = {name: value for name, value in own.items() if value is not None}
    dag = DAG(dag_id(pipeline.name), schedule=_schedule(pipeline), **{**dag_defaults, **own})
    wanted = [asset for asset in pipeline.assets if only_task is None or _owns(asset, only_task)]
    owners = task_owners(pipeline)
    tasks = {asset.name: asset_group(asset, pipeline, root, dag, owners[asset.name]) for asset in wanted}
    shapes = {asset.name: asset.shape for asset in wanted}
    for upstream, downstream in pipeline.edges:
        if upstream in tasks and downstream in tasks:
            follow(tasks[downstream]["run"], tasks[upstream][gate(shapes[upstream])])
    # Last, as each task would copy them: a task sees the params of its DAG all the same.
    dag.params.update(dag_params(definition))
    return dag


def _schedule(pipeline: ParsedPipeline) -> Timetable | list[Asset] | None:
    if pipeline.pipeline.schedule == ON_ASSETS:
        return triggers(pipeline) or None
    return schedule_for(pipeline.pipeline)


def broken_dag(pipeline: ParsedPipeline, root: Path, error: Exception, *, only_task: str | None = None) -> DAG:
    """Build the DAG of a pipeline that cannot be built as it is written: the same tasks, no schedule, each `run` fails.

    Args:
        pipeline: Its definition.
        root: The folder of all pipelines.
        error: What went wrong.
        only_task: As for `build_dag`.
    """
    problem = Problem(pipeline.path, 0, 0, "", f"the pipeline cannot become a DAG: {error}", code="AM405")
    harmless = replace(
        pipeline,
        pipeline=Pipeline.model_construct(name=pipeline.name, check_tasks=pipeline.pipeline.check_tasks),
        assets=tuple(asset.with_problems(problem) for asset in pipeline.assets),
    )
    return build_dag(harmless, root, {}, only_task=only_task)


def _owns(asset: ParsedAsset, task_id: str) -> bool:
    return task_id.rpartition(".")[0] == group_id(asset.name)


def _start_date(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else _FIRST_DAY
