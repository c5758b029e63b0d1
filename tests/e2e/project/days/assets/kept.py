"""@bruin
name: days.kept
materialization:
  type: table
  strategy: delete+insert
  incremental_key: day
columns:
  - name: day
    type: date
    checks:
      - name: unique
        blocking: false
      - name: not_null
@bruin"""

import os
from datetime import date


def materialize():
    yield {"day": date.fromisoformat(os.environ["BRUIN_START_DATE"])}
