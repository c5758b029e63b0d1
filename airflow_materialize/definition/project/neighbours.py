"""Pipelines that nobody asked for, of which no more is parsed than others name.

A task starts on a worker with the assets of its own pipeline alone. What those have to do with others is judged as if
everything had been parsed: each file is read, which costs little, and parsed only where its name or URI is wanted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from airflow_materialize.definition.model.identity import spelling
from airflow_materialize.definition.model.parsed import ParsedAsset
from airflow_materialize.definition.parsing.pipeline_file import PipelineFile
from airflow_materialize.definition.text.source import (
    OTHER_SUFFIXES,
    YAML_SUFFIXES,
    candidates,
    leads_out,
    name_from_path,
)

_NAME = re.compile(r"^(?:(?:#|--)[ \t]*@(?:bruin|asset)\.)?name[ \t]*:[ \t]*(?P<name>.*)$", re.MULTILINE)
_PLAIN = re.compile(r"(?P<quote>['\"]?)(?P<name>[\w.-]+)(?P=quote)[ \t]*(?:[ \t]#.*)?\r?")
# A template, or an escaped character: the text does not have the words that come of it.
_MADE_UP = re.compile(
    r"^(?:#[ \t]*@(?:bruin|asset)\.)?[ \t]*['\"]?(?:name|uri)['\"]?[ \t]*:.*(?:\{[{%]|\\)", re.MULTILINE
)
_OTHER_TYPE = re.compile(r"^(?:#[ \t]*@(?:bruin|asset)\.)?type[ \t]*:[ \t]*['\"]?(?!python\b)\w", re.MULTILINE)


class Known(NamedTuple):
    """An asset and the pipeline that has it."""

    pipeline: str
    schedule: str
    asset: ParsedAsset


@dataclass(eq=False)
class _File:
    """A file that may be an asset, read and not parsed."""

    file: Path
    base: Path
    text: str
    pipeline: PipelineFile

    @cached_property
    def said(self) -> str | None:
        """The name that the file gives itself; empty where it gives none, None where only parsing tells."""
        found = _NAME.search(self.text)
        if not found:
            return None if "name" in self.text else ""
        plain = _PLAIN.fullmatch(found["name"])
        return plain["name"] if plain and self._is_header(found) else None

    def _is_header(self, found: re.Match[str]) -> bool:
        """Whether a line is one of the header: what follows the second marker is code."""
        if self.file.suffix != ".py" or not found.group().startswith("name"):
            return True
        return sum(self.text.count(marker, 0, found.start()) for marker in ("@bruin", "@asset")) == 1

    @cached_property
    def name(self) -> str:
        """Its name, as far as that is known without parsing."""
        return self.said or name_from_path(self.file, self.base)

    def may_be(self, words: set[str], uris: list[str]) -> bool:
        """Whether the file may be an asset of one of the names or URIs. Names are in lower case."""
        if self.name.casefold() in words:
            return True
        if self.said is None:
            text = self.text.casefold()
            if any(word in text for word in words) or _MADE_UP.search(self.text):
                return True
        return "uri" in self.text and (any(uri in self.text for uri in uris) or bool(_MADE_UP.search(self.text)))


class Neighbours:
    """The files of pipelines that are not parsed.

    Args:
        pipelines: What their `pipeline.yml` say, by name.
        root: The folder of all pipelines.
        default_connection: The connection id of tables for which neither asset nor pipeline names one.
    """

    def __init__(self, pipelines: Iterable[PipelineFile], root: Path, default_connection: str) -> None:
        self.pipelines = tuple(pipelines)
        self.root = root
        self.default_connection = default_connection
        self.parsed: dict[_File, Known | None] = {}

    @cached_property
    def files(self) -> list[_File]:
        """Each of their files that may be an asset."""
        return [
            _File(file, base, text, pipeline)
            for pipeline in self.pipelines
            for file, base in candidates(pipeline.folder)
            if file.name.endswith((".py", *YAML_SUFFIXES)) and (text := _text(file, self.root)) is not None
        ]

    def find(self, words: Iterable[str]) -> list[Known]:
        """Return the assets of which a name, in any case, or a URI is among some words."""
        wanted = {spelling(word) for word in words}
        names, uris = {word.casefold() for word in wanted}, [word for word in wanted if ":" in word]
        found = (self._parsed(file) for file in self.files if file.may_be(names, uris)) if names else ()
        return [
            known
            for known in found
            if known and (known.asset.name.casefold() in names or spelling(known.asset.uri) in wanted)
        ]

    def names(self) -> set[str]:
        """Return the names that their files seem to have."""
        return {file.name for file in self.files}

    def _parsed(self, file: _File) -> Known | None:
        from airflow_materialize.definition.parsing.parse import (
            parse_asset,  # Which none needs that is known from the cache.
        )

        if file not in self.parsed:
            asset = parse_asset(
                file.file, self.root, file.pipeline, base=file.base, default_connection=self.default_connection
            )
            definition = file.pipeline.pipeline
            known = Known(definition.name, definition.schedule, asset) if isinstance(asset, ParsedAsset) else None
            self.parsed[file] = known
        return self.parsed[file]


class OtherKinds:
    """The names of assets of kinds that are skipped, as `.sql` in a mixed folder. Read when first asked for.

    Args:
        pipelines: All pipelines.
        root: The folder of all pipelines.
    """

    def __init__(self, pipelines: Iterable[PipelineFile], root: Path) -> None:
        self.pipelines = tuple(pipelines)
        self.root = root

    @cached_property
    def names(self) -> frozenset[str]:
        """All of them."""
        return frozenset(name for pipeline in self.pipelines for name in _other_names(pipeline, self.root))


def _other_names(pipeline: PipelineFile, root: Path) -> Iterator[str]:
    for file, base in candidates(pipeline.folder):
        text = _text(file, root) if file.name.endswith((".py", *OTHER_SUFFIXES, *YAML_SUFFIXES)) else None
        if text is None or (file.suffix == ".py" and not _OTHER_TYPE.search(text)):
            continue
        found = _NAME.search(text)
        plain = _PLAIN.fullmatch(found["name"]) if found else None
        yield plain["name"] if plain else name_from_path(file, base)


def _text(file: Path, root: Path) -> str | None:
    """Return a file's text; None where it cannot be read, or is a link that leads out of a folder."""
    content = _content(file, root)
    return None if content is None else content.decode("utf-8", "surrogateescape")


def _content(file: Path, root: Path) -> bytes | None:
    try:
        # Thousands are read to start one task: one call tells a link, and opens what is none.
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        try:
            return None if leads_out(file, root) else file.read_bytes()
        except OSError:
            return None
    try:
        with open(handle, "rb", buffering=0) as source:  # noqa: PTH123  # It is open already.
            return source.readall()
    except OSError:  # As of a folder.
        return None
