"""@bruin
name: days.replaced
materialization:
  type: table
  strategy: create+replace
@bruin"""

import os


def materialize():
    return {"day": [os.environ["BRUIN_START_DATE"]], "end": [os.environ["BRUIN_END_DATE"]]}
