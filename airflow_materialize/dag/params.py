"""What the trigger form of a pipeline's DAG asks for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_materialize.definition.model.markdown import printable
from airflow_materialize.definition.model.variables import reference_in, types_of
from airflow_materialize.definition.text.patterns import without_slow_patterns

if TYPE_CHECKING:
    from airflow.sdk import Param

    from airflow_materialize.definition.model.pipeline import Pipeline, Variable

RESERVED = frozenset({"full_refresh", "start_date", "end_date", "variables"})
"""Names in the form that are ours. A variable of such a name is given within `variables`."""

# A day or a time; which of them is one is decided when the DAG run reads it.
_DATE_PATTERN = r"^(\d{4}-\d{2}-\d{2}([T ].+)?)?$"

# Other keywords are instructions to Airflow's form: to show HTML, to read a Markdown text of its own.
_OWN_KEYS = frozenset({"title", "description", "description_md", "section", "custom_html_form", "default"})


def dag_params(pipeline: Pipeline) -> dict[str, Param]:
    """Return what the trigger form of a pipeline's DAG asks for; each name may stand in a DAG run's `conf` as well."""
    from airflow.sdk import Param

    day: dict[str, Any] = {"type": ["null", "string"], "pattern": _DATE_PATTERN}
    params = {
        "full_refresh": Param(
            False,
            type="boolean",
            title="Full refresh",
            description="Rebuild the tables from the start_date of each asset, else of the pipeline.",
        ),
        "start_date": Param(
            None,
            title="Start date",
            description="First day to load, as 2026-04-01, or a time. Empty: where the DAG run's interval starts.",
            **day,
        ),
        "end_date": Param(
            None,
            title="End date",
            description="Last day to load, as 2026-04-23; of a time, the first one that is not loaded. "
            "Empty: where the DAG run's interval ends.",
            **day,
        ),
    }
    for name, variable in pipeline.variables.items():
        if name not in RESERVED and (param := _param(name, variable)) is not None:
            params[name] = param
    if pipeline.variables:
        params["variables"] = Param(
            {},
            type="object",
            title="Variables as an object",
            section="Variables",
            description="Names and values in one, as a program gives them; they win over the fields. "
            f"The variables: {', '.join(pipeline.variables)}.",
        )
    return params


def is_same(value: Any, other: Any) -> bool:
    """Whether two values are the same JSON: 1 is not true."""
    return _spelled(value) == _spelled(other)


def _param(name: str, variable: Variable) -> Param | None:
    """Return the field of one variable, or None where Airflow could not keep its default."""
    from airflow.sdk import Param

    if "\\u0000" in _spelled(variable.default):  # PostgreSQL takes no such character within JSON.
        return None
    said: dict[str, Any] = {"title": name, "section": "Variables"}
    about = printable(variable.description) or None
    for schema in (_schema(variable), {}):
        try:
            param = Param(variable.default, description=about, **schema, **said)
            param.resolve()
        except Exception:  # noqa: BLE001, S112  # A schema that is none, or a default that it refuses.
            continue
        return param
    return None


def _schema(variable: Variable) -> dict[str, Any]:
    said = variable.model_dump(mode="json", exclude_unset=True, exclude=set(_OWN_KEYS))
    declared: dict[str, Any] = without_slow_patterns(said)
    if reference_in(declared):
        return {}
    types = types_of(variable.type)
    declared.pop("type", None)
    if types:
        # The form insists on a text where none may be missing, also where the default is the empty one.
        types = (*types, "null") if variable.default == "" and "null" not in types else types
        declared["type"] = types[0] if len(types) == 1 else list(types)
    return declared


def _spelled(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
