"""@bruin
name: breaking.one
connection: warehouse
materialization:
  type: table
  strategy: append
@bruin"""

import os


def materialize():
    return {"day": [os.environ["BRUIN_START_DATE"]]}
