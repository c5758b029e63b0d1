"""Jinja for what an author writes into a header, in one DAG run: Bruin's names, in the sandbox of `rendering.py`.

Names: https://bruin-data.github.io/bruin/variables/built-in.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, TemplateSyntaxError

from airflow_materialize.definition.inheritance.rendering import ENVIRONMENT
from airflow_materialize.definition.inheritance.rendering import render as fill_in
from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.interval import NO_INTERVAL_HINT, bruin_dates, spell

if TYPE_CHECKING:
    from airflow_materialize.plan.run_plan import RunPlan


def render(text: str, names: Mapping[str, Any]) -> str:
    """Fill in a template.

    Args:
        text: The template.
        names: All that it may use, as `bruin_names` makes them.

    Raises:
        MaterializeError: The template is malformed, reaches for something that there is not, or a filter refuses
            what it was given.
    """
    return fill_in(text, names, lambda message: _advice(message, names))


def _advice(message: str, names: Mapping[str, Any]) -> str:
    if re.match(r"(start|end)_(date|datetime|timestamp)", message) and "start_date" not in names:
        return f"this DAG run has no interval: {NO_INTERVAL_HINT}"
    return ""


def bruin_names(plan: RunPlan, execution_time: datetime) -> dict[str, Any]:
    """Return the names that a header's templates may use in one DAG run.

    Args:
        plan: The DAG run's plan. Without an interval the names of its start and end are absent.
        execution_time: When the DAG run started, aware.
    """
    moments = {"execution": execution_time.astimezone(UTC)}
    if plan.interval:
        moments |= bruin_dates(plan.interval)._asdict()
    dates = {f"{name}_{suffix}": text for name, moment in moments.items() for suffix, text in spell(moment).items()}
    names = {
        **dates,
        "pipeline": plan.pipeline,
        "run_id": plan.run_id,
        "full_refresh": plan.full_refresh,
        "commit_hash": "",
        "schema_prefix": "",
        "this": plan.asset.name,
        # A dict would hide a variable called `items` or `values` behind its method of that name.
        "var": SimpleNamespace(**plan.variables),
    }
    return names | _macros(plan.macros, names)


def _macros(text: str, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the macros that a text defines, by name. They see the names of the DAG run."""
    if not text.strip():
        return {}
    try:
        module = ENVIRONMENT.from_string(text).make_module(dict(names))
    except TemplateSyntaxError as error:
        raise MaterializeError(
            f"The macros of the pipeline cannot be read: line {error.lineno}: {error.message}",
            hint="each file in macros/ holds {% macro name(…) %} … {% endmacro %}",
        ) from error
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise MaterializeError(f"The macros of the pipeline cannot be used: {error}") from error
    return {name: macro for name, macro in vars(module).items() if not name.startswith("_")}
