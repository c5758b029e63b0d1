"""Problems as text, as JSON, and as annotations of GitHub Actions."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from airflow_materialize.cli.origins import origin_data, origin_lines
from airflow_materialize.definition.project.explain import Origin
from airflow_materialize.definition.project.select import Selection
from airflow_materialize.errors import Problem

_NO_ORIGINS: Mapping[str, Sequence[Origin]] = MappingProxyType({})

FORMATS = ("text", "json", "github")


@dataclass(frozen=True)
class Findings:
    """What was found in one pipeline.

    Attributes:
        name: The pipeline's name.
        path: Its folder, as seen from the working directory.
        assets: Those that were asked for: name, path, and whether it is valid.
        problems: All problems and warnings, sorted by place.
        values: Lines about where the values of the assets come from, where that was asked for.
    """

    name: str
    path: str
    assets: tuple[dict[str, Any], ...]
    problems: tuple[Problem, ...]
    values: tuple[str, ...] = ()

    def count(self, severity: str) -> int:
        """Return how many problems are of this severity."""
        return sum(problem.severity == severity for problem in self.problems)


def findings(
    selection: Selection, origins: Mapping[str, Sequence[Origin]] = _NO_ORIGINS, *, strict: bool = False
) -> Findings:
    """Collect the problems of what was chosen from a pipeline, with paths as seen from the working directory.

    Args:
        selection: The pipeline and the chosen assets.
        origins: The values of each asset, by its name, where they were asked for.
        strict: Whether warnings count as errors.
    """
    pipeline, root = selection.pipeline, selection.root
    own = [problem for asset in selection.chosen for problem in (*asset.problems, *asset.warnings)]
    found = {_from_here(problem, selection.root) for problem in (*pipeline.problems, *pipeline.warnings, *own)}
    return Findings(
        name=pipeline.name,
        path=os.path.relpath(selection.root / pipeline.path),
        assets=tuple(
            {
                "name": asset.name,
                "path": os.path.relpath(root / asset.path),
                "valid": not asset.problems and not (strict and asset.warnings),
                **({"origins": origin_data(origins[asset.name], root)} if asset.name in origins else {}),
            }
            for asset in selection.chosen
        ),
        problems=tuple(sorted({replace(problem, severity="error") for problem in found} if strict else found)),
        values=tuple(line for name in origins for line in origin_lines(name, origins[name], root)),
    )


def _from_here(problem: Problem, root: Path) -> Problem:
    """Give the file as seen from the working directory, so that an editor can follow it."""
    return replace(problem, file=os.path.relpath(root / problem.file))


def print_text(found: Sequence[Findings], others: Sequence[Problem] = ()) -> None:
    """Print each problem with its line, errors to standard error, and a line of figures for each pipeline."""
    seen: set[Problem] = set()
    for pipeline in found:
        for problem in pipeline.problems:
            if problem not in seen:
                print(problem.explain(), file=sys.stderr if problem.severity == "error" else sys.stdout, flush=True)
        seen |= set(pipeline.problems)
        print(*pipeline.values, sep="\n", end="\n" if pipeline.values else "")
        warnings = pipeline.count("warning")
        figures = [_count(len(pipeline.assets), "asset"), _count(pipeline.count("error"), "problem")]
        print(f"{pipeline.name}: {', '.join([*figures, *([_count(warnings, 'warning')] if warnings else [])])}")
    for problem in others:
        print(problem.explain(), file=sys.stderr)


def print_json(found: Sequence[Findings], others: Sequence[Problem] = ()) -> None:
    """Print one JSON document. `others` are problems of no pipeline."""
    every = {problem for pipeline in found for problem in pipeline.problems} | {*others}
    document = {
        "pipelines": [
            {
                "name": pipeline.name,
                "path": pipeline.path,
                "assets": list(pipeline.assets),
                "problems": list(map(_json, pipeline.problems)),
            }
            for pipeline in found
        ],
        "problems": list(map(_json, others)),
        "errors": sum(problem.severity == "error" for problem in every),
        "warnings": sum(problem.severity == "warning" for problem in every),
    }
    print(json.dumps(document, indent=2))


def _json(problem: Problem) -> dict[str, Any]:
    return {name: value for name, value in asdict(problem).items() if name != "excerpt"}


def print_github(found: Sequence[Findings], others: Sequence[Problem] = ()) -> None:
    """Print workflow commands, which GitHub Actions shows beside the lines of a change."""
    every = dict.fromkeys(problem for pipeline in found for problem in pipeline.problems)
    for problem in [*every, *others]:
        places = {"file": problem.file, "line": problem.line, "col": problem.column, "title": problem.code}
        properties = ",".join(f"{name}={_property(str(value))}" for name, value in places.items() if value)
        path = f"{problem.path}: " if problem.path else ""
        hint = f" ({problem.hint})" if problem.hint else ""
        print(f"::{problem.severity} {properties}::{_data(f'{path}{problem.message}{hint}')}")


def _data(text: str) -> str:
    text = text.encode(errors="backslashreplace").decode()
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _count(number: int, noun: str) -> str:
    if not number:
        return f"no {noun}s"
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
