from __future__ import annotations

import os
import tempfile

# Airflow reads it when it is first imported, and writes its configuration there.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-"))
