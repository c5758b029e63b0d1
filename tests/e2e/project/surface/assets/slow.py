"""@bruin
name: surface.slow
timeout: 3s
retries: 1
rerun_cooldown: -1
materialization: {type: table}
@bruin"""

import subprocess
import time


def materialize():
    subprocess.Popen(["sleep", "86397"])
    time.sleep(600)
