"""What one DAG run of one asset will do, frozen before user code starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from airflow_materialize.definition.model.asset import Asset
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.interval import Interval, bruin_dates, spell

# Raised whenever an older worker could misread a plan.
PLAN_VERSION = 3

_TUPLES = ("hooks_pre", "hooks_post", "notes")


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
        partition_key: The partition that the run is about; empty where it is about none.
        commit_hash: The version of the folder of all pipelines, where it is known.
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
    partition_key: str = ""
    commit_hash: str = ""
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
        enabled: Whether the asset runs at all.
        parameters: The header's, with their templates filled in.
        hooks_pre, hooks_post: The statements around the load, likewise.
        macros: Jinja macros of the pipeline, for the queries of checks.
        notes: Sentences for the log: what was decided otherwise than asked.
        partition_key: The partition that the run is about; empty where it is about none.
        commit_hash: The version of the folder of all pipelines, where it is known.
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
    enabled: bool = True
    parameters: dict[str, Any] = field(default_factory=dict)
    hooks_pre: tuple[str, ...] = ()
    hooks_post: tuple[str, ...] = ()
    macros: str = ""
    notes: tuple[str, ...] = ()
    partition_key: str = ""
    commit_hash: str = ""
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
        data |= {name: list(data[name]) for name in _TUPLES}
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
                **{name: tuple(data[name]) for name in _TUPLES},
            }
            return cls(**values)
        except (KeyError, TypeError, ValidationError) as error:
            raise MaterializeError(
                f"The run plan is damaged: {error}", hint="clear the run step to make a new one"
            ) from error


def bruin_environment(
    plan: RunPlan,
    execution_time: datetime,
    *,
    connection_types: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment variables that Bruin gives to a Python asset, in Bruin's formats.

    Source: `pkg/jinja/jinja.go` and `pkg/env/variables.go` of Bruin. Without an interval those of its start and end are
    absent; `BRUIN_RUN_ID` is the DAG run's id; `BRUIN_FULL_REFRESH` is empty where a full refresh is restricted.

    Args:
        plan: The DAG run's plan.
        execution_time: When the DAG run started, aware.
        connection_types: The type of each secret by the name under which it is injected.
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
        "BRUIN_COMMIT_HASH": plan.commit_hash,
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
