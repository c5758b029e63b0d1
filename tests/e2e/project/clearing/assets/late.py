"""@bruin
name: clearing.late
connection: late
materialization:
  type: table
  strategy: append
@bruin"""


def materialize():
    print("user code ran")
    return {"number": [1, 2, 3]}
