from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pendulum
import pytest

from airflow_materialize.errors import MaterializeError
from airflow_materialize.plan.interval import Interval, bruin_dates, first_moment, inclusive_days, modify, spell


def utc(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)


APRIL_1 = Interval(utc(2026, 4, 1), utc(2026, 4, 2), "the DAG run's data interval")


def test_an_interval_goes_to_json_and_back():
    assert Interval.from_json(json.loads(json.dumps(APRIL_1.to_json()))) == APRIL_1


def test_an_interval_of_another_time_zone_is_kept_in_utc():
    zone = timezone(timedelta(hours=2))
    interval = Interval(datetime(2026, 4, 1, tzinfo=zone), datetime(2026, 4, 2, tzinfo=zone))
    assert interval.to_json() == {
        "start": "2026-03-31T22:00:00+00:00",
        "end": "2026-04-01T22:00:00+00:00",
        "rule": "",
    }


def test_an_interval_of_airflows_own_times_equals_that_of_plain_ones():
    interval = Interval(pendulum.datetime(2026, 4, 1), pendulum.datetime(2026, 4, 2))
    assert interval == Interval(utc(2026, 4, 1), utc(2026, 4, 2))
    assert type(interval.start) is datetime


def test_an_interval_without_a_time_zone_is_refused():
    with pytest.raises(MaterializeError, match="2026-04-01T00:00:00 has no time zone"):
        Interval(datetime(2026, 4, 1), datetime(2026, 4, 2))


def test_an_empty_interval_is_refused_with_its_rule():
    with pytest.raises(MaterializeError) as caught:
        Interval(utc(2026, 4, 1), utc(2026, 4, 1), "by hand")
    assert str(caught.value) == (
        "The interval from 2026-04-01T00:00:00+00:00 to 2026-04-01T00:00:00+00:00 is empty: by hand\n"
        "Hint: its start lies before its end"
    )


@pytest.mark.parametrize(
    "data",
    [
        None,
        "2026-04-01",
        {},
        {"start": "2026-04-01T00:00:00+00:00"},
        {"start": 1, "end": 2},
        {"start": "x", "end": "y"},
    ],
)
def test_what_is_no_interval_is_refused(data):
    with pytest.raises(MaterializeError, match="is no interval"):
        Interval.from_json(data)


def test_an_interval_says_its_span_and_its_rule():
    assert str(APRIL_1) == "[2026-04-01T00:00:00+00:00, 2026-04-02T00:00:00+00:00): the DAG run's data interval"


def test_bruins_end_is_the_last_microsecond_before_the_end():
    dates = bruin_dates(APRIL_1)
    assert dates.start == utc(2026, 4, 1)
    assert dates.end == utc(2026, 4, 1, 23, 59, 59, 999999)


def test_a_moment_is_spelled_as_bruin_spells_it():
    assert spell(utc(2026, 4, 1, 23, 59, 59, 999999)) == {
        "date": "2026-04-01",
        "date_nodash": "20260401",
        "datetime": "2026-04-01T23:59:59",
        "timestamp": "2026-04-01T23:59:59.999999Z",
    }


@pytest.mark.parametrize(
    ("modifier", "start"),
    [
        ("-2h", utc(2026, 3, 31, 22)),
        ("-3d", utc(2026, 3, 29)),
        ("-1M", utc(2026, 3, 1)),
        ("90m", utc(2026, 4, 1, 1, 30)),
        ("+30s", utc(2026, 4, 1, 0, 0, 30)),
        ("-5ms", utc(2026, 3, 31, 23, 59, 59, 995000)),
        ("2000ns", utc(2026, 4, 1, 0, 0, 0, 2)),
        (" -1d ", utc(2026, 3, 31)),
        ("0", utc(2026, 4, 1)),
        ("", utc(2026, 4, 1)),
    ],
)
def test_a_start_modifier_moves_the_start_and_leaves_the_end(modifier, start):
    moved = modify(APRIL_1, modifier, "")
    assert (moved.start, moved.end) == (start, APRIL_1.end)


def test_modifiers_are_part_of_the_rule():
    moved = modify(APRIL_1, "-2h", "1h")
    assert moved == Interval(
        utc(2026, 3, 31, 22),
        utc(2026, 4, 2, 1),
        "the DAG run's data interval, start moved by -2h, end moved by 1h (interval_modifiers)",
    )


def test_modifiers_that_move_nothing_leave_the_rule():
    assert modify(APRIL_1, "0", "0d") == APRIL_1


def test_a_month_back_from_a_day_that_it_lacks_is_its_last_day():
    interval = Interval(utc(2026, 3, 31), utc(2026, 4, 1))
    assert modify(interval, "-1M", "").start == utc(2026, 2, 28)


def test_months_carry_over_the_year():
    interval = Interval(utc(2026, 1, 15), utc(2026, 1, 16))
    moved = modify(interval, "-13M", "12M")
    assert (moved.start, moved.end) == (utc(2024, 12, 15), utc(2027, 1, 16))


@pytest.mark.parametrize("modifier", ["2", "h", "2 h", "1.5h", "-", "1w", "2H", "1h30m", "--1d", "0.0"])
def test_a_text_that_is_no_modifier_is_refused_with_what_is_one(modifier):
    with pytest.raises(MaterializeError) as caught:
        modify(APRIL_1, "", modifier)
    assert str(caught.value) == (
        f"interval_modifiers.end is {modifier!r}\nHint: a whole number and a unit out of M d h m s ms ns, as -2h, or 0"
    )


@pytest.mark.parametrize("modifier", ["-30000M", "-9999999d", "-99999999999999999999h"])
def test_a_modifier_that_leads_out_of_the_calendar_is_refused(modifier):
    with pytest.raises(MaterializeError, match=f"interval_modifiers.start {modifier} leads out of the calendar"):
        modify(APRIL_1, modifier, "")


def test_modifiers_that_leave_nothing_of_the_interval_are_refused():
    with pytest.raises(MaterializeError, match=r"is empty: .*start moved by 1d \(interval_modifiers\)"):
        modify(APRIL_1, "1d", "")


def test_both_days_belong_to_the_interval():
    assert inclusive_days("2026-04-01", "2026-04-23") == Interval(
        utc(2026, 4, 1), utc(2026, 4, 24), "the start date and end date that were given"
    )


def test_one_day_is_its_own_start_and_end():
    interval = inclusive_days("2026-04-01", "2026-04-01")
    assert (interval.start, interval.end) == (utc(2026, 4, 1), utc(2026, 4, 2))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-04-01T05:00:00", "2026-04-01T06:00:00"),
        ("2026-04-01T05:00:00Z", "2026-04-01 06:00"),
        ("2026-04-01T07:00:00+02:00", "2026-04-01T06:00:00.000000+00:00"),
    ],
)
def test_times_are_taken_as_a_half_open_interval(start, end):
    interval = inclusive_days(start, end)
    assert (interval.start, interval.end) == (utc(2026, 4, 1, 5), utc(2026, 4, 1, 6))


def test_a_day_may_stand_beside_a_time():
    interval = inclusive_days("2026-04-01T05:00:00", "2026-04-02")
    assert (interval.start, interval.end) == (utc(2026, 4, 1, 5), utc(2026, 4, 3))


def test_a_start_alone_ends_with_the_interval_that_would_have_been():
    assert inclusive_days("2026-03-01", "", APRIL_1) == Interval(
        utc(2026, 3, 1), utc(2026, 4, 2), "the start date that was given, and the end of the DAG run's data interval"
    )


def test_an_end_alone_starts_with_the_interval_that_would_have_been():
    assert inclusive_days("", "2026-04-05", APRIL_1) == Interval(
        utc(2026, 4, 1), utc(2026, 4, 6), "the end date that was given, and the start of the DAG run's data interval"
    )


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2026-04-01", "", "There is no end date beside 2026-04-01"),
        ("", "2026-04-01", "There is no start date beside 2026-04-01"),
        ("", "", "There is no start date"),
    ],
)
def test_a_date_alone_is_refused_where_nothing_gives_the_other(start, end, message):
    with pytest.raises(MaterializeError) as caught:
        inclusive_days(start, end)
    assert str(caught.value) == f"{message}\nHint: give a start date and an end date"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-04-02", "2026-04-01"),
        ("2026-04-01T05:00:00", "2026-04-01T05:00:00"),
        ("2026-04-03T00:00:00", "2026-04-02"),
    ],
)
def test_a_start_that_is_not_before_the_end_is_refused_with_both(start, end):
    with pytest.raises(MaterializeError) as caught:
        inclusive_days(start, end)
    assert str(caught.value).startswith(f"The start date {start} lies after the end date {end}\n")


@pytest.mark.parametrize(
    "text",
    ["2026-13-01", "2026-02-30", "01.04.2026", "20260401", "2026-W14-3", "yesterday", "2026-04-01T25:00", "2026-4-1"],
)
def test_a_text_that_is_no_date_is_refused_with_what_is_one(text):
    with pytest.raises(MaterializeError) as caught:
        inclusive_days(text, "2026-04-01")
    assert str(caught.value) == (
        f"The start date is {text!r}\nHint: a day as 2026-04-01, or a time as 2026-04-01T05:00:00Z"
    )


def test_the_last_day_of_the_calendar_is_refused_as_an_end():
    with pytest.raises(MaterializeError, match="The end date 9999-12-31 is the last day there is"):
        inclusive_days("2026-04-01", "9999-12-31")


def test_the_first_moment_of_a_day_is_its_midnight_in_utc():
    assert first_moment("2026-04-01", "start_date of the asset") == utc(2026, 4, 1)


def test_the_first_moment_of_no_date_is_refused_with_its_field():
    with pytest.raises(MaterializeError, match="The start_date of the asset is 'soon'"):
        first_moment("soon", "start_date of the asset")
