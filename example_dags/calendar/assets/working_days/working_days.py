"""@bruin
name: mart.working_days
description: How many days of a month are worked, one row for each country and month.

depends:
  - ref.countries
  - ref.holidays

materialization:
  type: table
  strategy: merge

columns:
  - name: country
    type: varchar
    description: Two letters, ISO 3166-1 alpha-2.
    primary_key: true
    foreign_key: {table: ref.countries, column: code}
    checks: [{name: not_null}, {name: relationships}]
  - {name: month, type: date, primary_key: true, description: The first of the month., checks: [{name: not_null}]}
  - {name: name, type: varchar, description: The country in English., update_on_merge: true, checks: [{name: not_null}]}
  - name: days
    type: bigint
    description: Days of the month.
    update_on_merge: true
    checks: [{name: accepted_values, value: [28, 29, 30, 31]}]
  - name: working_days
    type: bigint
    description: Days that are neither weekend, as the country has it, nor public holiday.
    update_on_merge: true
    checks: [{name: min, value: 10}, {name: max, value: 27}]
  - {name: holidays, type: bigint, description: Public holidays., update_on_merge: true, checks: [{name: non_negative}]}

custom_checks:
  - name: every country is there
    query: SELECT code FROM ref.countries WHERE code NOT IN (SELECT country FROM mart.working_days)
    count: 0
@bruin"""

import os

import holidays
import pandas as pd
import pycountry


def materialize():
    months = pd.period_range(os.environ["BRUIN_START_DATE"], os.environ["BRUIN_END_DATE"], freq="M")
    days = pd.date_range(months[0].start_time, months[-1].end_time, freq="D")
    frames = []
    for country in pycountry.countries:
        calendar = holidays.country_holidays(country.alpha_2, years=sorted(set(days.year)))
        frame = pd.DataFrame({"country": country.alpha_2, "name": country.name, "day": days})
        frame["month"] = frame["day"].dt.to_period("M").dt.start_time.dt.date
        frame["working"] = frame["day"].map(calendar.is_working_day)
        frame["holiday"] = frame["day"].isin(pd.to_datetime(list(calendar)))
        frames.append(frame)
    counts = {"days": ("day", "count"), "working_days": ("working", "sum"), "holidays": ("holiday", "sum")}
    return pd.concat(frames).groupby(["country", "month", "name"], as_index=False).agg(**counts)
