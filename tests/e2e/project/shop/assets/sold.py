"""@bruin
name: shop.sold
description: What was sold on each day.
owner: ann
materialization:
  type: table
  strategy: append
columns:
  - name: price
    checks:
      - name: max
        value: 10
@bruin"""

from airflow_materialize.sdk import context


def materialize():
    return [{"price": context.vars["price"]}] * 3
