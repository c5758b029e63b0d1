"""The half-open data interval of one DAG run, and how Bruin spells it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from airflow_materialize.definition.inheritance.date_filters import add_months
from airflow_materialize.errors import MaterializeError

NO_INTERVAL_HINT = (
    "give the DAG run start_date and end_date (trigger form, conf, or --start-date and --end-date), "
    "or give the pipeline a schedule"
)
"""What to do where no rule gave a DAG run its interval."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}\S*")
_MODIFIER = re.compile(r"([+-]?\d+)(ms|ns|[hmsdM])")
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Interval:
    """A half-open span of time: `start` belongs to it, `end` does not. Both are aware and in UTC.

    Attributes:
        rule: Where it came from, in words for the log ("the DAG run's data interval").

    Raises:
        MaterializeError: It holds no time at all, or has no time zone.
    """

    start: datetime
    end: datetime
    rule: str = ""

    def __post_init__(self) -> None:
        # Airflow hands out pendulum's subclass; equality, repr and JSON are those of the plain class here.
        object.__setattr__(self, "start", _plain_utc(self.start))
        object.__setattr__(self, "end", _plain_utc(self.end))
        if self.start >= self.end:
            raise MaterializeError(
                f"The interval from {self.start.isoformat()} to {self.end.isoformat()} is empty"
                + (f": {self.rule}" if self.rule else ""),
                hint="its start lies before its end",
            )

    def __str__(self) -> str:
        span = f"[{self.start.isoformat()}, {self.end.isoformat()})"
        return f"{span}: {self.rule}" if self.rule else span

    def to_json(self) -> dict[str, str]:
        """Return plain data, ready for `json.dumps`."""
        return {"start": self.start.isoformat(), "end": self.end.isoformat(), "rule": self.rule}

    @classmethod
    def from_json(cls, data: Any) -> Interval:
        """Return the interval that `to_json` made `data` of, or raise MaterializeError where it is none."""
        try:
            start, end = datetime.fromisoformat(data["start"]), datetime.fromisoformat(data["end"])
            rule = str(data.get("rule", ""))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MaterializeError(
                f"{data!r} is no interval", hint='{"start": …, "end": …} with times as 2026-04-01T00:00:00+00:00'
            ) from error
        return cls(start, end, rule)


class BruinDates(NamedTuple):
    """The interval as Bruin's assets see it: both moments belong to it."""

    start: datetime
    end: datetime


def bruin_dates(interval: Interval) -> BruinDates:
    """Return the interval's start and its last microsecond.

    The daily interval of 1 April thus has that day as its start date and as its end date, as Bruin's default one has.
    """
    return BruinDates(interval.start, interval.end - _INSTANT)


def spell(moment: datetime) -> dict[str, str]:
    """Return a moment of UTC in each of Bruin's spellings: `date`, `date_nodash`, `datetime`, `timestamp`."""
    return {
        "date": f"{moment:%Y-%m-%d}",
        "date_nodash": f"{moment:%Y%m%d}",
        "datetime": f"{moment:%Y-%m-%dT%H:%M:%S}",
        "timestamp": f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z",
    }


def modify(interval: Interval, start_modifier: str = "", end_modifier: str = "") -> Interval:
    """Move the interval's ends by an asset's `interval_modifiers`.

    Args:
        interval: What to move.
        start_modifier: A whole number and a unit out of `M d h m s ms ns` (`M` is a calendar month), as `-2h`; `0` or
            nothing moves nothing. A day that a month lacks becomes that month's last day.
        end_modifier: Likewise, for the interval's (excluded) end.

    Raises:
        MaterializeError: A modifier is none, or nothing is left of the interval.
    """
    moved = []
    ends = {"start": (interval.start, start_modifier), "end": (interval.end, end_modifier)}
    results = {}
    for name, (moment, modifier) in ends.items():
        results[name] = _moved(moment, modifier, f"interval_modifiers.{name}")
        if results[name] != moment:
            moved.append(f"{name} moved by {modifier.strip()}")
    if not moved:
        return interval
    rule = ", ".join([interval.rule, *moved] if interval.rule else moved) + " (interval_modifiers)"
    return Interval(results["start"], results["end"], rule)


def inclusive_days(start_text: str, end_text: str, otherwise: Interval | None = None) -> Interval:
    """Return the interval that a user's two texts mean.

    Args:
        start_text: A day as `2026-04-01`, which belongs to the interval from its midnight in UTC, or a time as
            `2026-04-01T05:00:00Z` (in UTC where it has no offset). Empty: the start of `otherwise`.
        end_text: A day, which belongs to the interval as a whole, or the first time that no longer belongs to it.
            Empty: the end of `otherwise`.
        otherwise: What the run would have without these texts.

    Raises:
        MaterializeError: A text is no date, one is missing, or the start is not before the end.
    """
    if otherwise is None and not (start_text and end_text):
        missing, given = ("end date", start_text) if start_text else ("start date", end_text)
        raise MaterializeError(
            f"There is no {missing}" + (f" beside {given}" if given else ""), hint="give a start date and an end date"
        )
    start = _moment(start_text, "start date")[0] if start_text else otherwise.start  # type: ignore[union-attr]
    end = _end_of(end_text) if end_text else otherwise.end  # type: ignore[union-attr]
    if start >= end:
        raise MaterializeError(
            f"The start date {start_text or start.isoformat()} lies after the end date {end_text or end.isoformat()}",
            hint="the start date comes first; days are inclusive, so one day has it as both",
        )
    return Interval(start, end, _rule_of_dates(start_text, end_text, otherwise))


def first_moment(text: str, name: str) -> datetime:
    """Return the first moment in UTC of what a field says: a day or a time.

    Args:
        text: As `inclusive_days` takes it.
        name: The field, for the error.

    Raises:
        MaterializeError: The text is neither.
    """
    return _moment(text, name)[0]


def _rule_of_dates(start_text: str, end_text: str, otherwise: Interval | None) -> str:
    if start_text and end_text:
        return "the start date and end date that were given"
    given, kept = ("start date", "end") if start_text else ("end date", "start")
    return f"the {given} that was given, and the {kept} of {(otherwise and otherwise.rule) or 'the run'}"


def _end_of(text: str) -> datetime:
    moment, is_day = _moment(text, "end date")
    try:
        return moment + timedelta(days=1) if is_day else moment
    except OverflowError as error:
        raise MaterializeError(f"The end date {text} is the last day there is", hint="an earlier one") from error


def _moment(text: str, name: str) -> tuple[datetime, bool]:
    """Return the moment, and whether the text names a whole day."""
    text = text.strip()
    try:
        if _DAY.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC), True
        if _TIME.fullmatch(text):
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC), False
    except (ValueError, OverflowError):
        pass
    raise MaterializeError(f"The {name} is {text!r}", hint="a day as 2026-04-01, or a time as 2026-04-01T05:00:00Z")


def _moved(moment: datetime, modifier: str, field: str) -> datetime:
    modifier = modifier.strip()
    if modifier in ("", "0"):
        return moment
    match = _MODIFIER.fullmatch(modifier)
    if match is None:
        raise MaterializeError(
            f"{field} is {modifier!r}", hint="a whole number and a unit out of M d h m s ms ns, as -2h, or 0"
        )
    number, unit = int(match[1]), match[2]
    try:
        return add_months(moment, number) if unit == "M" else moment + _duration(number, unit)
    except (OverflowError, ValueError) as error:
        raise MaterializeError(f"{field} {modifier} leads out of the calendar", hint="a smaller number") from error


def _duration(number: int, unit: str) -> timedelta:
    if unit == "ns":
        return timedelta(microseconds=number // 1000)
    names = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}
    return timedelta(**{names[unit]: number})


def _plain_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise MaterializeError(f"{moment.isoformat()} has no time zone", hint="times of an interval are aware")
    utc = moment.astimezone(UTC)
    return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, UTC)
