"""@bruin
name: skipping.source
materialization: {type: table}
columns:
  - name: state
    checks: [{name: not_null}]
@bruin"""

from pathlib import Path

from airflow_materialize.sdk import result, skip


def materialize():
    state = Path("state.txt").read_text()
    if state != "data":
        skip(f"the state is {state}", mode=state)
    return result([{"state": state}], metadata={"state": state, "rows": 1})
