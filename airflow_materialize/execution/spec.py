"""What a child is told to run: the first message on its socket."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from airflow_materialize.definition.model.masks import Mask, rule_problem, split_mask, split_rule
from airflow_materialize.definition.model.type_names import is_json_name
from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.secrets import Secrets
from airflow_materialize.plan.run_plan import RunPlan


def child_spec(
    plan: RunPlan, script: Path, search_path: Sequence[Path], output: Path, secrets: Secrets
) -> dict[str, Any]:
    """Return the spec of an asset.

    Args:
        plan: What this DAG run does.
        script: The asset's file.
        search_path: Folders that imports look into first: the asset's, the pipeline's, which is the working directory,
            and the top one.
        output: The file to make, for a table.
        secrets: What user code gets. They go this way because a process's first environment can be read by others.

    Raises:
        MaterializeError: The script cannot be read, or `parameters.mask` is none.
    """
    try:
        source = script.read_bytes()
    except OSError as error:
        raise MaterializeError(f"{plan.source}: the asset's file cannot be read: {error.strerror}") from None
    interval = plan.interval
    return {
        "kind": "materialize" if plan.asset.is_table else "script",
        "file": str(script),
        "sha256": sha256(source).hexdigest(),
        "search_path": [str(folder) for folder in dict.fromkeys(search_path)],
        "cwd": str(search_path[1]),
        "output": str(output) if plan.asset.is_table else "",
        "context": {
            "data_interval_start": interval.start.isoformat() if interval else None,
            "data_interval_end": interval.end.isoformat() if interval else None,
            "partition_key": plan.partition_key or None,
            "parameters": plan.parameters,
        },
        "columns": _columns(plan, secrets),
        "environment": dict(secrets.environment),
    }


def _columns(plan: RunPlan, secrets: Secrets) -> list[dict[str, Any]]:
    """Return what the child has to know of each column, also of one that has a mask in `parameters` alone."""
    options = plan.asset.materialization
    enforced = bool(options and options.enforce_schema)
    columns = {
        column.name: {
            "name": column.name,
            "type": column.type,
            "sensitive": column.sensitive,
            "source": column.source_column,
            "json": enforced and is_json_name(column.type),
            "mask": _told(split_mask(column.mask, column.name), secrets) if column.mask else "",
        }
        for column in plan.asset.columns
    }
    name, mask = _rule(plan)
    if mask:
        entry = columns.setdefault(name, {"name": name, "type": "", "sensitive": False, "source": "", "mask": ""})
        told = _told(mask, secrets)
        if entry["mask"] not in {"", told}:
            message = f"{plan.asset.name}: the column {name!r} has a mask, and another one under `parameters`"
            raise MaterializeError(message, hint="keep one of the two")
        entry["mask"] = told
    return list(columns.values())


def _rule(plan: RunPlan) -> tuple[str, Mask | None]:
    text = str(plan.parameters.get("mask") or "")
    if not text:
        return "", None
    if problem := rule_problem(text):
        raise MaterializeError(f"{plan.asset.name}: parameters.mask: {problem[0]}", hint=problem[1])
    return split_rule(text)


def _told(mask: Mask, secrets: Secrets) -> str:
    """Return a mask as the child reads it: with the key itself where the header names a secret."""
    return str(Mask(mask.method, secrets.key(mask.parameter)) if mask.method == "hmac" else mask)
