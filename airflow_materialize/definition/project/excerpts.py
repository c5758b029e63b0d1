"""What is told of problems: not too many, each with the line that it stands on.

A file is read once, and only where there is a problem to show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from airflow_materialize.definition.model.parsed import ParsedAsset, ParsedPipeline
from airflow_materialize.definition.text.problems import shortened, with_excerpts
from airflow_materialize.definition.text.source import leads_out, read_source
from airflow_materialize.errors import Problem


def quote_lines(pipelines: Iterable[ParsedPipeline], root: Path) -> list[ParsedPipeline]:
    """Give each problem and each warning of the pipelines the line that it stands on.

    Args:
        pipelines: What was parsed.
        root: The folder that paths in problems are relative to.
    """

    @cache
    def lines_of(file: str) -> Sequence[str]:
        return _lines(root / file, root)

    def told(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        return with_excerpts(shortened(problems), lines_of)

    def asset(parsed: ParsedAsset) -> ParsedAsset:
        if not (parsed.problems or parsed.warnings):
            return parsed
        return replace(parsed, problems=told(parsed.problems), warnings=told(parsed.warnings))

    return [
        replace(
            pipeline,
            problems=told(pipeline.problems),
            warnings=told(pipeline.warnings),
            assets=tuple(map(asset, pipeline.assets)),
        )
        for pipeline in pipelines
    ]


def _lines(file: Path, root: Path) -> Sequence[str]:
    """The lines of a file; none where it is gone, or is not to be read."""
    if leads_out(file, root):
        return ()
    try:
        return read_source(file).split("\n")
    except OSError:
        return ()
