"""@bruin
name: letters.read
depends:
  - uri: s3://outside/letters
@bruin"""

import os

print("from", os.environ.get("BRUIN_START_TIMESTAMP"), "to", os.environ.get("BRUIN_END_TIMESTAMP"))
