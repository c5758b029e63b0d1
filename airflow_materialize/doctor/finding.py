"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What, as `staged_files`.
        state: `broken` where assets fail because of it, `warning` where something is worse than it could be.
        text: What is so.
        hint: What would be better.
    """

    subject: str
    state: Literal["ok", "warning", "broken"]
    text: str
    hint: str = ""
