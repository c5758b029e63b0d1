"""@bruin
name: shop.returned
materialization:
  type: table
  strategy: append
@bruin"""


def materialize():
    return []
