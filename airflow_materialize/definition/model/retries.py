"""How often, and how patiently, a failed step is tried again."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator

from airflow_materialize.definition.text.fields import Model, Seconds, Whole, Words, as_value, quoted, refuse

_EXCEPTION = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")

# What `backoff: true` means, as in most libraries.
_DOUBLE = 2.0


def _as_factor(value: Any) -> float | None:
    factor = as_value(value)
    if isinstance(factor, bool) or factor is None:
        return _DOUBLE if factor else None
    if not isinstance(factor, int | float):
        raise refuse(f"{quoted(value)} is no factor", "true, or a number of at least 1", code="AM133")
    if not 1 <= factor < float("inf"):
        raise refuse(f"{value} is no factor", "at least 1", code="AM133")
    return float(factor)


class Retries(Model):
    """How often, and how patiently, a failed step is tried again."""

    max: Whole = Field(ge=0, description="How often.")
    delay: Seconds | None = Field(default=None, description="The pause before the next attempt: seconds, or as `30s`.")
    backoff: Annotated[float | None, BeforeValidator(_as_factor)] = Field(
        default=None, description="What each pause is multiplied with for the next one; `true` doubles it."
    )
    max_delay: Seconds | None = Field(default=None, description="The longest pause.")
    on: Words = Field(
        default=(), description="The exceptions that are worth another attempt, by name: as `requests.Timeout`."
    )

    @field_validator("on")
    @classmethod
    def _are_exceptions(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not _EXCEPTION.fullmatch(name):
                raise refuse(f"{quoted(name)} is no name of an exception", "as requests.Timeout", code="AM133")
        return names


def _retry_form(value: Any) -> str:
    return "<rule>" if isinstance(value, dict | Retries) else "<number>"


RetryRule = Annotated[
    Annotated[Whole, Field(ge=0), Tag("<number>")] | Annotated[Retries, Tag("<rule>")], Discriminator(_retry_form)
]
"""A number of retries, or a rule for them."""
