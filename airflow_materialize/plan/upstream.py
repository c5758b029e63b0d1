"""What became of the assets that an asset waits for, and what that means for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airflow_materialize.report import LoadReport, RunReport, Skip

_SHOWN = 3


@dataclass(frozen=True)
class Said:
    """What one asset said in this DAG run.

    Attributes:
        run: The report of its run.
        load: The report of its load; None where it has none.
    """

    run: RunReport
    load: LoadReport | None = None

    @property
    def materialized(self) -> bool | None:
        """Whether its table is another one than before: as user code says, else as the load found it."""
        if self.run.materialized is not None:
            return self.run.materialized
        return self.load.materialized if self.load else None


@dataclass(frozen=True)
class Upstream:
    """The assets that an asset waits for.

    Attributes:
        names: All of them, those that it waits for through others included.
        known: All assets of the pipeline.
        said: Returns what one of them said; None where it has said nothing in this DAG run.
    """

    names: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    said: Callable[[str], Said | None] = lambda _name: None


def follow(upstream: Mapping[str, Skip | None]) -> Skip | None:
    """Say whether an asset is skipped because of the assets that it depends on.

    A hard skip counts for more than what any other has done; a soft one only where all are skipped. A disabled asset
    counts as one that has run, and one that failed is not asked about here: nothing runs after it.

    Args:
        upstream: What it depends on, each with its skip; None for one that has run.
    """
    skips = {name: skip for name, skip in sorted(upstream.items()) if skip}
    decisive = {name: skip for name, skip in skips.items() if skip.mode == "hard"}
    mode = "hard" if decisive else "soft"
    if not decisive and len(skips) == len(upstream):
        decisive = skips
    if not decisive:
        return None
    origins = list(dict.fromkeys(skip.after or name for name, skip in decisive.items()))
    reasons = list(dict.fromkeys(skip.reason for skip in decisive.values()))
    after = ", ".join(origins[:_SHOWN]) + (" …" if len(origins) > _SHOWN else "")
    return Skip(mode, reasons[0] if len(reasons) == 1 else "each for a reason of its own", after)  # type: ignore[arg-type]
