"""@bruin
name: fragile.slow
materialization:
  type: table
  strategy: append
columns:
  - name: day
    checks:
      - name: not_null
@bruin"""

import os
import subprocess
import sys

from airflow_materialize.sdk import context


def materialize():
    wait = f"import time; time.sleep({context.vars['seconds']})  # fragile-child-of-an-asset"
    subprocess.run([sys.executable, "-c", wait], check=True)
    return [{"day": os.environ["BRUIN_START_DATE"]}]
