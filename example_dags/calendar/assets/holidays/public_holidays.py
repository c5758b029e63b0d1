"""@bruin
name: ref.holidays
description: The public holidays of every country, one row for each country and day.

depends:
  - ref.countries

materialization:
  type: table
  strategy: delete+insert
  incremental_key: date

columns:
  - name: date
    type: date
    description: The day that is free.
    primary_key: true
    checks:
      - name: not_null
  - name: country
    type: varchar
    description: Two letters, ISO 3166-1 alpha-2.
    primary_key: true
    foreign_key:
      table: ref.countries
      column: code
    checks:
      - name: not_null
      - name: relationships
  - name: name
    type: varchar
    description: The holiday in English, several on one day separated by semicolons.
    checks:
      - name: not_null

custom_checks:
  - name: a country has one row per day
    query: SELECT country, date FROM ref.holidays GROUP BY country, date HAVING count(*) > 1
    count: 0
@bruin"""

import os
from datetime import date

import holidays
import pycountry


def materialize():
    start = date.fromisoformat(os.environ["BRUIN_START_DATE"])
    end = date.fromisoformat(os.environ["BRUIN_END_DATE"])  # belongs to the interval
    years = range(start.year, end.year + 1)
    for country in pycountry.countries:
        calendar = holidays.country_holidays(country.alpha_2, years=years, language="en_US")
        for day, name in calendar.items():
            if start <= day <= end:
                yield {"date": day, "country": country.alpha_2, "name": name}
