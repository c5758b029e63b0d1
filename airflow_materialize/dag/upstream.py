"""What the assets that an asset waits for left in this DAG run: the states of their tasks, and their reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_materialize.dag.ids import group_id
from airflow_materialize.dag.sequence import gate
from airflow_materialize.definition.project.graph import AssetGraph
from airflow_materialize.plan.upstream import Said, Upstream
from airflow_materialize.report import LoadReport

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_materialize.dag.operators import Step
    from airflow_materialize.report import Skip


def skips(step: Step, context: Context) -> dict[str, Skip | None]:
    """Return what an asset depends on in its pipeline, each with its skip; None for one that has run or is disabled.

    The state of the task that this one waits for decides, so it is true of what was cleared or marked since.

    Args:
        step: The step `run` of the asset.
        context: Airflow's runtime context.
    """
    depends = step.parsed.shape.depends
    if not depends:
        return {}
    shapes = {asset.name: asset.shape for asset in step.pipeline.assets}
    waited = {name: f"{group_id(name)}.{gate(shapes[name])}" for name in depends}
    dag_run, task = context["dag_run"], context["ti"]
    found = task.get_task_states(dag_id=dag_run.dag_id, task_ids=list(waited.values()), run_ids=[dag_run.run_id])
    states = found.get(dag_run.run_id, {})
    said = {name: _said(name, step, context) for name, gate_id in waited.items() if states.get(gate_id) == "skipped"}
    return dict.fromkeys(depends) | {name: words.run.skip for name, words in said.items() if words}


def upstream_of(step: Step, context: Context) -> Upstream:
    """Return what an asset may ask of others in its DAG run.

    Args:
        step: The step `run` of the asset.
        context: Airflow's runtime context.
    """
    graph = AssetGraph.of(step.pipeline.assets)
    names = graph.upstream(step.parsed.name)
    return Upstream(names, frozenset(graph.depends), lambda name: _said(name, step, context))


def _said(name: str, step: Step, context: Context) -> Said | None:
    """Return what the steps of another asset left in this DAG run; None where `run` has left nothing."""
    from airflow_materialize.manifest import opened

    pull: Any = context["ti"].xcom_pull
    handed = pull(task_ids=f"{group_id(name)}.run")
    if handed is None:
        return None
    manifest = opened(handed, step.workplace().signer, name)
    load = pull(task_ids=f"{group_id(name)}.load") if manifest.plan.asset.is_table else None
    return Said(manifest.report, LoadReport.from_json(load) if load else None)
