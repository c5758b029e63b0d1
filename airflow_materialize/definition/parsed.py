"""What parsing gives: definitions with their problems, in plain objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from airflow_materialize.definition.asset import Asset
from airflow_materialize.definition.pipeline import Pipeline
from airflow_materialize.definition.tree import Provenance
from airflow_materialize.errors import Problem


@dataclass(frozen=True)
class Shape:
    """Which steps and edges an asset has. A broken asset has the shape that its text asks for.

    Attributes:
        table: Whether there is a table to load.
        check: Whether there are blocking checks.
        check_warn: Whether there are checks that nothing waits for.
        depends: The assets of the same pipeline that it runs after.
    """

    table: bool = False
    check: bool = False
    check_warn: bool = False
    depends: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParsedAsset:
    """One asset, valid or not.

    Attributes:
        name: Its name.
        path: Its definition file, relative to the root of all pipelines.
        script: Its Python file, likewise: the same, or what `run` names.
        asset: Its header with all that it inherits; None where there are problems.
        problems: All mistakes.
        warnings: What is no mistake and yet not as it looks.
        shape: Its steps and edges.
        source_hash: SHA-256 of the asset's files and `pipeline.yml`, hexadecimal.
        named_at: Where its name stands.
        depends_at: Where each dependency stands, by name.
    """

    name: str
    path: str
    script: str
    asset: Asset | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    shape: Shape
    source_hash: str
    named_at: Provenance
    depends_at: Mapping[str, Provenance] = field(default_factory=dict, repr=False)

    def with_problems(self, *problems: Problem) -> Self:
        """Return the same asset with more problems, and so without a usable header."""
        if not problems:
            return self
        return replace(self, asset=None, problems=tuple(sorted({*self.problems, *problems})))


@dataclass(frozen=True)
class ParsedPipeline:
    """One pipeline, valid or not.

    Attributes:
        name: Its name.
        path: Its folder, relative to the root of all pipelines.
        pipeline: Its definition; one with its name alone where `pipeline.yml` is broken.
        problems: All mistakes of `pipeline.yml`. Each asset has them too.
        warnings: What is no mistake and yet not as it looks.
        assets: Its assets, sorted by name.
    """

    name: str
    path: str
    pipeline: Pipeline
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    assets: tuple[ParsedAsset, ...]

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs of an asset and one that runs after it, sorted. They have no cycle."""
        return tuple(sorted((upstream, asset.name) for asset in self.assets for upstream in asset.shape.depends))
