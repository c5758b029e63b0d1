"""@bruin
name: days.script
depends: [days.merged]
@bruin"""

if __name__ == "__main__":
    print("a plain script ran")
