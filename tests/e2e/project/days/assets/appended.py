"""@bruin
name: days.appended
materialization:
  type: table
  strategy: append
columns:
  - name: day
    type: date
    checks:
      - name: not_null
  - name: number
    type: integer
@bruin"""

import os
from datetime import date


def materialize():
    day = date.fromisoformat(os.environ["BRUIN_START_DATE"])
    return [{"day": day, "number": number} for number in range(100)]
