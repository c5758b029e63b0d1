"""@bruin
name: surface.follower
depends: [surface.off, surface.switched]
materialization: {type: table}
columns:
  - name: country
    checks:
      - name: not_null
      - {name: unique, retries: 1}
      - {name: accepted_values, value: [NL], blocking: false, retries: 1}
custom_checks:
  - {name: one row, query: SELECT count(*) FROM surface.follower, value: 1}
notifications:
  webhook:
    - connection: news
@bruin"""

import json
import os


def materialize():
    return [{"country": json.loads(os.environ["BRUIN_VARS"])["country"]}]
