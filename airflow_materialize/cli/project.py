"""`init`: what a DAGs directory needs once."""

from __future__ import annotations

from pathlib import Path

LOADER = """\
from airflow_materialize import asset_dags

globals().update(asset_dags(__file__))
"""

# Airflow imports every Python file that mentions it together with "asset" or "dag". Assets are not for importing.
IGNORE = """\
**/assets/
**/tasks/
"""

PIPELINE = """\
name: example
schedule: daily
start_date: "2026-01-01"
default_connections:
  duckdb: warehouse
"""

ASSET = '''\
"""@bruin
name: example.hours
description: One row for each hour of the data interval.
materialization:
  type: table
  strategy: delete+insert
  incremental_key: date
columns:
  - name: date
    type: date
    description: The day, in UTC.
    checks:
      - name: not_null
  - name: hour
    type: integer
    description: The hour of the day, from 0.
    checks:
      - name: accepted_values
        value: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]
@bruin"""

from datetime import timedelta

from airflow_materialize.sdk import context


def materialize():
    moment = context.data_interval_start
    while moment < context.data_interval_end:
        yield {"date": moment.date(), "hour": moment.hour}
        moment += timedelta(hours=1)
'''


def init(folder: Path) -> int:
    """Write the loader file, `.airflowignore` and one example pipeline. Files that exist are left as they are."""
    files = {
        "materialize.py": LOADER,
        ".airflowignore": IGNORE,
        "example/pipeline.yml": PIPELINE,
        "example/assets/hours.py": ASSET,
    }
    for name, text in files.items():
        path = folder / name
        if path.exists():
            print(f"kept     {path}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"written  {path}")
    print(
        "\nNext: give the connection `warehouse` a place, then run the asset:\n"
        f'  export AIRFLOW_CONN_WAREHOUSE=\'{{"conn_type": "duckdb", "host": "/tmp/warehouse.duckdb"}}\'\n'
        f"  airflow-materialize run {folder / 'example/assets/hours.py'}"
    )
    return 0
