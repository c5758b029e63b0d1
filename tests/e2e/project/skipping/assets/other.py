"""@bruin
name: skipping.other
materialization: {type: table}
@bruin"""


def materialize():
    return {"id": [1]}
