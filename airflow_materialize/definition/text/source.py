"""Where pipelines, assets and headers are, found by reading text alone: nothing is imported or parsed as Python."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from airflow_materialize.definition.text.comment_form import COMMENT_LINE
from airflow_materialize.definition.text.tree import HEADER_LIMIT
from airflow_materialize.errors import Problem

PIPELINE_FILES = ("pipeline.yml", "pipeline.yaml")
ASSET_FOLDERS = ("assets", "tasks")
YAML_SUFFIXES = ("asset.yml", "asset.yaml", "task.yml", "task.yaml")
OTHER_SUFFIXES = (".sql", ".r")
SKIPPED_FOLDERS = frozenset(
    (
        *(".git", ".github", ".vscode", "node_modules", "dist", "build", "target", "vendor"),
        *(".venv", "venv", ".env", "env", "dbt_packages", "__pycache__"),
    )
)

_LONGEST_CHARACTER = 4
_LEADING_DOCSTRING = re.compile(r"\A(?:[ \t\f]*+(?:#[^\n]*+)?+\n)*+[ \t]*+[rRuU]?(?P<quotes>\"{3}|'{3})")
_OPENING = re.compile(r"\s*@(?:bruin|asset)[ \t]*(?:\n|\Z)")
_CLOSING = re.compile(r"^[ \t]*@(?:bruin|asset)[ \t]*$", re.MULTILINE)
_MENTION = re.compile(r"@bruin\b|(?<=\"\"\")\s*@asset\b|(?<=''')\s*@asset\b|@asset[ \t]*(?=\"\"\"|''')")
_YAML_TYPE = re.compile(r"^type[ \t]*:[ \t]*['\"]?(?P<type>[\w.-]+)", re.MULTILINE)
_YAML_RUN = re.compile(r"^run[ \t]*:[^\n#]*\.py['\"]?[ \t]*(?:#[^\n]*)?$", re.MULTILINE)
_INLINE = re.compile(r"(?:\"{1,3}|'{1,3})?[ \t]*@(?:bruin|asset)[ \t]+\S")


@dataclass(frozen=True)
class Header:
    """The text of a header.

    Attributes:
        text: What stands between the markers; for comment lines the whole file.
        first_line: The line of the file at which the text starts.
        form: `block` in a docstring, `lines` of comments, or a `file` of its own.
        closed: Whether a block ends with a marker.
    """

    text: str
    first_line: int = 1
    form: Literal["block", "lines", "file"] = "block"
    closed: bool = True


@dataclass(frozen=True)
class PipelineFolder:
    """A folder that is a pipeline.

    Attributes:
        path: The folder.
        file: Its `pipeline.yml`, where it has one.
        inside: The pipeline folder that it lies in, which is a mistake.
    """

    path: Path
    file: Path | None = None
    inside: Path | None = None


@dataclass(frozen=True)
class FoundAssets:
    """What the asset folders of a pipeline hold.

    Attributes:
        files: Each file that may be an asset, with the folder that its name counts from, sorted.
        warnings: Files that are left out, and why.
    """

    files: tuple[tuple[Path, Path], ...]
    warnings: tuple[Problem, ...]


def read_source(file: Path, longest: int = HEADER_LIMIT) -> str:
    """Return the start of a file: its text without BOM and with plain newlines. Bytes that are no UTF-8 are surrogates.

    Args:
        file: The file.
        longest: The characters that a text may have. So much is read that a longer one is seen to be longer; a Python
            file has its header in there.

    Raises:
        OSError: The file cannot be read.
    """
    with file.open("rb") as source:
        text = source.read(_LONGEST_CHARACTER * (longest + 1)).decode("utf-8", "surrogateescape")
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def slice_header(text: str) -> Header | None:
    """Return the header of a Python file, or None where it has none.

    The header is a block of YAML in the leading docstring between two lines `@bruin` (or `@asset`), or lines
    `# @bruin.key: value`. Comments may stand above the docstring.
    """
    docstring = _leading_docstring(text)
    if docstring:
        start, end = docstring
        opening = _OPENING.match(text, start, end)
        if opening:
            body = opening.end()
            stop = min(end, body + HEADER_LIMIT + 1)  # Enough to see that a header is too long.
            closing = _CLOSING.search(text, body, stop)
            lines = text[body : closing.start() if closing else stop]
            return Header(lines, text.count("\n", 0, body) + 1, closed=bool(closing) or stop < end)
    if "@bruin." in text or "@asset." in text:
        first = COMMENT_LINE.search(text)
        if first:
            return Header(text, form="lines")
    return None


def yaml_type(text: str) -> str:
    """Return the type of a YAML-defined asset: what it says, else `python` where it runs a Python file."""
    said = _YAML_TYPE.search(text)
    if said:
        return said["type"].lower()
    return "python" if _YAML_RUN.search(text) else ""


def explain_missing_header(text: str) -> tuple[int, str, str] | None:
    """Say why a file that mentions a marker has no header: its line, what is wrong, what would be right."""
    mention = _MENTION.search(text)
    if not mention:
        return None
    at = mention.end() - len(mention.group().strip())
    line = text.count("\n", 0, at) + 1
    start = text.rfind("\n", 0, at) + 1
    words = text[start:].partition("\n")[0].strip()
    docstring = _leading_docstring(text)
    if docstring and at < docstring[1] and not text[text.find("\n", at) % len(text) : docstring[1]].strip():
        return line, "the header is closed here and never opened", 'open it with a line """@bruin'
    if words.startswith("#"):
        return line, "the comment is no header line", "# @bruin.key: value, from the first column"
    if _INLINE.match(words):
        return line, "text follows the marker on its line", 'the line ends with """@bruin'
    if words.startswith(('"', "'")) and not docstring:
        return line, "the header is not the first statement of the file", "move it above the code"
    return line, "the marker stands outside of a header", 'a header starts the file with """@bruin'


def leads_out(file: Path, root: Path) -> bool:
    """Say whether a path, or a link that stands there, leads out of a folder."""
    # Unlike `Path.resolve`, this gives an answer for a link to itself as well.
    return not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(root))


def is_file(path: Path) -> bool:
    """Say whether a file stands there; not where the path is longer than the system takes."""
    try:
        return path.is_file()
    except OSError:
        return False


def find_pipelines(root: Path) -> list[PipelineFolder]:
    """Return the pipelines below a folder, sorted by path.

    A pipeline is a folder with a `pipeline.yml`, or one directly below `root` that has asset files; `root` itself
    where it is one. Symbolic links to folders are not followed.
    """
    found: list[PipelineFolder] = []
    places: set[Path] = set()
    for folder, files in _walk(root):
        file = next((folder / name for name in PIPELINE_FILES if name in files and (folder / name).is_file()), None)
        if file:
            outer = next((parent for parent in folder.parents if parent in places), None)
            found.append(PipelineFolder(folder, file, outer))
            places.add(folder)
    if any(pipeline.path == root for pipeline in found):
        return found
    if not found and any(base != root for _, base in _asset_files(root)):
        return [PipelineFolder(root)]
    named = {pipeline.path for pipeline in found}
    children = [root / name for name in _entries(root)[0] if name not in SKIPPED_FOLDERS]
    bare = [
        PipelineFolder(child)
        for child in children
        if child not in named and not child.is_symlink() and any(_asset_files(child))
    ]
    if not found and not bare and any(_asset_files(root)):
        return [PipelineFolder(root)]
    return sorted([*found, *bare], key=lambda pipeline: pipeline.path)


def find_assets(pipeline: PipelineFolder, root: Path) -> FoundAssets:
    """Return the files of a pipeline that may be assets.

    Args:
        pipeline: The pipeline.
        root: No file outside of it is read; paths in warnings are relative to it.
    """
    files: list[tuple[Path, Path]] = []
    warnings: list[Problem] = []
    # No link is followed on the way from a base to its files.
    is_inside = cache(lambda base: not leads_out(base, root))
    for file, base in sorted(candidates(pipeline), key=lambda found: found[0].parts):
        kind = _kind(file)
        if not is_inside(base) or (stat.S_ISLNK(kind) and leads_out(file, root)):
            warnings.append(_skipped(file, root, "a link that leads out of the folder of all pipelines"))
        elif file.name.endswith(OTHER_SUFFIXES):
            warnings.append(_skipped(file, root, f"a {file.suffix} file"))
        elif stat.S_ISREG(kind) or (stat.S_ISLNK(kind) and file.is_file()):
            files.append((file, base))
    return FoundAssets(tuple(files), tuple(warnings))


def _kind(file: Path) -> int:
    """Return the mode of what stands there, itself where it is a link; 0 where it is gone."""
    try:
        return os.lstat(file).st_mode
    except OSError:
        return 0


def _skipped(file: Path, root: Path, what: str) -> Problem:
    where = file.relative_to(root).as_posix()
    return Problem(where, 0, 0, "", f"skipped: {what}", "assets are Python files", "warning", code="AM502")


def candidates(pipeline: PipelineFolder) -> Iterator[tuple[Path, Path]]:
    """Yield each file that may be an asset, of any kind, by its own name, with the folder that its name counts from."""
    for name in ASSET_FOLDERS:
        base = pipeline.path / name
        if base.is_dir() and not base.is_symlink():
            for folder, files in _walk(base, stop_at_pipelines=True):
                yield from ((folder / file, base) for file in files if _may_be_asset(file))
    if pipeline.file is None:
        files = _entries(pipeline.path)[1]
        yield from ((pipeline.path / file, pipeline.path) for file in files if _may_be_asset(file))


def _may_be_asset(name: str) -> bool:
    return name.endswith((".py", *YAML_SUFFIXES, *OTHER_SUFFIXES))


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """The folders and files of one folder; none where it cannot be read."""
    _, folders, files = next(os.walk(folder), ("", [], []))
    return folders, files


def _walk(top: Path, *, stop_at_pipelines: bool = False) -> Iterator[tuple[Path, list[str]]]:
    for folder, folders, files in os.walk(top):
        if stop_at_pipelines and any(name in files for name in PIPELINE_FILES):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        yield Path(folder), sorted(files)


def _asset_files(folder: Path) -> Iterator[tuple[Path, Path]]:
    """The assets of a folder without a `pipeline.yml`."""
    found = find_assets(PipelineFolder(folder), folder)
    return (pair for pair in found.files if _is_asset(pair[0]))


def _is_asset(file: Path) -> bool:
    try:
        text = read_source(file)
    except OSError:
        return False
    return slice_header(text) is not None if file.suffix == ".py" else yaml_type(text) == "python"


def _leading_docstring(text: str) -> tuple[int, int] | None:
    """Where the text of the leading docstring starts and ends."""
    opening = _LEADING_DOCSTRING.match(text, 0, HEADER_LIMIT)
    if not opening:
        return None
    end = text.find(opening["quotes"], opening.end())
    return opening.end(), end if end >= 0 else len(text)


def name_from_path(file: Path, base: Path) -> str:
    """Return the name of an asset that gives itself none: its path below `base`, with dots."""
    parts = file.relative_to(base).with_name(_stem(file.name)).parts
    return ".".join(parts)


def _stem(name: str) -> str:
    for suffix in (".asset.yml", ".asset.yaml"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name.rpartition(".")[0]
