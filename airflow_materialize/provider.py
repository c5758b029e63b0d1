"""What Airflow asks an installed provider. Imported at every start of Airflow, so it imports next to nothing."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in the shape of Airflow's `provider_info.schema.json`."""
    from airflow_materialize import __version__
    from airflow_materialize.settings import OPTIONS, SECTION

    blank = {"version_added": "0.1.0", "type": "string", "example": None, "default": None}
    return {
        "package-name": "airflow-materialize",
        "name": "Materialize",
        "description": "Python files that return a DataFrame become DAGs that load managed warehouse tables.",
        "versions": [__version__],
        "config": {
            SECTION: {
                "description": "How airflow-materialize runs and loads assets.",
                "options": {name: {**blank, **option} for name, option in OPTIONS.items()},
            }
        },
    }
