"""`doctor`: what keeps assets from running well on this machine."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_materialize.cli import FAILED, FINE

if TYPE_CHECKING:
    from airflow_materialize.doctor import Finding

FORMATS = ("text", "json")


def doctor(path: Path | None, output: str, *, clean: bool) -> int:
    """Print each finding, and return 1 where something is broken."""
    from airflow_materialize.doctor import diagnose

    found = []
    for finding in diagnose(path, clean=clean):
        found.append(finding)
        if output == "text":
            print(_line(finding), flush=True)
    count = Counter(finding.state for finding in found)
    if output == "json":
        print(json.dumps({"findings": [asdict(finding) for finding in found], "broken": count["broken"]}, indent=2))
    else:
        print(f"{count['ok']} fine, {count['warning']} could be better, {count['broken']} broken")
    return FAILED if count["broken"] else FINE


def _line(finding: Finding) -> str:
    line = f"{finding.state:<8}{finding.subject}: {finding.text}"
    return f"{line}\n        {finding.hint}" if finding.hint and finding.state != "ok" else line
