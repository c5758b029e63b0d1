"""One pipeline with all of its assets: from the cache where nothing has changed, else parsed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_materialize.definition.model.parsed import ParsedAsset, ParsedPipeline
from airflow_materialize.definition.parsing.pipeline_file import PipelineFile
from airflow_materialize.definition.project.cache import ParseCache, digest_of
from airflow_materialize.definition.project.graph import check_graph
from airflow_materialize.definition.text.source import FoundAssets, find_assets


@dataclass(frozen=True)
class Reader:
    """Reads pipelines below one root.

    Attributes:
        root: The folder of all pipelines. Paths in messages are relative to it.
        default_connection: The connection id of tables for which neither asset nor pipeline names one.
        cache: Where pipelines without a mistake are kept; None keeps nothing.
    """

    root: Path
    default_connection: str = ""
    cache: ParseCache | None = None

    def pipeline(self, file: PipelineFile, only: Path | None = None) -> ParsedPipeline:
        """Return a pipeline with its assets.

        Args:
            file: What its `pipeline.yml` says.
            only: The one asset file to look at; all others are as if they were not there.
        """
        found = find_assets(file.folder, self.root)
        if self.cache is None or only is not None or file.problems:
            return self._parsed(file, found, only)
        digest = self._digest(file, found)
        known = self.cache.get(digest) if digest else None
        if known:
            return known
        parsed = self._parsed(file, found, None)
        # A file that was written meanwhile may have been parsed in another state than that of the digest.
        if digest and self._is_whole(parsed, found) and digest == self._digest(file, found):
            self.cache.put(digest, parsed)
        return parsed

    def _parsed(self, file: PipelineFile, found: FoundAssets, only: Path | None) -> ParsedPipeline:
        from airflow_materialize.definition.parsing.parse import (
            parse_asset,  # Which none needs that is known from the cache.
        )

        assets: list[ParsedAsset] = []
        warnings = [*file.warnings, *(found.warnings if only is None else ())]
        for path, base in found.files:
            if only not in {None, path}:
                continue
            parsed = parse_asset(path, self.root, file, base=base, default_connection=self.default_connection)
            if isinstance(parsed, ParsedAsset):
                # What an asset inherits is warned of once.
                warnings += [warning for warning in parsed.warnings if warning.file != parsed.path]
                own = tuple(warning for warning in parsed.warnings if warning.file == parsed.path)
                assets.append(replace(parsed.with_problems(*file.problems), warnings=own))
            elif parsed:
                warnings.append(parsed)
        return ParsedPipeline(
            name=file.pipeline.name,
            path=file.folder.path.relative_to(self.root).as_posix(),
            pipeline=file.pipeline,
            problems=file.problems,
            warnings=tuple(sorted(set(warnings))),
            assets=check_graph(assets),
            scheduled_at=file.scheduled_at,
            variant=file.scope.variant,
            macros=file.macros,
        )

    def _digest(self, file: PipelineFile, found: FoundAssets) -> str:
        """Return the digest of all that the pipeline is parsed from; empty where some of it cannot be read."""
        try:
            return digest_of(self._parts(file, found))
        except OSError:
            return ""

    def _parts(self, file: PipelineFile, found: FoundAssets) -> Iterator[bytes]:
        folder, around = file.folder.path, file.around
        texts = (
            folder.relative_to(self.root).as_posix(),
            file.pipeline.name,
            file.named_at.file,
            file.scope.variant,
            file.text,
            file.macros,
            around.glossary(folder).text,
            self.default_connection,
            *map(str, found.warnings),
        )
        for path in sorted({path.parent for path, _ in found.files}):
            yield around.requirements(path)
            for defaults in around.defaults(path, folder, file.scope):
                yield from (defaults.tree.place.file.encode(), defaults.text.encode("utf-8", "surrogateescape"))
        yield from (text.encode("utf-8", "surrogateescape") for text in texts)
        above = f"{self.root}{os.sep}"
        for path, base in found.files:
            yield from (str(path).removeprefix(above).encode("utf-8", "surrogateescape"), path.read_bytes())
            yield str(base).removeprefix(above).encode("utf-8", "surrogateescape")

    def _is_whole(self, parsed: ParsedPipeline, found: FoundAssets) -> bool:
        """Whether a pipeline has no mistake, and is made of nothing but the files of its digest."""
        read = {path.relative_to(self.root).as_posix() for path, _ in found.files}
        return not any(asset.problems or asset.script not in read for asset in parsed.assets)
