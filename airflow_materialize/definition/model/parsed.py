"""What parsing gives: definitions with their problems, in plain objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from airflow_materialize.definition.model.pipeline import Pipeline
from airflow_materialize.definition.model.stated import Stated, Summary
from airflow_materialize.definition.text.tree import Provenance
from airflow_materialize.errors import Problem

if TYPE_CHECKING:
    from airflow_materialize.definition.model.asset import Asset

NOWHERE = Provenance("", 0, 0)
"""The place of what stands nowhere."""

_NOTHING = Summary()


class Asked(NamedTuple):
    """One check that a header asks for.

    Attributes:
        column: Its column; empty for a custom check.
        name: Its name.
        blocking: Whether others wait for it.
    """

    column: str
    name: str
    blocking: bool


@dataclass(frozen=True)
class Shape:
    """Which steps and edges an asset has. A broken asset has the shape that its text asks for.

    Attributes:
        table: Whether there is a table to load.
        check: Whether there are blocking checks.
        check_warn: Whether there are checks that nothing waits for.
        depends: The assets of the same pipeline that it runs after.
        checks: Its checks one by one, in the order of the header.
    """

    table: bool = False
    check: bool = False
    check_warn: bool = False
    depends: tuple[str, ...] = ()
    checks: tuple[Asked, ...] = ()


class Need(NamedTuple):
    """One entry of `depends`.

    Attributes:
        name: The name of an asset; empty where there is a URI.
        uri: The URI of an asset.
        symbolic: Whether it is lineage alone: nothing waits.
        place: Where it stands.
    """

    name: str
    uri: str
    symbolic: bool
    place: Provenance


class Outside(NamedTuple):
    """An Airflow asset that an asset reads without an edge: another pipeline, or something else, makes it.

    Attributes:
        uri: The Airflow asset's URI.
        name: The asset's name where it is one of ours, else empty.
        symbolic: Whether it is lineage alone, and no trigger.
        about: What that asset says of itself, as on the Airflow asset that its own pipeline makes.
    """

    uri: str
    name: str = ""
    symbolic: bool = False
    about: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class ParsedAsset:
    """One asset, valid or not.

    Attributes:
        name: Its name.
        path: Its definition file, relative to the root of all pipelines.
        script: Its Python file, likewise: the same, or what `run` names.
        stated: Its header with all that it inherits; None where there are problems.
        problems: All mistakes.
        warnings: What is no mistake and yet not as it looks.
        shape: Its steps and edges.
        source_hash: SHA-256 of the asset's files and `pipeline.yml`, hexadecimal.
        named_at: Where its name stands.
        needs: What `depends` says, rightly or not.
        connection: The connection id of its table or checks; empty where it has neither.
        uri: The URI of its Airflow asset; empty where it makes no table.
        uri_at: Where its header gives that URI; None where the header does not.
        about: What it says of itself, for its Airflow asset.
        outside: What it reads that makes no edge, sorted by URI.
    """

    name: str
    path: str
    script: str
    stated: Stated | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    shape: Shape
    source_hash: str
    named_at: Provenance
    needs: tuple[Need, ...] = field(default=(), repr=False)
    connection: str = ""
    uri: str = ""
    uri_at: Provenance | None = field(default=None, repr=False)
    about: Mapping[str, Any] = field(default_factory=dict, repr=False)
    outside: tuple[Outside, ...] = ()

    @property
    def asset(self) -> Asset | None:
        """Its header, read when it is asked for; None where there are problems."""
        return self.stated.asset if self.stated else None

    @property
    def summary(self) -> Summary:
        """What its DAG is made of; an empty one where there are problems."""
        return self.stated.summary if self.stated else _NOTHING

    def with_problems(self, *problems: Problem) -> Self:
        """Return the same asset with more problems, and so without a usable header."""
        if not problems:
            return self
        return replace(self, stated=None, problems=tuple(sorted({*self.problems, *problems})))


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
        scheduled_at: Where its schedule stands.
        variant: The variant that it is; empty where `pipeline.yml` has none.
        macros: Jinja macros that queries may call.
    """

    name: str
    path: str
    pipeline: Pipeline
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    assets: tuple[ParsedAsset, ...]
    scheduled_at: Provenance = NOWHERE
    variant: str = ""
    macros: str = field(default="", repr=False)

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs of an asset and one that runs after it, sorted. They have no cycle."""
        return tuple(sorted((upstream, asset.name) for asset in self.assets for upstream in asset.shape.depends))
