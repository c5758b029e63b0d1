"""@bruin
name: surface.picky
retries: {max: 3, delay: 0, on: [ConnectionError]}
notifications:
  webhook:
    - {connection: news, success: false}
@bruin"""

raise ValueError("no other try will help")
