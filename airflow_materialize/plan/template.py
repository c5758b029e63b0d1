"""Jinja for what an author writes into a header: Bruin's names and filters, in a sandbox, and nothing else.

Airflow never renders such a string, so no connection, variable or macro of the platform is within reach.
Names and filters: https://bruin-data.github.io/bruin/variables/built-in.html and …/assets/templating/filters.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.interval import NO_INTERVAL_HINT, add_months, bruin_dates, spell

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
    if "{" not in text:
        return text
    try:
        return _ENVIRONMENT.from_string(text).render(names)
    except TemplateSyntaxError as error:
        raise _template_error(text, f"line {error.lineno}: {error.message}", _hint_of_syntax(error)) from error
    except UndefinedError as error:
        raise _template_error(text, str(error.message), _hint_of_name(error, names)) from error
    except SecurityError as error:
        raise _template_error(text, str(error.message), "templates reach names and filters only") from error
    except MaterializeError as error:
        raise _template_error(text, error.message, error.hint) from error
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _template_error(text, str(error), "") from error


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
    return {
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


class _Unknown(StrictUndefined):
    """A name that there is not. Each use of it, `is defined` and `default()` aside, is an error."""

    @property
    def _undefined_message(self) -> str:
        if isinstance(self._undefined_obj, SimpleNamespace):
            variables = ", ".join(sorted(vars(self._undefined_obj))) or "none"
            return f"var.{self._undefined_name} is unknown; the pipeline's variables: {variables}"
        if self._undefined_hint or not isinstance(self._undefined_name, str):
            return super()._undefined_message
        return f"{self._undefined_name} is unknown"


def _template_error(text: str, message: str, hint: str) -> MaterializeError:
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return MaterializeError(f"The template {shown!r} cannot be filled in: {message}", hint=hint)


def _hint_of_name(error: UndefinedError, names: Mapping[str, Any]) -> str:
    known = f"there are: {', '.join(sorted(names))}"
    if re.match(r"(start|end)_(date|datetime|timestamp)", str(error.message)) and "start_date" not in names:
        return f"this DAG run has no interval: {NO_INTERVAL_HINT}; {known}"
    return known


def _hint_of_syntax(error: TemplateSyntaxError) -> str:
    if str(error.message).startswith("No filter named"):
        return f"there are Jinja's own filters and: {', '.join(sorted(_FILTERS))}"
    return ""


# The spellings of a date that filters read. A filter answers in the spelling that it was given.
_SPELLING = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2}|\d{8})"
    r"(?:(?P<gap>[T ])(?P<clock>\d{2}:\d{2}(?P<seconds>:\d{2}(?P<fraction>\.\d{3}(?:\d{3})?)?)?)"
    r"(?P<offset>Z|[+-]\d{2}:\d{2})?)?"
)


def _read(value: Any) -> tuple[datetime, Callable[[datetime], str]]:
    """Return the moment that a text spells, and what spells another moment in the same way."""
    text = str(value).strip()
    match = _SPELLING.fullmatch(text)
    try:
        moment = datetime.fromisoformat(text) if match else None
    except ValueError:
        moment = None
    if match is None or moment is None:
        raise MaterializeError(f"{text!r} is no date", hint="2026-04-01 or 2026-04-01T05:00:00, or one of the names")

    def write(other: datetime) -> str:
        day = f"{other:%Y-%m-%d}" if "-" in match["day"] else f"{other:%Y%m%d}"
        if not match["clock"]:
            return day
        clock = f"{other:%H:%M:%S.%f}"[: len(match["clock"])]
        offset = "Z" if match["offset"] == "Z" else other.isoformat()[-6:] if match["offset"] else ""
        return f"{day}{match['gap']}{clock}{offset}"

    return moment, write


def _add(unit: str) -> Callable[[Any, Any], str]:
    def add(value: Any, number: Any) -> str:
        moment, write = _read(value)
        try:
            # A float would lose its fraction without a word; its text is no whole number.
            count = int(str(number))
            months = {"months": count, "years": 12 * count}.get(unit)
            later = moment + timedelta(**{unit: count}) if months is None else add_months(moment, months)
        except (TypeError, ValueError, OverflowError) as error:
            raise MaterializeError(
                f"{number!r} {unit} cannot be added to {value}", hint=f"a whole number of {unit}, as add_{unit}(-1)"
            ) from error
        return write(later)

    return add


def _truncate(**fields: Any) -> Callable[[Any], str]:
    def truncate(value: Any) -> str:
        moment, write = _read(value)
        return write(moment.replace(minute=0, second=0, microsecond=0, **fields))

    return truncate


def _date_format(value: Any, spelling: str) -> str:
    return _read(value)[0].strftime(str(spelling))


_FILTERS: dict[str, Callable[..., str]] = {
    **{f"add_{u}": _add(u) for u in ("days", "hours", "minutes", "seconds", "milliseconds", "months", "years")},
    "date_add": _add("days"),
    "date_format": _date_format,
    "truncate_year": _truncate(month=1, day=1, hour=0),
    "truncate_month": _truncate(day=1, hour=0),
    "truncate_day": _truncate(hour=0),
    "truncate_hour": _truncate(),
}


def _environment() -> ImmutableSandboxedEnvironment:
    # Nothing here is HTML: escaping would corrupt SQL.
    environment = ImmutableSandboxedEnvironment(undefined=_Unknown, autoescape=False, keep_trailing_newline=True)
    environment.globals = {name: environment.globals[name] for name in ("range", "dict", "namespace")}
    environment.filters |= _FILTERS
    return environment


_SHOWN = 200
_ENVIRONMENT = _environment()
