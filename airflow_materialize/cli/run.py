"""`run`: assets without a scheduler."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from typing import Any

from airflow_materialize.cli import FAILED, FINE, INVALID
from airflow_materialize.errors import AssetError, MaterializeError
from airflow_materialize.local import STEPS, materialize
from airflow_materialize.results import AssetResult

# The column in which steps stand is as wide as the longest of their names.
_WIDTH = max(map(len, STEPS))


def run(options: argparse.Namespace) -> int:
    """Run what the path names, print a line for each step, and return the exit code."""
    only = tuple(options.only or STEPS)
    result = materialize(
        options.path,
        start=options.start_date or "",
        end=options.end_date or "",
        full_refresh=options.full_refresh,
        connections=_pairs("--connection", options.connection),
        variables={name: _value(text) for name, text in _pairs("--var", options.var).items()},
        variant=options.variant or "",
        partition_key=options.partition_key or "",
        only=only,
        raise_on_error=False,
        watch=partial(_show, keeps="load" not in only),
    )
    if any(isinstance(asset.error, AssetError) for asset in result.assets.values()):
        return INVALID
    return FINE if result.success else FAILED


def _show(asset: AssetResult, step: str, *, keeps: bool) -> None:
    """Print what is known of an asset after a step."""
    if step == "error":
        sys.stdout.flush()
        print(asset.error, file=sys.stderr)
    elif step == "skip":
        print(f"{asset.name}  skipped: {asset.skipped} failed")
    elif step == "skipped":
        print(f"{asset.name}  {asset.skip}", flush=True)
    elif step == "disabled":
        print(f"{asset.name}  skipped: disabled by its header", flush=True)
    else:
        print(f"{asset.name}  {step:<{_WIDTH}}  {_summary(asset, step)}", flush=True)
    if step == "run" and asset.staged and keeps:
        print(f"kept in {asset.staged}", flush=True)


def _summary(asset: AssetResult, step: str) -> str:
    if step == "run" and asset.run:
        return f"{asset.run}  {sum(asset.run.seconds.values()):.2f} s"
    if step == "load" and asset.load:
        return f"{asset.load}  {asset.load.seconds:.2f} s"
    if step == "check" and asset.check:
        verdicts = asset.check.verdicts
        passed = len(verdicts) - len(asset.check.failed)
        return f"{passed} of {len(verdicts)} passed  {asset.check.seconds:.2f} s"
    return ""


def _pairs(option: str, given: list[str]) -> dict[str, str]:
    """Read `k=v` pairs.

    Raises:
        MaterializeError: One has no `=`.
    """
    for text in given:
        if "=" not in text:
            # A URL may have a password in it.
            raise MaterializeError(f"{option} is given without a name", hint=f"{option} name=value")
    return dict(text.split("=", 1) for text in given)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
