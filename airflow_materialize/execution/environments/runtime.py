"""What each environment has of ours, whatever its asset asks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import airflow_materialize

# Older releases of pyarrow run code that a file names (CVE-2023-47248). No pin: a user's own pin is kept.
PYARROW = "pyarrow>=14.0.1"

PACKAGE = Path(airflow_materialize.__file__).parent


def runtime_files() -> Iterator[tuple[str, Path]]:
    """Give each file that runs in an asset's environment: its path there, and where it is now."""
    yield "airflow_materialize/__init__.py", PACKAGE / "__init__.py"
    for folder in ("child", "sdk"):
        for file in sorted((PACKAGE / folder).rglob("*.py")):
            yield str(Path("airflow_materialize") / file.relative_to(PACKAGE)), file
