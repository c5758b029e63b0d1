"""@bruin
name: ref.sun
description: Sunrise and sunset in capitals from the equator to the Arctic, one row for each capital and day.

materialization:
  type: table
  strategy: append

columns:
  - {name: capital, type: varchar, primary_key: true, description: The city., checks: [{name: not_null}]}
  - {name: date, type: date, primary_key: true, description: The day on the spot., checks: [{name: not_null}]}
  - {name: sunrise, type: timestamptz, description: "UTC; NULL on a day without one, near the poles."}
  - {name: sunset, type: timestamptz, description: "UTC; NULL on a day without one."}
  - name: daylight_hours
    type: double
    description: Hours from sunrise to sunset.
    checks: [{name: min, value: 0}, {name: max, value: 24}]
  - {name: _materialize_load_key, type: varchar, description: The load that brought the row; a repeated one replaces it.}

custom_checks:
  - name: a capital has one row per day
    query: SELECT capital, date FROM ref.sun GROUP BY capital, date HAVING count(*) > 1
    count: 0
@bruin"""

import os
from datetime import date, timedelta, timezone

import polars as pl
from astral.geocoder import add_locations, database, lookup
from astral.sun import sunrise, sunset

CAPITALS = """Beijing, Berlin, Bogota, Brasilia, Buenos Aires, Cairo, Canberra, Helsinki, Islamabad, Jakarta, Lima, London,
    Longyearbyen, Madrid, Nairobi, Oslo, Ottawa, Paris, Pretoria, Quito, Reykjavik, Rome, Seoul, Suva, Tokyo, Warsaw,
    Washington DC, Wellington""".split(",")


def utc(event, place, day):
    solar = timezone(timedelta(minutes=4 * place.longitude))  # its day has noon in the middle, whatever clocks say
    try:
        return event(place.observer, day, tzinfo=solar).astimezone(timezone.utc)
    except ValueError:  # polar day or polar night
        return None


def materialize():
    cities = database()
    add_locations("Longyearbyen,Svalbard,Arctic/Longyearbyen,78°13'N,15°38'E", cities)
    places = [lookup(name.strip(), cities) for name in CAPITALS]
    start = date.fromisoformat(os.environ["BRUIN_START_DATE"])
    end = date.fromisoformat(os.environ["BRUIN_END_DATE"])  # belongs to the interval
    days = pl.date_range(start, end, eager=True)
    rows = [(place.name, day, utc(sunrise, place, day), utc(sunset, place, day)) for place in places for day in days]
    moment = pl.Datetime("us", "UTC")
    schema = {"capital": pl.String, "date": pl.Date, "sunrise": moment, "sunset": moment}
    daylight = pl.col("sunset") - pl.col("sunrise")
    return pl.DataFrame(rows, schema, orient="row").with_columns(daylight_hours=daylight.dt.total_seconds() / 3600)
