"""What one DAG run of one asset will do, frozen before user code starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from airflow_materialize.definition.asset import Asset
from airflow_materialize.definition.pipeline import Pipeline
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.interval import NO_INTERVAL_HINT, Interval, bruin_dates, first_moment, modify, spell
from airflow_materialize.plan.template import bruin_names, render
from airflow_materialize.plan.variables import describe_variables, resolve_variables

# Raised whenever an older worker could misread a plan.
PLAN_VERSION = 1


@dataclass(frozen=True)
class Trigger:
    """What started a run, in plain values: a DAG run of Airflow, a command, a test.

    Attributes:
        dag_id, run_id, map_index: Which run this is.
        run_type: `scheduled`, `backfill`, `manual` or `asset_triggered`.
        execution_time: When the run started, the same for each of its steps.
        interval: What the run is about; None where no rule gave one.
        start_given: Whether the user said where the interval starts.
        full_refresh: Whether the user asked for one.
        variables: Values that the user gave to the pipeline's variables.
        task_instance, try_number: The attempt: a uuid7 in hexadecimal, and the try at it, counted from 1.
    """

    dag_id: str
    run_id: str
    run_type: str
    execution_time: datetime
    interval: Interval | None = None
    start_given: bool = False
    full_refresh: bool = False
    variables: dict[str, Any] = field(default_factory=dict)
    map_index: int = -1
    task_instance: str = ""
    try_number: int = 1


@dataclass(frozen=True)
class RunPlan:
    """The frozen run plan: the header as it stood, the interval, and the identity of the load.

    Attributes:
        asset: The header, with everything inherited from the pipeline filled in.
        pipeline: The pipeline's name.
        source: The asset's file, relative to the root of all pipelines.
        source_hash: SHA-256 of what the asset is made of, hexadecimal.
        dag_id, run_id, map_index: Which run this is.
        run_type: `scheduled`, `backfill`, `manual` or `asset_triggered`.
        interval: None where no rule gave one.
        full_refresh: Whether the table is rebuilt.
        strategy: The strategy of the load: `create+replace` in a full refresh, else the header's; empty for a script.
        connection: The destination's connection id; empty for a plain script without checks.
        variables: The pipeline's variables with their values for this run.
        variables_schema: What `pipeline.yml` says of each variable, without its default.
        notes: Sentences for the log: what was decided otherwise than asked.
        version: The format of this plan.
    """

    asset: Asset
    pipeline: str
    source: str
    source_hash: str
    dag_id: str
    run_id: str
    run_type: str
    interval: Interval | None
    full_refresh: bool
    strategy: str
    connection: str
    map_index: int = -1
    variables: dict[str, Any] = field(default_factory=dict)
    variables_schema: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    version: int = PLAN_VERSION

    @property
    def load_key(self) -> str:
        """The identity of the load: a hash of connection, table, asset and DAG run, the same for each attempt.

        SHA-256, hexadecimal. The asset's name is its table's.
        """
        identity = [self.connection, self.asset.name, self.dag_id, self.run_id, self.map_index]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return plain data, ready for `json.dumps`."""
        data = {name.name: getattr(self, name.name) for name in fields(self)}
        data["asset"] = self.asset.model_dump(mode="json", exclude_defaults=True)
        data["interval"] = self.interval and self.interval.to_json()
        data["notes"] = list(self.notes)
        return data

    @classmethod
    def from_json(cls, data: Any) -> RunPlan:
        """Return the plan that `to_json` made `data` of, or raise MaterializeError where it is none."""
        if not isinstance(data, dict) or not isinstance(data.get("version"), int):
            raise MaterializeError("This is no run plan", hint="clear the run step to make a new one")
        if data["version"] != PLAN_VERSION:
            raise MaterializeError(
                f"The run plan has version {data['version']}, and this worker reads version {PLAN_VERSION}",
                hint="run the same airflow-materialize on every worker, then clear the run step",
            )
        try:
            values = {
                **data,
                "asset": Asset.model_validate(data["asset"]),
                "interval": data["interval"] and Interval.from_json(data["interval"]),
                "notes": tuple(data["notes"]),
            }
            return cls(**values)
        except (KeyError, TypeError, ValidationError) as error:
            raise MaterializeError(
                f"The run plan is damaged: {error}", hint="clear the run step to make a new one"
            ) from error


def plan_run(
    asset: Asset, pipeline: Pipeline, trigger: Trigger, *, source: str, source_hash: str, default_connection: str = ""
) -> RunPlan:
    """Decide what a run of an asset will do.

    Args:
        asset: The header, with everything inherited from the pipeline filled in.
        pipeline: The asset's pipeline.
        trigger: What started the run.
        source: The asset's file, relative to the root of all pipelines.
        source_hash: SHA-256 of what the asset is made of, hexadecimal.
        default_connection: The connection id of an asset that names none.

    Raises:
        MaterializeError: The interval cannot be what header and trigger say, or a variable's value is wrong.
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
        notes=notes,
    )
    return replace(plan, interval=_modified_interval(plan, trigger.execution_time))


def bruin_environment(
    plan: RunPlan,
    execution_time: datetime,
    *,
    connection_types: Mapping[str, str] | None = None,
    commit_hash: str = "",
) -> dict[str, str]:
    """Return the environment variables that Bruin gives to a Python asset, in Bruin's formats.

    Source: `pkg/jinja/jinja.go` and `pkg/env/variables.go` of Bruin. Without an interval those of its start and end are
    absent; `BRUIN_RUN_ID` is the DAG run's id; `BRUIN_FULL_REFRESH` is empty where a full refresh is restricted.

    Args:
        plan: The DAG run's plan.
        execution_time: When the DAG run started, aware.
        connection_types: The type of each secret by the name under which it is injected.
        commit_hash: The version of the repository, where it is known.
    """
    moments = {"EXECUTION": execution_time.astimezone(UTC)}
    if plan.interval:
        dates = bruin_dates(plan.interval)
        moments |= {"START": dates.start, "END": dates.end}
    environment = {
        f"BRUIN_{name}_{suffix.upper()}": text
        for name, moment in moments.items()
        for suffix, text in spell(moment).items()
        if suffix != "date_nodash"
    }
    environment |= {
        "BRUIN_RUN_ID": plan.run_id,
        "BRUIN_PIPELINE": plan.pipeline,
        "BRUIN_ASSET": plan.asset.name,
        "BRUIN_THIS": plan.asset.name,
        "BRUIN_FULL_REFRESH": "1" if plan.full_refresh else "",
        "BRUIN_COMMIT_HASH": commit_hash,
        "BRUIN_VARS": json.dumps(plan.variables),
        "BRUIN_VARS_SCHEMA": json.dumps(plan.variables_schema),
        "BRUIN_SCHEMA_PREFIX": "",
        "PYTHONUNBUFFERED": "1",
    }
    if plan.connection:
        environment["BRUIN_CONNECTION"] = plan.connection
    if connection_types:
        environment["BRUIN_CONNECTION_TYPES"] = json.dumps(dict(connection_types))
    return environment


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
    return modify(plan.interval, render(modifiers.start, names), render(modifiers.end, names))


def _refuse_without_interval(plan: RunPlan) -> None:
    modifiers, materialization = plan.asset.interval_modifiers, plan.asset.materialization
    reason = ""
    if modifiers.start or modifiers.end:
        reason = "interval_modifiers"
    elif plan.strategy == "delete+insert" and materialization and materialization.delete_by == "interval":
        reason = "delete_by: interval"
    if reason:
        raise MaterializeError(f"{plan.asset.name} has {reason}, and this run has no interval", hint=NO_INTERVAL_HINT)
