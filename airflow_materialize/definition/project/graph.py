"""The graph of a pipeline's assets."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Self

from airflow_materialize.definition.model.identity import spelling
from airflow_materialize.definition.model.parsed import Need, ParsedAsset
from airflow_materialize.errors import Problem


@dataclass(frozen=True)
class AssetGraph:
    """The edges among the assets of one pipeline.

    Attributes:
        depends: Each asset → the assets that it runs after.
    """

    depends: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, assets: Iterable[ParsedAsset]) -> Self:
        """Return the graph of assets. A dependency on anything else makes no edge."""
        shapes = {asset.name: asset.shape for asset in assets}
        return cls({name: tuple(up for up in shapes[name].depends if up in shapes) for name in sorted(shapes)})

    def order(self) -> tuple[str, ...]:
        """Return all names so that each stands after what it depends on; the same order every time.

        Raises:
            graphlib.CycleError: There is a cycle.
        """
        sorter = TopologicalSorter(self.depends)
        sorter.prepare()
        names: list[str] = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready())
            names += ready
            sorter.done(*ready)
        return tuple(names)

    def downstream(self, name: str) -> frozenset[str]:
        """Return everything that depends on an asset, directly or not."""
        after: dict[str, list[str]] = defaultdict(list)
        for asset, depends in self.depends.items():
            for upstream in depends:
                after[upstream].append(asset)
        return frozenset(shortest_paths(name, after))

    def upstream(self, name: str) -> frozenset[str]:
        """Return everything that an asset depends on, directly or not."""
        return frozenset(shortest_paths(name, self.depends))

    def cycle_through(self, name: str) -> tuple[str, ...]:
        """Return a shortest cycle through an asset, which starts and ends with it; empty where there is none."""
        return shortest_paths(name, self.depends).get(name, ())


def shortest_paths(start: str, after: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Shortest paths from `start` to all that it leads to, by breadth; to itself where it is on a cycle."""
    paths: dict[str, tuple[str, ...]] = {}
    waiting: deque[tuple[str, ...]] = deque([(start,)])
    while waiting:
        path = waiting.popleft()
        for name in after.get(path[-1], ()):
            if name not in paths:
                paths[name] = (*path, name)
                waiting.append(paths[name])
    return paths


def check_graph(assets: Iterable[ParsedAsset]) -> tuple[ParsedAsset, ...]:
    """Return a pipeline's assets with the problems that they have with one another, sorted by name, each name once.

    The edges that are left have no cycle and lead to assets of the pipeline alone.
    """
    unique = _without_duplicates(sorted(assets, key=lambda asset: (asset.name, asset.path)))
    own = OwnAssets(unique)
    known = [replace(asset, shape=replace(asset.shape, depends=own.edges(asset))) for asset in unique]
    # What is lineage alone closes a cycle as well: a table cannot be made of itself.
    every = AssetGraph({asset.name: own.edges(asset, symbolic=True) for asset in unique})
    try:
        every.order()
    except CycleError:
        graph = AssetGraph.of(known)
        return tuple(_without_cycle(asset, own, every, graph) for asset in known)
    return tuple(known)


class OwnAssets:
    """The assets of one pipeline, by what `depends` may call them.

    Args:
        assets: All of them.
    """

    def __init__(self, assets: Iterable[ParsedAsset]) -> None:
        self.by_name = {asset.name: asset for asset in assets}
        self.by_uri = {spelling(asset.uri): asset for asset in self.by_name.values() if asset.uri}

    def find(self, need: Need) -> ParsedAsset | None:
        """Return the asset that is meant; None where it is none of this pipeline."""
        return self.by_name.get(need.name) if need.name else self.by_uri.get(spelling(need.uri))

    def edges(self, asset: ParsedAsset, *, symbolic: bool = False) -> tuple[str, ...]:
        """Return the names of the assets of this pipeline that an asset depends on.

        Args:
            asset: The asset.
            symbolic: Whether lineage counts, too.
        """
        found = (self.find(need) for need in asset.needs if symbolic or not need.symbolic)
        return tuple(dict.fromkeys(upstream.name for upstream in found if upstream))


def _without_duplicates(assets: list[ParsedAsset]) -> list[ParsedAsset]:
    same: dict[str, list[ParsedAsset]] = defaultdict(list)
    for asset in assets:
        same[asset.name.casefold()].append(asset)
    kept: dict[str, ParsedAsset] = {}
    for group in same.values():
        first, *others = sorted(group, key=lambda asset: asset.path)
        problems = [_duplicate(first, other) for other in others]
        for asset in group:
            kept.setdefault(asset.name, asset)
            kept[asset.name] = kept[asset.name].with_problems(*asset.problems, *problems)
    return sorted(kept.values(), key=lambda asset: asset.name)


def _duplicate(first: ParsedAsset, second: ParsedAsset) -> Problem:
    where = f"{first.named_at.file}:{first.named_at.line}:{first.named_at.column}"
    if first.name == second.name:
        message = f"{second.name!r} is the name of {where} too"
    else:
        message = f"{second.name!r} is, but for upper and lower case, the name of {where}"
    return Problem(*second.named_at, "name", message, "one asset, one name", code="AM301")


def _without_cycle(asset: ParsedAsset, own: OwnAssets, every: AssetGraph, graph: AssetGraph) -> ParsedAsset:
    cycle = every.cycle_through(asset.name)
    if not cycle:
        return asset
    inside = {asset.name, *(name for name in asset.shape.depends if asset.name in shortest_paths(name, graph.depends))}
    kept = tuple(name for name in asset.shape.depends if name not in inside)
    words = f"{cycle[0]} depends on {', which depends on '.join(cycle[1:])}"
    if len(set(cycle)) == 1:
        words = f"{asset.name} depends on itself"
    place = next(need.place for need in asset.needs if own.find(need) is own.by_name[cycle[1]])
    hint = "drop one of these dependencies"
    broken = asset.with_problems(Problem(*place, "depends", f"a cycle: {words}", hint, code="AM304"))
    return replace(broken, shape=replace(asset.shape, depends=kept))
