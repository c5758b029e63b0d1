"""What a run will do: from a header and what started the run to its plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from airflow_materialize.definition.model.asset import Asset, Hooks
from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.interval import NO_INTERVAL_HINT, Interval, first_moment, modify
from airflow_materialize.plan.run_plan import RunPlan, Trigger
from airflow_materialize.plan.template import bruin_names, render
from airflow_materialize.plan.variables import describe_variables, resolve_variables

_FLAGS = {**dict.fromkeys(("true", "1", "t"), True), **dict.fromkeys(("false", "0", "f", ""), False)}


def plan_run(
    asset: Asset,
    pipeline: Pipeline,
    trigger: Trigger,
    *,
    source: str,
    source_hash: str,
    default_connection: str = "",
    macros: str = "",
) -> RunPlan:
    """Decide what a run of an asset will do.

    Args:
        asset: The header, with everything inherited from the pipeline filled in.
        pipeline: The asset's pipeline.
        trigger: What started the run.
        source: The asset's file, relative to the root of all pipelines.
        source_hash: SHA-256 of what the asset is made of, hexadecimal.
        default_connection: The connection id of an asset that names none.
        macros: Jinja macros that the header's templates may call.

    Raises:
        MaterializeError: The interval cannot be what header and trigger say, a variable's value is wrong, or a template
            cannot be filled in.
    """
    full_refresh, notes = _full_refresh(asset, trigger)
    interval = trigger.interval
    if full_refresh:
        interval, more = _refreshed_interval(asset, pipeline, trigger)
        notes += more
    declared = asset.materialization.strategy if asset.materialization else ""
    plan = RunPlan(
        asset=asset,
        pipeline=pipeline.name,
        source=source,
        source_hash=source_hash,
        dag_id=trigger.dag_id,
        run_id=trigger.run_id,
        run_type=trigger.run_type,
        interval=interval,
        full_refresh=full_refresh,
        strategy="create+replace" if full_refresh and declared else declared,
        connection=asset.connection or default_connection,
        map_index=trigger.map_index,
        variables=resolve_variables(pipeline, trigger.variables),
        variables_schema=describe_variables(pipeline),
        macros=macros,
        notes=notes,
        partition_key=trigger.partition_key,
        commit_hash=trigger.commit_hash,
    )
    plan = replace(plan, interval=_modified_interval(plan, trigger.execution_time))
    return _rendered(plan, bruin_names(plan, trigger.execution_time))


def _rendered(plan: RunPlan, names: Mapping[str, Any]) -> RunPlan:
    """Fill in the templates of what is decided once for all steps. Queries of checks are filled in when asked."""
    asset = plan.asset
    if not _is_enabled(asset, names):
        return replace(plan, enabled=False)
    hooks = asset.hooks or Hooks()
    return replace(
        plan,
        parameters=_filled_in(asset, "parameters", asset.parameters, names),
        hooks_pre=tuple(_render(asset, "hooks.pre", hook.query, names) for hook in hooks.pre),
        hooks_post=tuple(_render(asset, "hooks.post", hook.query, names) for hook in hooks.post),
    )


def _render(asset: Asset, field: str, text: str, names: Mapping[str, Any]) -> str:
    """Fill in a template of a header; an error names the asset and the field."""
    try:
        return render(text, names)
    except MaterializeError as error:
        message = error.message[:1].lower() + error.message[1:]
        raise MaterializeError(f"{asset.name}: {field}: {message}", hint=error.hint) from error


def _is_enabled(asset: Asset, names: Mapping[str, Any]) -> bool:
    if isinstance(asset.enabled, bool):
        return asset.enabled
    word = _render(asset, "enabled", asset.enabled, names).strip()
    if word.lower() not in _FLAGS:
        raise MaterializeError(
            f"{asset.name}: `enabled` is the template {asset.enabled!r}, which gives {word!r}", hint="true or false"
        )
    return _FLAGS[word.lower()]


def _filled_in(asset: Asset, field: str, value: Any, names: Mapping[str, Any]) -> Any:
    """Fill in each text within a value; as Bruin does, blanks around it go."""
    if isinstance(value, str):
        return _render(asset, field, value, names).strip()
    if isinstance(value, dict):
        return {key: _filled_in(asset, f"{field}.{key}", item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled_in(asset, f"{field}[{place}]", item, names) for place, item in enumerate(value)]
    return value


def _full_refresh(asset: Asset, trigger: Trigger) -> tuple[bool, tuple[str, ...]]:
    restricted = asset.full_refresh_restricted
    if restricted is None:
        restricted = asset.refresh_restricted
    if trigger.full_refresh and restricted:
        return False, (f"{asset.name} restricts full refreshes: this run is an incremental one.",)
    return trigger.full_refresh, ()


def _refreshed_interval(asset: Asset, pipeline: Pipeline, trigger: Trigger) -> tuple[Interval | None, tuple[str, ...]]:
    """Return the interval of a full refresh, and what to say of it."""
    interval = trigger.interval
    if interval is None or trigger.start_given:
        return interval, ()
    owner, text = ("asset", asset.start_date) if asset.start_date else ("pipeline", pipeline.start_date)
    if not text:
        note = f"Neither {asset.name} nor its pipeline has a start_date: the full refresh covers {interval}."
        return interval, (note,)
    start = first_moment(text, f"start_date of the {owner}")
    if start >= interval.end:
        raise MaterializeError(
            f"A full refresh of {asset.name} would start at the {owner}'s start_date {text}, "
            f"and this run's interval ends at {interval.end.isoformat()}",
            hint="give the DAG run a start_date, or an end_date that lies later",
        )
    rule = f"from the {owner}'s start_date to the end of {interval.rule or 'the run'}"
    return Interval(start, interval.end, rule), ()


def _modified_interval(plan: RunPlan, execution_time: datetime) -> Interval | None:
    modifiers = plan.asset.interval_modifiers
    if plan.interval is None:
        _refuse_without_interval(plan)
        return None
    names = bruin_names(plan, execution_time)
    start, end = (
        _render(plan.asset, f"interval_modifiers.{name}", getattr(modifiers, name), names) for name in ("start", "end")
    )
    return modify(plan.interval, start, end)


def _refuse_without_interval(plan: RunPlan) -> None:
    modifiers, materialization = plan.asset.interval_modifiers, plan.asset.materialization
    reason = ""
    if modifiers.start or modifiers.end:
        reason = "interval_modifiers"
    elif plan.strategy == "delete+insert" and materialization and materialization.delete_by == "interval":
        reason = "delete_by: interval"
    if reason:
        raise MaterializeError(f"{plan.asset.name} has {reason}, and this run has no interval", hint=NO_INTERVAL_HINT)
