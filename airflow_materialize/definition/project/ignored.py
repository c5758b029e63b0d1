"""Python files of assets that Airflow would import, because no `.airflowignore` covers them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from airflow_materialize.definition.model.parsed import ParsedPipeline
from airflow_materialize.definition.text.source import ASSET_FOLDERS, SKIPPED_FOLDERS, is_file
from airflow_materialize.errors import Problem

IGNORE_FILE = ".airflowignore"

_COMMENT = re.compile(r"\s*#.*")
_SPECIAL = re.compile(r"([\[\]!*#?])")

_Rule = Callable[[Path, bool], bool | None]
"""Says of a path, which is a folder or not, whether it is ignored; None where the line is about something else."""


@dataclass(frozen=True)
class Discovery:
    """How Airflow looks for the files that it imports.

    Attributes:
        top: The folder that it walks.
        syntax: What the lines of an `.airflowignore` are.
        safe_mode: Whether it imports those alone that mention it.
    """

    top: Path
    syntax: Literal["glob", "regexp"] = "glob"
    safe_mode: bool = True
    _known: dict[Path, tuple[_Rule, ...] | None] = field(default_factory=dict, repr=False, compare=False)

    def imports(self, file: Path) -> bool:
        """Say whether Airflow imports a Python file. One that cannot be read counts as not imported."""
        if not is_file(file):
            return False
        try:
            content = file.read_bytes().lower() if self.safe_mode else b"airflow dag"
        except OSError:
            return False
        if b"airflow" not in content or not (b"dag" in content or b"asset" in content):
            return False
        rules = self._rules(file.parent)
        return rules is not None and not _is_ignored(file, rules, folder=False)

    def _rules(self, folder: Path) -> tuple[_Rule, ...] | None:
        """The rules for what lies in a folder; None where the folder is ignored."""
        if folder not in self._known:
            above: tuple[_Rule, ...] | None = ()
            if folder != self.top and self.top in folder.parents:
                above = self._rules(folder.parent)
            is_open = above is not None and not _is_ignored(folder, above, folder=True)
            self._known[folder] = (*(above or ()), *self._own_rules(folder)) if is_open else None
        return self._known[folder]

    def _own_rules(self, folder: Path) -> Iterator[_Rule]:
        if not is_file(folder / IGNORE_FILE):
            return
        try:
            text = (folder / IGNORE_FILE).read_text("utf-8", errors="replace")
        except OSError:
            return
        for line in filter(None, (_COMMENT.sub("", line) for line in text.split("\n"))):
            try:
                yield _glob(line, folder) if self.syntax == "glob" else _regexp(line, self.top)
            except ValueError:  # Airflow passes over a line that is no pattern, too.
                continue


def _is_ignored(path: Path, rules: Iterable[_Rule], *, folder: bool) -> bool:
    said = [answer for rule in rules if (answer := rule(path, folder)) is not None]
    return bool(said) and said[-1]


def _glob(line: str, home: Path) -> _Rule:
    """A line as in `.gitignore`: one with a slash inside is about paths below its folder, any other about names."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    pattern = GitIgnoreSpecPattern(line)
    bare = line.removeprefix("!").rstrip()
    has_path = line.startswith("/") or "/" in line.rstrip("/")

    def rule(path: Path, folder: bool) -> bool | None:  # noqa: FBT001  # the shape of all rules
        if pattern.include is None or (bare.endswith("/") and not folder):
            return None
        shown = path.relative_to(home).as_posix() if has_path else path.name
        return pattern.include if pattern.match_file(f"{shown}/" if folder else shown) else None

    return rule


def _regexp(line: str, top: Path) -> _Rule:
    try:
        pattern = re.compile(line)
    except re.error as error:
        raise ValueError(line) from error
    return lambda path, _: True if pattern.search(str(path.relative_to(top))) else None


def discovery_top(root: Path, dags_folder: Path) -> Path:
    """Return the folder that Airflow walks: its DAGs folder, else the topmost one around `root` with an ignore file.

    Args:
        root: The folder of all pipelines.
        dags_folder: Airflow's setting.
    """
    if root == dags_folder or dags_folder in root.parents:
        return dags_folder
    return next((folder for folder in reversed(root.parents) if (folder / IGNORE_FILE).is_file()), root)


def warn_of_imports(pipelines: Iterable[ParsedPipeline], root: Path, discovery: Discovery) -> list[ParsedPipeline]:
    """Give each pipeline a warning for each of its Python files that Airflow would import.

    Args:
        pipelines: What was parsed below `root`.
        root: The folder of all pipelines.
        discovery: How Airflow looks for files.
    """
    return [_with_warnings(pipeline, root, discovery) for pipeline in pipelines]


def _with_warnings(pipeline: ParsedPipeline, root: Path, discovery: Discovery) -> ParsedPipeline:
    found = [
        _warning(file, base, root, discovery)
        for file, base in sorted(_python_files(pipeline, root).items())
        if discovery.imports(file)
    ]
    return replace(pipeline, warnings=(*pipeline.warnings, *found)) if found else pipeline


def _python_files(pipeline: ParsedPipeline, root: Path) -> dict[Path, str]:
    """The Python files of a pipeline, each with the name of the folder of assets that it lies in."""
    files = {root / asset.script: "" for asset in pipeline.assets if asset.script.endswith(".py")}
    for name in ASSET_FOLDERS:
        for folder, folders, names in os.walk(root / pipeline.path / name):
            folders[:] = [inner for inner in folders if inner not in SKIPPED_FOLDERS]
            files |= {Path(folder) / file: name for file in names if file.endswith(".py")}
    return files


def _warning(file: Path, base: str, root: Path, discovery: Discovery) -> Problem:
    where = file.relative_to(root).as_posix()
    if discovery.syntax == "glob":
        line = f"**/{base}/" if base else "/" + _SPECIAL.sub(r"\\\1", where)
    else:
        line = f"(^|/){base}/" if base else f"^{re.escape(file.relative_to(discovery.top).as_posix())}$"
    message = "Airflow imports this file, and so runs it, at every parse"
    hint = f"add the line {line} to {IGNORE_FILE} in the folder of all pipelines"
    return Problem(where, 0, 0, "", message, hint, "warning", code="AM503")
