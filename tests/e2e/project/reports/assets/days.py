"""@bruin
name: reports.days
depends:
  - shop.sold
  - uri: materialize://warehouse/shop.returned
  - asset: days.kept
    mode: symbolic
materialization:
  type: table
  strategy: append
@bruin"""

from airflow_materialize.sdk import context


def materialize():
    first, after = context.data_interval_start, context.data_interval_end
    yield {"first": first.date(), "after": after.date()}
