"""What a campaign found, by the set checker of a plain Python model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from places import Row

_ENOUGH = 10


@dataclass
class Verdicts:
    """What a campaign found.

    Attributes:
        trials: Times that something was done to a load.
        lost, doubled, unexpected, stale: Trials after which a row was missing, there too often, from nowhere, or from
            an attempt that a newer one had overtaken.
        failed: Loads that ended otherwise than they must.
        left: Tables that nobody asked for.
        struck: Where the faults struck.
        notes: The first findings, with what is needed to see them again.
    """

    trials: int = 0
    lost: int = 0
    doubled: int = 0
    unexpected: int = 0
    stale: int = 0
    failed: int = 0
    left: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.lost or self.doubled or self.unexpected or self.stale or self.failed or self.left)

    def judge(self, found: Counter[Row] | None, expected: Counter[Row], note: str, old: Iterable[Row] = ()) -> None:
        """Compare a table with the model."""
        found = found or Counter()
        missing, extra = expected - found, found - expected
        surplus = {row for row in extra if row in expected}
        overtaken = {row for row in extra if row in set(old)} - surplus
        self.lost += bool(missing)
        self.doubled += bool(surplus)
        self.stale += bool(overtaken)
        self.unexpected += bool(set(extra) - surplus - overtaken)
        if missing or extra:
            self.note(f"{note}: {sum(missing.values())} rows missing, {sum(extra.values())} too many")

    def fail(self, note: str) -> None:
        """Count a load that ended otherwise than it must."""
        self.failed += 1
        self.note(note)

    def note(self, text: str) -> None:
        """Keep a finding; the first ones are enough."""
        if len(self.notes) < _ENOUGH:
            self.notes.append(text)
