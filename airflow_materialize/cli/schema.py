"""`schema`: what a header or a YAML file may say, for editors."""

from __future__ import annotations

import json

from airflow_materialize.cli import FINE
from airflow_materialize.definition.schema.json_schema import SCHEMAS

__all__ = ["SCHEMAS", "schema"]


def schema(what: str) -> int:
    """Print a JSON Schema, and return the exit code.

    Args:
        what: One of `SCHEMAS`.
    """
    print(json.dumps(SCHEMAS[what](), indent=2, ensure_ascii=False))
    return FINE
