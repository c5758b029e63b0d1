"""The command `airflow-materialize`, one module for each kind of verb."""

from __future__ import annotations

FINE, FAILED, INVALID = 0, 1, 2

EXIT_CODES = {
    FINE: "all is well",
    FAILED: "an asset or a check failed",
    INVALID: "wrong usage, or an invalid asset",
    130: "stopped by Ctrl-C",
}
"""What a shell script can tell apart."""
