"""The filters that templates of a header have for dates, Bruin's.

https://bruin-data.github.io/bruin/assets/templating/filters.html
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from typing import Any

from airflow_materialize.errors import MaterializeError


def add_months(moment: datetime, months: int) -> datetime:
    """Return the same day and time `months` later, or the month's last day where it lacks that day.

    Raises:
        ValueError: The year is not between 1 and 9999.
    """
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not MINYEAR <= year <= MAXYEAR:
        raise ValueError(f"year {year} is out of range")
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


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


FILTERS: dict[str, Callable[..., str]] = {
    **{f"add_{u}": _add(u) for u in ("days", "hours", "minutes", "seconds", "milliseconds", "months", "years")},
    "date_add": _add("days"),
    "date_format": _date_format,
    "truncate_year": _truncate(month=1, day=1, hour=0),
    "truncate_month": _truncate(day=1, hour=0),
    "truncate_day": _truncate(hour=0),
    "truncate_hour": _truncate(),
}
