"""What an asset's processes may use of the machine."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from airflow_materialize.definition.text.fields import Model, Seconds, Whole, as_text, quoted, refuse
from airflow_materialize.sizes import parse_size

_LEAST_MEMORY = 256 * 10**6


def _as_bytes(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = as_text(value)
    try:
        size = parse_size(text)
    except ValueError:
        raise refuse(f"{quoted(text)} is no size", "as 2GB or 512MiB", code="AM224") from None
    if not size:
        raise refuse(f"{quoted(text)} is nothing", "at least one byte", code="AM224")
    return size


def _as_memory(value: Any) -> int:
    size = _as_bytes(value)
    if size < _LEAST_MEMORY:
        raise refuse(f"{quoted(value)} is too little for Python with pyarrow", "at least 256MB", code="AM224")
    return size


_JSON = WithJsonSchema({"type": ["string", "integer"], "pattern": r"^\s*[0-9.]+\s*([kKmMgGtT][iI]?)?[bB]?\s*$"})


class Resources(Model):
    """What an asset's processes may use of the machine."""

    memory: Annotated[int | None, BeforeValidator(_as_memory), _JSON] = Field(
        default=None, description="What each process may allocate: `2GB`, `512MiB`."
    )
    cpu_time: Seconds | None = Field(
        default=None, ge=1, description="How much processor time each process may take: seconds, or as `10m`."
    )
    file_size: Annotated[int | None, BeforeValidator(_as_bytes), _JSON] = Field(
        default=None, description="How large any file that it writes may become, its result too: `10GB`."
    )
    processes: Whole | None = Field(default=None, ge=1, description="How many processes it may have at once; 1000.")
    open_files: Whole | None = Field(
        default=None, ge=32, description="How many files, sockets and pipes each process may have open."
    )
    network: Literal["all", "none"] | None = Field(
        default=None, description="`none`: its processes reach nothing but each other. `all` unless said."
    )
