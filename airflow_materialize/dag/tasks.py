"""One task group per asset, and the ids that Airflow knows it by."""

from __future__ import annotations

import re
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_materialize.dag.docs import doc_md
from airflow_materialize.dag.operators import CheckOperator, LoadOperator, MaterializeOperator

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from airflow_materialize.dag.operators import Step
    from airflow_materialize.definition.parsed import ParsedAsset, ParsedPipeline, Shape

# Words joined by single underscores, segments joined by dots. Such a name can be read back from its id.
_PLAIN_SEGMENT = r"(?:[^\W_]|-)+(?:_(?:[^\W_]|-)+)*"
_PLAIN_NAME = re.compile(rf"{_PLAIN_SEGMENT}(?:\.{_PLAIN_SEGMENT})*")
_PLAIN_DAG = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_HASHED = re.compile(r"___[0-9a-f]{16}$")

# Airflow takes 200 characters for a group and 250 for a DAG or a task with its group.
_LONGEST = 150

# What passes by itself (a lock, a lost connection) has passed after a minute or needs a person. All other failures
# of these steps end at once, whatever the number of retries.
_SAFE_STEP: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(seconds=30)}


def group_id(name: str) -> str:
    """Return the id of an asset's task group: `raw.orders` is `raw__orders`.

    Group ids take no dots. No two names have one id: a name that is not plain ends in a hash of itself.
    """
    if _PLAIN_NAME.fullmatch(name) and len(name) <= _LONGEST:
        return name.replace(".", "__")
    return _hashed(name)


def dag_id(name: str) -> str:
    """Return the id of a pipeline's DAG: the name itself where Airflow takes it, else one that ends in its hash."""
    if _PLAIN_DAG.fullmatch(name) and len(name) <= _LONGEST and not _HASHED.search(name):
        return name
    return _hashed(name)


def _hashed(name: str) -> str:
    slug = re.sub(r"[^0-9A-Za-z-]+", "_", name)[:100].strip("_")
    return f"{slug}___{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def steps_of(shape: Shape) -> tuple[str, ...]:
    """Return the steps of an asset of this shape, in their order."""
    present = {"run": True, "load": shape.table, "check": shape.check, "check_warn": shape.check_warn}
    return tuple(step for step, is_there in present.items() if is_there)


def gate(shape: Shape) -> str:
    """Return the step that what depends on the asset waits for: the last blocking one."""
    return [step for step in steps_of(shape) if step != "check_warn"][-1]


def asset_group(parsed: ParsedAsset, pipeline: ParsedPipeline, root: Path, dag: DAG) -> dict[str, Step]:
    """Build the task group of one asset and return its tasks by step. The blocking ones follow one another."""
    from airflow.sdk import TaskGroup

    description = parsed.asset.description if parsed.asset else ""
    group = TaskGroup(
        group_id(parsed.name), dag=dag, group_display_name=parsed.name, tooltip=description or f"asset {parsed.name}"
    )
    common: dict[str, Any] = {
        "parsed": parsed,
        "pipeline": pipeline,
        "root": root,
        "dag": dag,
        "task_group": group,
        "doc_md": doc_md(parsed),
        "owner": (parsed.asset.owner if parsed.asset else "") or pipeline.pipeline.owner or "airflow",
    }
    tasks: dict[str, Step] = {}
    for step in steps_of(parsed.shape):
        named = {"task_id": step, "task_display_name": f"{parsed.name} {step}", **common}
        if step == "run":
            tasks[step] = MaterializeOperator(**named, **_run_retries(parsed, pipeline))
        elif step == "load":
            tasks[step] = LoadOperator(**named, **_SAFE_STEP)
        else:
            tasks[step] = CheckOperator(**named, **_SAFE_STEP, blocking=step == "check")
    before = tasks["run"]
    for step, task in tasks.items():
        if step != "run":
            before >> task
        if step != "check":
            before = task
    return tasks


def _run_retries(parsed: ParsedAsset, pipeline: ParsedPipeline) -> dict[str, Any]:
    own = parsed.asset.retries if parsed.asset else None
    retries = own if isinstance(own, int) else pipeline.pipeline.retries
    return {} if retries is None else {"retries": retries}
