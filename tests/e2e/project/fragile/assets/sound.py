"""@bruin
name: fragile.sound
@bruin"""

print("sound")
