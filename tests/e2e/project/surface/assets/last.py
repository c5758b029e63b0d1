"""@bruin
name: surface.last
depends: [surface.follower]
@bruin"""

print("all blocking checks passed")
