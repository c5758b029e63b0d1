"""@bruin
name: skipping.only
depends: [skipping.source]
@bruin"""

print("only ran")
