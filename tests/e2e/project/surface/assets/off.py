"""@bruin
name: surface.off
enabled: false
materialization: {type: table}
columns:
  - name: id
    checks: [{name: unique}]
@bruin"""

raise SystemExit("a disabled asset ran")
