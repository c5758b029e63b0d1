"""@bruin
name: days.merged
depends:
  - days.appended
  - days.kept
materialization:
  type: table
  strategy: merge
columns:
  - name: weekday
    type: integer
    primary_key: true
    checks:
      - name: unique
  - name: runs
    type: integer
custom_checks:
  - name: seven weekdays at most
    query: SELECT count(*) > 7 FROM days.merged
    value: 0
@bruin"""

import os
from datetime import date


def materialize():
    return [{"weekday": date.fromisoformat(os.environ["BRUIN_START_DATE"]).weekday(), "runs": 1}]
