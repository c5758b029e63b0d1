"""The run that an asset is part of: its interval, its names and its variables."""

from __future__ import annotations

import json
import logging
import os
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_materialize.sdk.exceptions import BruinError
from airflow_materialize.sdk.last_load import LastLoad, ask_last_load
from airflow_materialize.sdk.names import INTERVAL_CHOICES, INTERVAL_END, INTERVAL_START, PARAMETERS, PARTITION_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("asset")
"""The asset's logger."""

_T = TypeVar("_T")


class ContextError(BruinError):
    """The context has no answer, or one that cannot be read."""


class Context:
    """What the run says, read from the environment at each access.

    The names are Bruin's. `start_*` and `end_*` are inclusive: the end is the interval's last microsecond.
    `data_interval_start` and `data_interval_end` are Airflow's half-open pair. Asking a run without an interval
    for one of these raises `ContextError` with the choices.
    """

    @property
    def start_date(self) -> date:
        """The first day."""
        return _interval_value("BRUIN_START_DATE", date.fromisoformat)

    @property
    def end_date(self) -> date:
        """The last day, which belongs to the interval."""
        return _interval_value("BRUIN_END_DATE", date.fromisoformat)

    @property
    def start_datetime(self) -> datetime:
        """The start, to the second and without a zone; it is in UTC."""
        return _interval_value("BRUIN_START_DATETIME", _instant)

    @property
    def end_datetime(self) -> datetime:
        """The end, to the second and without a zone; it is in UTC."""
        return _interval_value("BRUIN_END_DATETIME", _instant)

    @property
    def start_timestamp(self) -> datetime:
        """The start with its zone."""
        return _interval_value("BRUIN_START_TIMESTAMP", _instant)

    @property
    def end_timestamp(self) -> datetime:
        """The last microsecond with its zone."""
        return _interval_value("BRUIN_END_TIMESTAMP", _instant)

    @property
    def data_interval_start(self) -> datetime:
        """The first instant of the half-open interval."""
        return _interval_value(INTERVAL_START, _instant)

    @property
    def data_interval_end(self) -> datetime:
        """The first instant after the half-open interval."""
        return _interval_value(INTERVAL_END, _instant)

    @property
    def execution_date(self) -> date | None:
        """The day on which the run began."""
        return _value("BRUIN_EXECUTION_DATE", date.fromisoformat)

    @property
    def execution_datetime(self) -> datetime | None:
        """The time at which the run began, without a zone; it is in UTC."""
        return _value("BRUIN_EXECUTION_DATETIME", _instant)

    @property
    def execution_timestamp(self) -> datetime | None:
        """The time at which the run began, with its zone."""
        return _value("BRUIN_EXECUTION_TIMESTAMP", _instant)

    @property
    def run_id(self) -> str | None:
        """The id of the run."""
        return _value("BRUIN_RUN_ID", str)

    @property
    def pipeline(self) -> str | None:
        """The pipeline's name."""
        return _value("BRUIN_PIPELINE", str)

    @property
    def asset_name(self) -> str | None:
        """The asset's name."""
        return _value("BRUIN_ASSET", str)

    @property
    def this(self) -> str | None:
        """The name of the asset's table: `ref(context.this)` has the rows that were loaded before."""
        return _value("BRUIN_THIS", str)

    @property
    def schema_prefix(self) -> str:
        """What Bruin puts before the schema of an environment; empty here, where environments are connections."""
        return os.environ.get("BRUIN_SCHEMA_PREFIX", "")

    @property
    def partition_key(self) -> str | None:
        """The partition that the DAG run is about, where it is about one."""
        return _value(PARTITION_KEY, str)

    @property
    def last_load(self) -> LastLoad | None:
        """The figures of the last load of the asset's table, asked of the worker; None where there is none."""
        return ask_last_load()

    @property
    def log(self) -> logging.Logger:
        """The asset's logger. What it says stands in the log of the task `run`."""
        return log

    @property
    def connection(self) -> str | None:
        """The connection id that the header names."""
        return _value("BRUIN_CONNECTION", str)

    @property
    def commit_hash(self) -> str | None:
        """The commit of the asset's repository, where it is known."""
        return _value("BRUIN_COMMIT_HASH", str)

    @property
    def is_full_refresh(self) -> bool:
        """Whether the run rebuilds the table."""
        return os.environ.get("BRUIN_FULL_REFRESH") == "1"

    @property
    def parameters(self) -> dict[str, Any]:
        """The header's `parameters`, with their templates filled in; values have the types that YAML gave them."""
        return _json_object(PARAMETERS)

    @property
    def vars(self) -> dict[str, Any]:
        """The pipeline's variables, each in its declared type."""
        values = _json_object("BRUIN_VARS")
        schema = _json_object("BRUIN_VARS_SCHEMA")
        return {name: _typed(name, value, schema.get(name)) for name, value in values.items()}


context = Context()
"""The context of this run."""


def _instant(text: str) -> datetime:
    # CPython before 3.11 does not read the Z.
    return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


def _value(name: str, read: Callable[[str], _T]) -> _T | None:
    text = os.environ.get(name, "")
    if not text:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise ContextError(f"{name} is {text!r}: {error}") from error


def _interval_value(name: str, read: Callable[[str], _T]) -> _T:
    value = _value(name, read)
    if value is None:
        raise ContextError(f"this run has no data interval, so {name} is not set: {INTERVAL_CHOICES}")
    return value


def _json_object(name: str) -> dict[str, Any]:
    text = os.environ.get(name, "")
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ContextError(f"{name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ContextError(f"{name} is not a JSON object: {text[:80]}")
    return value


def _boolean(value: Any) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    return words[str(value).lower()]


def _whole(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("not a whole number")
    return int(value)


def _number(value: Any) -> float:
    return value if isinstance(value, (int, float)) else float(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


_READERS: dict[str, Callable[[Any], Any]] = {
    "string": _text,
    "integer": _whole,
    "number": _number,
    "boolean": _boolean,
    "array": _parsed,
    "object": _parsed,
}


def _typed(name: str, value: Any, definition: Any) -> Any:
    """Return a variable in the type that its definition names, as it is where none is named."""
    kind = definition.get("type") if isinstance(definition, dict) else None
    if value is None or kind not in _READERS:
        return value
    try:
        return _READERS[kind](value)
    except (ValueError, TypeError, KeyError) as error:
        raise ContextError(f"the variable {name} is {value!r}, which is no {kind}") from error
