"""The command `airflow-materialize`, one module for each kind of verb."""

from __future__ import annotations

# What a shell script can tell apart: all is well; an asset or a check failed; wrong usage or an invalid asset.
FINE, FAILED, INVALID = 0, 1, 2
