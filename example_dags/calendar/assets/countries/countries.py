"""@bruin
name: ref.countries
description: The countries of ISO 3166-1, one row each.

materialization:
  type: table
  strategy: create+replace

columns:
  - name: code
    type: varchar
    description: Two letters, ISO 3166-1 alpha-2.
    primary_key: true
    checks:
      - name: not_null
      - name: unique
      - name: pattern
        value: "^[A-Z]{2}$"
  - name: code3
    type: varchar
    description: Three letters, ISO 3166-1 alpha-3.
    checks:
      - name: not_null
      - name: unique
      - name: pattern
        value: "^[A-Z]{3}$"
  - name: name
    type: varchar
    description: Short name in English.
    checks:
      - name: not_null
      - name: unique
  - name: official_name
    type: varchar
    description: Full name in English, where it differs from the short one.
  - name: flag
    type: varchar
    description: The flag as an emoji.

custom_checks:
  - name: the list is complete
    description: There are 249 codes; a few come and go in a decade.
    query: SELECT count(*) BETWEEN 240 AND 260 FROM ref.countries
    value: 1
@bruin"""

import pycountry


def materialize():
    return [
        {
            "code": country.alpha_2,
            "code3": country.alpha_3,
            "name": country.name,
            "official_name": getattr(country, "official_name", None),
            "flag": country.flag,
        }
        for country in pycountry.countries
    ]
