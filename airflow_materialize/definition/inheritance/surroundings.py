"""What stands around assets and has an effect on them. Every folder and file is read once for all assets of a parse."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from airflow_materialize.definition.inheritance.defaults import (
    DEFAULTS_FILES,
    Defaults,
    DefaultsFile,
    judge_file,
    read_defaults,
)
from airflow_materialize.definition.inheritance.glossary import GLOSSARY_FILES, Glossary, read_glossary
from airflow_materialize.definition.inheritance.variants import Scope, has_template
from airflow_materialize.definition.text.source import is_file, leads_out, read_source
from airflow_materialize.errors import Problem

MACROS_LIMIT = 64 * 1024
"""The longest text of all macros of a pipeline, in characters."""

_REQUIREMENTS = ("requirements*.txt", "pyproject.toml", "uv.lock")


class Macros(NamedTuple):
    """The macros of a pipeline: their joined text, and what is wrong with them."""

    text: str = ""
    problems: tuple[Problem, ...] = ()


class Surroundings:
    """What stands around the assets below one root, as it is read.

    Args:
        root: The folder of all pipelines, which no link leads out of.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._names: dict[Path, frozenset[str]] = {}
        self._files: dict[Path, DefaultsFile | None] = {}
        self._defaults: dict[tuple[Path, str], Defaults] = {}
        self._glossaries: dict[Path, Glossary] = {}
        self._requirements: dict[Path, bytes] = {}

    def defaults(self, folder: Path, pipeline: Path, scope: Scope) -> list[Defaults]:
        """Return what the assets of a folder inherit from files, the nearest first.

        Args:
            folder: The folder.
            pipeline: The pipeline's folder, which is the last one to have a word.
            scope: What templates know in this pipeline.
        """
        found = [self._defaults_in(above, scope) for above in _upwards(folder, pipeline)]
        return [defaults for defaults in found if defaults]

    def _defaults_in(self, folder: Path, scope: Scope) -> Defaults | None:
        if folder not in self._files:
            path = self._file(folder, DEFAULTS_FILES)
            self._files[folder] = read_defaults(path, self.root) if path else None
        file = self._files[folder]
        if file is None:
            return None
        key = (folder, scope.variant if has_template(file.text) else "")
        if key not in self._defaults:
            self._defaults[key] = judge_file(file, scope)
        return self._defaults[key]

    def glossary(self, pipeline: Path) -> Glossary:
        """Return the nearest glossary of a pipeline: in its folder, at the top of its repository, or in the root."""
        if pipeline not in self._glossaries:
            places = [
                folder
                for folder in _upwards(pipeline, self.root)
                if folder in {pipeline, self.root} or ".git" in self._listing(folder)
            ]
            files = (self._file(folder, GLOSSARY_FILES) for folder in places)
            file = next((file for file in files if file), None)
            self._glossaries[pipeline] = read_glossary(file, self.root) if file else Glossary()
        return self._glossaries[pipeline]

    def requirements(self, folder: Path) -> bytes:
        """Return a digest of the files from which an environment for a folder could be made: there and above."""
        known = self._requirements.get(folder)
        if known is not None:
            return known
        above = self.requirements(folder.parent) if folder != self.root else b""
        digest = hashlib.sha256(above)
        found = [name for name in self._listing(folder) if any(fnmatchcase(name, known) for known in _REQUIREMENTS)]
        for name in sorted(found):
            for part in (name.encode("utf-8", "surrogateescape"), self._bytes(folder / name)):
                digest.update(len(part).to_bytes(8, "big") + part)
        self._requirements[folder] = digest.digest()
        return self._requirements[folder]

    def macros(self, pipeline: Path) -> Macros:
        """Return the macros of a pipeline: all of `macros/*.sql`, sorted."""
        if "macros" not in self._listing(pipeline):
            return Macros()
        folder, texts, problems = pipeline / "macros", [], list[Problem]()
        for name in sorted(name for name in self._listing(folder) if name.endswith(".sql") and is_file(folder / name)):
            text, found = self._macro(folder / name)
            texts.append(text)
            problems += found
        joined = "\n".join(texts)
        if len(joined) > MACROS_LIMIT:
            where, message = (
                folder.relative_to(self.root).as_posix(),
                f"the macros are longer than {MACROS_LIMIT // 1024} KiB",
            )
            return Macros("", (Problem(where, 0, 0, "", message, "keep what queries call", code="AM632"),))
        return Macros("" if problems else joined, tuple(problems))

    def _macro(self, file: Path) -> tuple[str, list[Problem]]:
        where = file.relative_to(self.root).as_posix()
        try:
            if leads_out(file, self.root):
                raise OSError(0, "a link that leads out of the folder of all pipelines")
            text = read_source(file)
        except OSError as error:
            return "", [Problem(where, 0, 0, "", f"cannot be read: {error.strerror}", code="AM632")]
        if len(text) > MACROS_LIMIT:
            return text, []
        from airflow_materialize.definition.inheritance.rendering import syntax_error

        broken = syntax_error(text)
        hint = "{% macro name(…) %} … {% endmacro %}"
        return text, [
            Problem(where, broken[0], 1, "", f"the macro cannot be read: {broken[1]}", hint, code="AM632")
        ] if broken else []

    def _listing(self, folder: Path) -> frozenset[str]:
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))  # noqa: PTH208  # The names alone, once per folder.
            except OSError:
                self._names[folder] = frozenset()
        return self._names[folder]

    def _file(self, folder: Path, names: tuple[str, ...]) -> Path | None:
        there = self._listing(folder)
        return next((folder / name for name in names if name in there and is_file(folder / name)), None)

    def _bytes(self, file: Path) -> bytes:
        """Return a file's content; nothing where it is none, or a link that leads out: the worker refuses it."""
        try:
            return file.read_bytes() if is_file(file) and not leads_out(file, self.root) else b""
        except OSError:
            return b""


def _upwards(folder: Path, last: Path) -> Iterator[Path]:
    yield folder
    while folder not in {last, folder.parent}:
        folder = folder.parent
        yield folder
