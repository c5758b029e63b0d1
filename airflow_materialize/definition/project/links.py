"""What the assets of several pipelines have to do with one another: dependencies, tables and URIs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from itertools import pairwise
from typing import NamedTuple

from airflow_materialize.definition.model.identity import SCHEME, spelling
from airflow_materialize.definition.model.parsed import Need, Outside, ParsedAsset, ParsedPipeline
from airflow_materialize.definition.model.pipeline import ON_ASSETS
from airflow_materialize.definition.project.graph import AssetGraph, OwnAssets, shortest_paths
from airflow_materialize.definition.project.neighbours import Known, Neighbours, OtherKinds
from airflow_materialize.definition.text.fields import quoted
from airflow_materialize.definition.text.tree import Provenance
from airflow_materialize.errors import Problem

_SUGGESTED = 3
"""Unknown names of one asset that get a suggestion: each is compared with all names."""


class Wait(NamedTuple):
    """An asset that starts no sooner than an asset of another pipeline has made its table."""

    asset: ParsedAsset
    need: Need
    upstream: Known


class Index:
    """Assets by what others may call them, each list in the order of their files.

    Args:
        assets: The assets.
    """

    def __init__(self, assets: Iterable[Known]) -> None:
        self.by_name: dict[str, list[Known]] = defaultdict(list)
        self.by_uri: dict[str, list[Known]] = defaultdict(list)
        self.by_table: dict[tuple[str, str], list[Known]] = defaultdict(list)
        seen: set[tuple[str, str]] = set()
        for known in sorted(assets, key=lambda known: (known.asset.path, known.pipeline)):
            asset = known.asset
            if (known.pipeline, asset.name) in seen:
                continue
            seen.add((known.pipeline, asset.name))
            self.by_name[asset.name].append(known)
            if asset.uri:
                self.by_uri[spelling(asset.uri)].append(known)
            if asset.shape.table and asset.connection:
                self.by_table[_table(asset)].append(known)

    def find(self, need: Need, pipeline: str) -> list[Known]:
        """Return the assets of other pipelines that a dependency may mean."""
        found = self.by_name.get(need.name, ()) if need.name else self.by_uri.get(spelling(need.uri), ())
        return [known for known in found if known.pipeline != pipeline]

    def waits(self, pipeline: ParsedPipeline) -> list[Wait]:
        """Return what the assets of a pipeline wait for, as far as it is certain which asset is meant."""
        own = OwnAssets(pipeline.assets)
        needs = ((asset, need) for asset in pipeline.assets for need in asset.needs)
        found = (
            (asset, need, self.find(need, pipeline.name))
            for asset, need in needs
            if not need.symbolic and not own.find(need)
        )
        return [Wait(asset, need, known[0]) for asset, need, known in found if len(known) == 1 and known[0].asset.uri]


class Links:
    """What each of some pipelines has to do with the others.

    Args:
        pipelines: The pipelines, by name; among them each on assets that one of them waits for, over whatever others.
        index: Their assets, and those of others that they mean.
        neighbours: All other pipelines.
        skipped: Names of assets that are skipped.
    """

    def __init__(
        self, pipelines: Mapping[str, ParsedPipeline], index: Index, neighbours: Neighbours, skipped: OtherKinds
    ) -> None:
        self.index = index
        self.neighbours = neighbours
        self.skipped = skipped
        self.waits = {name: index.waits(one) for name, one in pipelines.items() if one.pipeline.schedule == ON_ASSETS}
        targets = {name: {wait.upstream.pipeline for wait in waits} for name, waits in self.waits.items()}
        self.graph = AssetGraph({name: tuple(sorted(found & targets.keys())) for name, found in targets.items()})

    def linked(self, pipeline: ParsedPipeline) -> ParsedPipeline:
        """Return a pipeline with the problems that it has with others, and with what its assets read of them."""
        own = OwnAssets(pipeline.assets)
        circular = self._circular(pipeline.name)
        assets = [_Linking(self, pipeline, own, asset, circular).linked() for asset in pipeline.assets]
        if pipeline.pipeline.schedule != ON_ASSETS or self._waits_for_another(pipeline, own):
            return replace(pipeline, assets=tuple(assets))
        message = "'assets' is no schedule here: no asset depends on one of another pipeline"
        hint = "add what it waits for to `depends` of an asset, or give the pipeline a cron expression"
        problem = Problem(*pipeline.scheduled_at, "schedule", message, hint, code="AM309")
        return replace(
            pipeline,
            problems=tuple(sorted({*pipeline.problems, problem})),
            assets=tuple(asset.with_problems(problem) for asset in assets),
        )

    def _waits_for_another(self, pipeline: ParsedPipeline, own: OwnAssets) -> bool:
        needs = (need for asset in pipeline.assets for need in asset.needs if not need.symbolic and not own.find(need))
        return any(
            need.uri or self.index.find(need, pipeline.name) or need.name not in self.skipped.names for need in needs
        )

    def _circular(self, name: str) -> dict[tuple[str, Need], str]:
        """Return the dependencies of a pipeline that lead back to it, each with the way in words."""
        found: dict[tuple[str, Need], str] = {}
        for wait in self.waits.get(name, ()):
            way = shortest_paths(wait.upstream.pipeline, self.graph.depends).get(name)
            if way:
                hops = [f"{to} ({self._place(here, to)})" for here, to in pairwise(way)]
                found[wait.asset.name, wait.need] = f"{name} waits for {', which waits for '.join((way[0], *hops))}"
        return found

    def _place(self, pipeline: str, upstream: str) -> str:
        return next(shown(wait.need.place) for wait in self.waits[pipeline] if wait.upstream.pipeline == upstream)

    def suggestion(self, word: str, asker: str) -> str:
        """Return a hint: the asset other than the one that asks whose name looks like a word, and where it is."""
        names = {*self.index.by_name, *self.neighbours.names()} - {asker}
        folded = {name.casefold(): name for name in sorted(names)}
        close = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
        if not close:
            return "the name of an asset, or `uri:` for what no asset here makes"
        name = folded[close[0]]
        there = self.index.by_name.get(name) or self.neighbours.find([name])
        place = f" ({shown(there[0].asset.named_at)})" if there else ""
        return f"did you mean {name!r}?{place}"


class _Linking:
    """One asset on its way to what it has to do with others."""

    def __init__(
        self,
        links: Links,
        pipeline: ParsedPipeline,
        own: OwnAssets,
        asset: ParsedAsset,
        circular: Mapping[tuple[str, Need], str],
    ) -> None:
        self.links = links
        self.pipeline = pipeline
        self.own = own
        self.asset = asset
        self.circular = circular
        self.on_assets = pipeline.pipeline.schedule == ON_ASSETS
        self.outside: dict[str, Outside] = {}
        self.unknown = 0

    def linked(self) -> ParsedAsset:
        found = [*self.clashes(), *(problem for need in self.asset.needs for problem in self.need(need))]
        if not found and not self.outside:
            return self.asset
        warnings = {problem for problem in found if problem.severity == "warning"}
        return replace(
            self.asset.with_problems(*(problem for problem in found if problem.severity == "error")),
            warnings=tuple(sorted({*self.asset.warnings, *warnings})),
            outside=tuple(self.outside[uri] for uri in sorted(self.outside)),
        )

    def need(self, need: Need) -> Iterator[Problem]:
        """Take note of what one dependency leads to, and yield what is wrong with it."""
        own = self.own.find(need)
        if own is not None:
            if need.symbolic and own is not self.asset:
                self.read(own, symbolic=True)
            return
        found = self.links.index.find(need, self.pipeline.name)
        if not found:
            yield from self.nothing(need)
        elif len({known.asset.uri or known.pipeline for known in found}) > 1:
            yield self.many(need, found)
        elif not found[0].asset.shape.table:
            yield from self.no_table(need, found[0])
        else:
            way = self.circular.get((self.asset.name, need))
            self.read(found[0].asset, symbolic=need.symbolic or bool(way))
            upstream = found[0].asset
            if self.on_assets and not need.symbolic and upstream.summary.disabled:
                message = f"{quoted(upstream.name)} is disabled, so the pipeline never starts"
                yield Problem(*need.place, "depends", message, "enable it, or drop it here", "warning", code="AM307")
            if way:
                hint = "give one of these pipelines a cron expression, or the dependency `mode: symbolic`"
                yield Problem(*need.place, "depends", f"a cycle of pipelines: {way}", hint, code="AM304")

    def read(self, asset: ParsedAsset, *, symbolic: bool) -> None:
        if asset.uri:
            self.note(Outside(asset.uri, asset.name, symbolic, asset.about))

    def note(self, outside: Outside) -> None:
        there = self.outside.get(outside.uri)
        if there is None or there.symbolic:
            self.outside[outside.uri] = outside

    def nothing(self, need: Need) -> Iterator[Problem]:
        if need.uri:
            self.note(Outside(need.uri, symbolic=need.symbolic))
            if need.uri.startswith(f"{SCHEME}:"):
                message = f"no asset here has the URI {quoted(need.uri)}"
                hint = "materialize://<connection>/<name>, as an asset's connection and name say"
                yield Problem(*need.place, "depends", message, hint, "warning", code="AM303")
        elif need.name not in self.links.skipped.names:
            self.unknown += 1
            hint = self.links.suggestion(need.name, self.asset.name) if self.unknown <= _SUGGESTED else ""
            yield Problem(*need.place, "depends", f"there is no asset {quoted(need.name)}", hint, code="AM303")

    def many(self, need: Need, found: list[Known]) -> Problem:
        places = " and ".join(f"{known.pipeline} ({shown(known.asset.named_at)})" for known in found)
        uris = [known.asset.uri for known in found if known.asset.uri]
        hint = f"say which: `uri: {uris[0]}`" if uris else "rename one of them"
        if need.uri:
            return Problem(*need.place, "depends", f"{quoted(need.uri)} is the URI of {places}", hint, code="AM310")
        message = f"{quoted(need.name)} is an asset of {places}"
        return Problem(*need.place, "depends", message, hint, code="AM310")

    def no_table(self, need: Need, known: Known) -> Iterator[Problem]:
        if need.symbolic:
            return
        script = f"{quoted(known.asset.name)} of the pipeline {known.pipeline} makes no table"
        if self.on_assets:
            message, hint = f"{script}, so it has no event to start on", "depend on an asset that makes one"
            yield Problem(*need.place, "depends", message, hint, code="AM307")
        else:
            message, hint = f"{script}: nothing waits for it", "put both into one pipeline"
            yield Problem(*need.place, "depends", message, hint, "warning", code="AM307")

    def clashes(self) -> Iterator[Problem]:
        """Yield a problem where an asset that stands before this one writes its table, or has its URI."""
        asset, index = self.asset, self.links.index
        if not asset.uri:
            return
        first = index.by_table[_table(asset)][0] if asset.connection else None
        if first and first.pipeline != self.pipeline.name:
            where = f"{shown(first.asset.named_at)} in the pipeline {first.pipeline}"
            message = f"the table {asset.name} of the connection {asset.connection} is that of {where} too"
            yield Problem(*asset.named_at, "name", message, "one table, one asset", code="AM302")
        same = index.by_uri[spelling(asset.uri)]
        if self.is_me(same[0]) or (asset.uri_at is None and same[0].asset.uri_at is None):
            return
        where = f"{shown(same[0].asset.uri_at or same[0].asset.named_at)} in the pipeline {same[0].pipeline}"
        message = f"{quoted(asset.uri)} is the URI of {where} too"
        field = "uri" if asset.uri_at else "name"
        yield Problem(*(asset.uri_at or asset.named_at), field, message, "one asset, one URI", code="AM308")

    def is_me(self, known: Known) -> bool:
        return (known.pipeline, known.asset.name) == (self.pipeline.name, self.asset.name)


def _table(asset: ParsedAsset) -> tuple[str, str]:
    return asset.connection, asset.name.casefold()


def shown(place: Provenance) -> str:
    """Return a place as messages show it."""
    return f"{place.file}:{place.line}:{place.column}" if place.line else place.file
