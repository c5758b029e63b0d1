"""`validate`: every mistake, each with its place."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from airflow_materialize.cli import FINE, INVALID
from airflow_materialize.connections import airflow_option
from airflow_materialize.definition.select import Selection, select_assets
from airflow_materialize.errors import Problem


def validate(path: Path) -> int:
    """Print all problems of what a path names, and return the exit code."""
    failed = False
    for selection in select_assets(path, airflow_option("default_connection") or ""):
        problems = sorted({_from_here(problem, selection.root) for problem in _problems(selection)})
        for problem in problems:
            print(problem, file=sys.stderr if problem.severity == "error" else sys.stdout)
        errors = sum(problem.severity == "error" for problem in problems)
        failed = failed or bool(errors)
        print(f"{selection.pipeline.name}: {_count(len(selection.names), 'asset')}, {_count(errors, 'problem')}")
    return INVALID if failed else FINE


def _problems(selection: Selection) -> list[Problem]:
    own = [problem for asset in selection.chosen for problem in (*asset.problems, *asset.warnings)]
    return [*selection.pipeline.problems, *selection.pipeline.warnings, *own]


def _from_here(problem: Problem, root: Path) -> Problem:
    """Give the file as seen from the working directory, so that an editor can follow it."""
    return replace(problem, file=os.path.relpath(root / problem.file))


def _count(number: int, noun: str) -> str:
    if not number:
        return f"no {noun}s"
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
