"""One task group per asset."""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_materialize.dag.assets import ports
from airflow_materialize.dag.docs import doc_md
from airflow_materialize.dag.ids import group_id
from airflow_materialize.dag.labels import shown
from airflow_materialize.dag.notify import callbacks, joined
from airflow_materialize.dag.operators import CheckOperator, GateOperator, LoadOperator
from airflow_materialize.dag.policy import check_policy, load_policy, place_policy, run_policy
from airflow_materialize.dag.run_operator import MaterializeOperator
from airflow_materialize.dag.sequence import gate, sequence_of
from airflow_materialize.definition.model.markdown import printable

if TYPE_CHECKING:
    from airflow.sdk import DAG, TaskGroup

    from airflow_materialize.dag.operators import Step
    from airflow_materialize.dag.sequence import Place
    from airflow_materialize.definition.model.parsed import ParsedAsset, ParsedPipeline


def asset_group(
    parsed: ParsedAsset, pipeline: ParsedPipeline, root: Path, dag: DAG, owner: str = "airflow"
) -> dict[str, Step]:
    """Build the task group of one asset and return its tasks by step. The blocking ones follow one another.

    Args:
        parsed: The asset.
        pipeline: Its pipeline.
        root: The folder of all pipelines.
        dag: The pipeline's DAG.
        owner: The owner of the tasks.
    """
    doc = doc_md(parsed)
    common: dict[str, Any] = {
        "dag": dag,
        "task_group": _group(parsed, dag, doc),
        "doc_md": doc,
        "owner": owner,
        **place_policy(parsed.summary),
    }
    tasks: dict[str, Step] = {}
    for place in sequence_of(parsed.shape, each=pipeline.pipeline.check_tasks == "each"):
        told = _callbacks(parsed, pipeline, dag, place.step)
        moves = ports(parsed, first=place.step == "run", last=place.step == gate(parsed.shape))
        arguments = {**common, **told, **moves}
        tasks[place.step] = _task(place, parsed, pipeline, root, arguments)
        for step in place.after:
            follow(tasks[place.step], tasks[step])
    return tasks


def follow(task: Step, upstream: Step) -> None:
    """Let a task follow another of its DAG, as `upstream >> task` does.

    That looks each time whether both have one DAG, by a hash of all that the DAG is: a third of what a task costs.
    """
    upstream.downstream_task_ids.add(task.task_id)
    task.upstream_task_ids.add(upstream.task_id)


def _task(place: Place, parsed: ParsedAsset, pipeline: ParsedPipeline, root: Path, arguments: dict[str, Any]) -> Step:
    """Make the task of one step."""
    whose = (parsed, pipeline, root)
    label = f"check {place.asked.column or 'of its own'}: {place.asked.name}" if place.asked else place.step
    named = {"task_id": place.step, "task_display_name": shown(f"{parsed.name} {label}"), **arguments}
    if place.step == "run":
        # What depends on a skipped asset decides by itself: after a disabled one it runs.
        policy = run_policy(parsed, pipeline.pipeline)
        return MaterializeOperator.of(*whose, **named, **policy, trigger_rule="none_failed")
    if place.step == "load":
        return LoadOperator.of(*whose, **named, **load_policy())
    if place.joins:
        return GateOperator.of(*whose, **named)
    blocking = place.step == "check"
    task = CheckOperator.of(*whose, **named, **check_policy(parsed.summary, place.asked, blocking=blocking))
    task.blocking, task.asked = blocking, place.asked
    return task


def _group(parsed: ParsedAsset, dag: DAG, doc: str) -> TaskGroup:
    from airflow.sdk import TaskGroup

    documented: dict[str, Any] = {"doc_md": doc} if _groups_have_docs() else {}
    return TaskGroup(
        group_id(parsed.name),
        dag=dag,
        group_display_name=shown(parsed.name),
        tooltip=printable(parsed.summary.description).strip() or f"asset {shown(parsed.name)}",
        **documented,
    )


@cache
def _groups_have_docs() -> bool:
    """Whether the installed Airflow shows documentation of task groups: 3.3 and later."""
    from airflow.sdk import TaskGroup

    return "doc_md" in inspect.signature(TaskGroup).parameters


def _callbacks(parsed: ParsedAsset, pipeline: ParsedPipeline, dag: DAG, step: str) -> dict[str, Any]:
    who, is_last = parsed.summary.notifications, step == gate(parsed.shape)
    told = callbacks(who, pipeline.pipeline, parsed.name, step, of_success=is_last)
    return joined(told, dag.default_args)
