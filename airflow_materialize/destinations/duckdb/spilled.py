"""What DuckDB puts beside a file where it does not fit into memory, and a process that was killed leaves there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def sweep(path: Path) -> None:
    """Remove what dead processes have left beside a database file.

    Args:
        path: The file. This process has it open for writing, so that no other one has it open at all.
    """
    beside = Path(f"{path}.tmp")
    own = f"duckdb_temp_{os.getpid()}_"
    # Where nothing can be removed, a load is none the worse for it.
    with suppress(OSError):
        for file in beside.glob("duckdb_temp_*"):
            if not file.name.startswith(own):
                file.unlink(missing_ok=True)
        beside.rmdir()
