"""What a step says afterwards: plain data that goes to JSON and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self


class _Report:
    """JSON both ways for the dataclasses below."""

    def to_json(self) -> dict[str, Any]:
        """Return plain data, ready for `json.dumps`."""
        data: dict[str, Any] = asdict(self)  # type: ignore[call-overload]  # every subclass is a dataclass
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the report that `to_json` made `data` of."""
        return cls(**data)


@dataclass(frozen=True)
class Skip(_Report):
    """Why an asset was skipped by user code, its own or that of an asset that it depends on.

    Attributes:
        mode: After `soft` what depends on it runs if any other upstream has; after `hard` it is skipped as well.
        reason: A sentence.
        after: The asset whose code said so; empty where it is this one.
    """

    mode: Literal["soft", "hard"]
    reason: str
    after: str = ""

    def __str__(self) -> str:
        return f"skipped ({self.mode}){f' after {self.after}' if self.after else ''}: {self.reason}"


@dataclass(frozen=True)
class RunReport(_Report):
    """What `run` did: user code in its environment.

    Attributes:
        asset: The asset's name.
        outcome: `data` staged a file, `no_data` means that `materialize()` gave nothing, `script` that the asset
            has no materialization, `skipped` that there was nothing to do.
        rows: Rows in the staged file.
        bytes: Size of the staged file.
        seconds: Time per phase, in the order in which they ran.
        reads: The tables that `query`, `ref` and `source` read, as they were named there; those of another connection
            than the asset's own as `materialize://<connection id>/<table>`.
        metadata: What user code says of its run.
        materialized: Whether it says that the table is another one than before; None where it says nothing.
        skip: Why it was skipped; None where it was not.
        peak_memory_bytes: The peak memory of user code: the largest resident set of one of its processes.
    """

    asset: str
    outcome: Literal["data", "no_data", "script", "skipped"]
    rows: int = 0
    bytes: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    materialized: bool | None = None
    skip: Skip | None = None
    peak_memory_bytes: int = 0

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the report that `to_json` made `data` of."""
        skip = data.get("skip")
        return cls(**{**data, "skip": Skip.from_json(skip) if skip else None})

    def __str__(self) -> str:
        if self.skip:
            return str(self.skip)
        staged = f"{self.rows:,} {'row' if self.rows == 1 else 'rows'} staged, {self.bytes / 1e6:,.1f} MB"
        done = {"data": staged, "no_data": "no data", "script": "done"}[self.outcome]
        return f"{done}, peak memory {self.peak_memory_bytes / 1e6:,.0f} MB" if self.peak_memory_bytes else done


MOST_COUNTED = 100_000
"""To count more rows than these takes as long as to read the whole table, which a small load has nothing to do with."""


@dataclass(frozen=True)
class LoadReport(_Report):
    """What `load` did to the table.

    Attributes:
        table: The table, as its destination names it.
        strategy: The strategy that was applied (`create+replace` in a full refresh).
        outcome: `loaded`; `already_loaded` by an earlier attempt; `superseded` by a newer interval; `no_data`;
            `refused` by a check before it was published.
        materialized: Whether this load changed the table.
        rows_in: Rows in the staged file.
        rows_deleted, rows_updated, rows_inserted: Rows of the table that it touched.
        rows_total: Rows in the table after the load; None where they are more than `MOST_COUNTED` and the load did not
            write all of them itself.
        rows_doubled: Rows of the staged file that gave way to a later one of the same key.
        schema_changes: What happened to the table's columns, a sentence each.
        seconds: Time from opening the connection to the commit.
        checks: What the blocking checks said, where the load is published after them.
        guarantee: The destination, and how often it promises to apply a load, as `DuckDB: exactly once`.
    """

    table: str
    strategy: str
    outcome: Literal["loaded", "already_loaded", "superseded", "no_data", "refused"]
    materialized: bool
    rows_in: int = 0
    rows_deleted: int = 0
    rows_updated: int = 0
    rows_inserted: int = 0
    rows_total: int | None = 0
    rows_doubled: int = 0
    schema_changes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    checks: CheckReport | None = None
    guarantee: str = ""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the report that `to_json` made `data` of."""
        checks = data.get("checks")
        return cls(**{**data, "checks": CheckReport.from_json(checks) if checks else None})

    def __str__(self) -> str:
        if self.outcome != "loaded":
            return f"{self.strategy}: {_UNCHANGED[self.outcome]}"
        touched = f"{self.rows_deleted:,} deleted, {self.rows_updated:,} updated, {self.rows_inserted:,} inserted"
        if self.rows_doubled:
            touched += f", {self.rows_doubled:,} doubled"
        passed = len(self.checks.verdicts) if self.checks else 0
        checked = f", {passed:,} {'check' if passed == 1 else 'checks'} passed" if passed else ""
        label = f" ({self.guarantee})" if self.guarantee else ""
        total = f"more than {MOST_COUNTED:,}" if self.rows_total is None else f"{self.rows_total:,}"
        return f"{self.strategy}: {self.rows_in:,} in, {touched}, {total} in {self.table}{checked}{label}"


_UNCHANGED = {
    "already_loaded": "an earlier attempt has loaded this file",
    "superseded": "the table has a newer interval",
    "no_data": "no data, the table stays as it is",
    "refused": "checks failed, the table stays as it is",
}


@dataclass(frozen=True)
class Verdict(_Report):
    """The answer of one check.

    Attributes:
        check: Its name, as `unique` or the name of a custom check.
        column: Its column; empty for a custom check.
        blocking: Whether what depends on the asset waits for it.
        passed: Whether the table satisfies it.
        expected: What would have been right, in words.
        found: What the table has, in words.
        count: Rows that break the rule; for a custom check the number that its query gave.
    """

    check: str
    column: str
    blocking: bool
    passed: bool
    expected: str
    found: str
    count: int

    def __str__(self) -> str:
        subject = f"{self.column}: {self.check}" if self.column else self.check
        mark = "passed" if self.passed else "FAILED"
        return f"{mark}  {subject}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class CheckReport(_Report):
    """What the checks of one asset said.

    Attributes:
        table: The table that was read.
        rows: Rows in it.
        verdicts: One for each check, in the order of the header.
        seconds: Time from opening the connection to the last answer.
    """

    table: str
    rows: int
    verdicts: list[Verdict] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> list[Verdict]:
        """The checks that the table does not satisfy."""
        return [verdict for verdict in self.verdicts if not verdict.passed]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Return the report that `to_json` made `data` of."""
        verdicts = [Verdict.from_json(verdict) for verdict in data["verdicts"]]
        return cls(**{**data, "verdicts": verdicts})
