"""What happened in one call of `materialize`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from airflow_materialize.errors import MaterializeError
from airflow_materialize.report import CheckReport, LoadReport, RunReport, Skip


@dataclass
class AssetResult:
    """What happened to one asset.

    Attributes:
        name: The asset's name.
        run, load, check: The reports of the steps that were done.
        staged: Where the staged file lies, as long as it is kept.
        error: What ended it; None where all went well.
        skipped: The asset upstream that failed, where it was not started because of that.
        skip: Why it was skipped by user code, its own or that of an asset upstream. That is no failure.
        disabled: Whether its header says that it does not run. What depends on it runs all the same.
    """

    name: str
    run: RunReport | None = None
    load: LoadReport | None = None
    check: CheckReport | None = None
    staged: Path | None = None
    error: MaterializeError | None = None
    skipped: str = ""
    skip: Skip | None = None
    disabled: bool = False

    @property
    def success(self) -> bool:
        """Whether it was done and all of its checks hold. A disabled one has nothing to do."""
        return not (self.error or self.skipped)


Watcher = Callable[[AssetResult, str], None]
"""Called after each step of each asset with what is known by then, and the step's name."""


@dataclass
class MaterializeResult:
    """What happened to all assets of one call.

    Attributes:
        run_id: The id of this run.
        assets: What happened to each, in the order in which they were done.
    """

    run_id: str
    assets: dict[str, AssetResult] = field(default_factory=dict)

    @property
    def success(self) -> bool:
        """Whether every asset was done and every check holds."""
        return all(asset.success for asset in self.assets.values())

    def rows(self, name: str) -> int:
        """Return how many rows an asset's result had."""
        run = self.assets[name].run
        return run.rows if run else 0

    def checks(self, name: str) -> CheckReport | None:
        """Return what the checks of an asset said; None where none were asked."""
        return self.assets[name].check
