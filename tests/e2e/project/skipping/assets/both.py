"""@bruin
name: skipping.both
depends: [skipping.source, skipping.other]
materialization: {type: table}
columns:
  - name: said
    checks: [{name: not_null}]
@bruin"""

from airflow_materialize.sdk import result_of


def materialize():
    return [{"said": repr(result_of("skipping.source", default="nothing")), "other": result_of("skipping.other").rows}]
