"""The variables that say of a run what no variable of Bruin's says, and what to do where they say nothing."""

from __future__ import annotations

INTERVAL_START = "MATERIALIZE_DATA_INTERVAL_START"
INTERVAL_END = "MATERIALIZE_DATA_INTERVAL_END"
PARAMETERS = "MATERIALIZE_PARAMETERS"
PARTITION_KEY = "MATERIALIZE_PARTITION_KEY"

INTERVAL_CHOICES = (
    "give start_date and end_date in the trigger form, `--start-date` and `--end-date` on the command line, "
    "or let the pipeline have a cron schedule"
)
"""What a user can do about a run without an interval."""

LINE_CLOSED = "user code closed, or replaced, the file descriptor on which the asset talks to its worker"
"""Why nothing of this process reaches the worker any longer."""
