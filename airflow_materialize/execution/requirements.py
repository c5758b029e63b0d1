"""What an asset needs: its requirements file, with everything that it includes, and its Python version."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from airflow_materialize.errors import AssetError, MaterializeError, Problem

OLDEST_PYTHON, NEWEST_PYTHON = (3, 9), (3, 14)

_IMAGE = re.compile(r"python:(\d+)\.(\d+)")
_VERSION = re.compile(r"(\d+)\.(\d+)(\.\d+)?")
_COMMENT = re.compile(r"(^|\s+)#.*$")
_INCLUDE = re.compile(r"(?:-[rc]\s*|--(?:requirement|constraint)(?:\s+|\s*=\s*))(?P<target>.*)")
# What stands before a package's options, as in `six==1.17.0 --hash=sha256:…`.
_WITH_OPTIONS = re.compile(r"(?P<requirement>.*?)(?P<options>\s--\w.*)?")
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True)
class RequirementLine:
    """One line of a requirements file, or one entry of `dependencies` in a `pyproject.toml`.

    Attributes:
        file: The file that has it.
        number: Counted from 1; the first one of a continued line.
        text: Without comment and continuation marks.
        name: The package in its normal form; empty for an option, a path and a URL.
        options: The package's own options, as `--hash=sha256:…`.
    """

    file: Path
    number: int
    text: str
    name: str = ""
    options: str = ""

    @property
    def is_option(self) -> bool:
        """Whether it holds for the file as a whole, as `--index-url` does."""
        return self.text.startswith("-") and not self.text.startswith(("-e", "--editable"))

    @property
    def is_include(self) -> bool:
        """Whether it names another file, whose lines follow it."""
        return _INCLUDE.fullmatch(self.text) is not None

    @property
    def may_be_relative(self) -> bool:
        """Whether it may name a place relative to the requirements file."""
        if self.is_option:
            return self.text.startswith(("-f", "--find-links"))
        return not self.name or "@" in self.text


@dataclass(frozen=True)
class Requirements:
    """What an asset's environment is made from.

    Attributes:
        path: The file; None where there is none.
        lines: Its lines, each include followed by the lines of the file that it names.
        requires_python: `requires-python` of a `pyproject.toml`.
        tool_uv: The table `[tool.uv]` of a `pyproject.toml` as JSON: it says where packages come from.
    """

    path: Path | None = None
    lines: tuple[RequirementLine, ...] = ()
    requires_python: str = ""
    tool_uv: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the content, hexadecimal. The place counts only where a line may be relative to it."""
        texts = [line.text for line in self.lines]
        relative = self.tool_uv or any(line.may_be_relative for line in self.lines)
        place = str(self.path.parent) if self.path and relative else ""
        return hashlib.sha256(json.dumps([texts, self.tool_uv, place]).encode()).hexdigest()


def find_requirements(asset_file: Path, stop: Path) -> Requirements:
    """Find and read what an asset needs.

    A `requirements.txt` in any folder from the asset's up to `stop` wins over a nearer `pyproject.toml`, and of two the
    nearer one counts, as in Bruin. A `pyproject.toml` without `[project]` (settings of a linter) is passed over.

    Args:
        asset_file: The asset.
        stop: The last folder that is searched: the repository's root, else that of the pipelines.

    Raises:
        AssetError: The file cannot be used as it is written.
    """
    folders = list(_folders(asset_file.absolute(), stop.absolute()))
    for folder in folders:
        path = folder / "requirements.txt"
        if path.is_file():
            return Requirements(path, tuple(_read_lines(path, stop.absolute(), ())))
    for folder in folders:
        path = folder / "pyproject.toml"
        if path.is_file() and (requirements := _read_pyproject(path)):
            return requirements
    return Requirements()


def python_version(image: str, requirements: Requirements, default: str) -> str:
    """Return the Python version for an asset, as `3.12`, or the path of an interpreter.

    Args:
        image: The header's `image`; only `python:3.X` has a meaning.
        requirements: Their `requires_python` is a condition, and chooses nothing.
        default: The setting `python`, a version or a path; if empty, the worker's own version.

    Raises:
        MaterializeError: The version is not one that assets run on, or `requires-python` excludes it.
    """
    if image:
        match = _IMAGE.fullmatch(image.strip())
        if not match:
            raise MaterializeError(f"image: {image!r} is not a Python version", hint="write it as python:3.12")
        version, origin = f"{match[1]}.{match[2]}", f"image: {image.strip()}"
    elif default:
        version, origin = default, f"the setting [materialize] python = {default}"
    else:
        version, origin = f"{sys.version_info.major}.{sys.version_info.minor}", "the worker's own version"
    if match := _VERSION.fullmatch(version):
        check_supported(version, origin)
        candidates = [version] if match[3] else [f"{version}.{patch}" for patch in range(100)]
        check_requires_python(candidates, requirements, f"Python {version} ({origin})")
    return version


def is_supported(version: str) -> bool:
    """Whether assets run on this version of Python."""
    return OLDEST_PYTHON <= Version(version).release[:2] <= NEWEST_PYTHON


def check_supported(version: str, origin: str) -> None:
    """Raise MaterializeError unless assets run on this version of Python."""
    if not is_supported(version):
        oldest, newest = (".".join(map(str, each)) for each in (OLDEST_PYTHON, NEWEST_PYTHON))
        raise MaterializeError(f"{origin} is Python {version}", hint=f"assets run on CPython {oldest} to {newest}")


def check_requires_python(versions: list[str], requirements: Requirements, subject: str) -> None:
    """Raise MaterializeError if `requires-python` excludes each of the versions."""
    condition = SpecifierSet(requirements.requires_python)
    if not any(condition.contains(version, prereleases=True) for version in versions):
        raise MaterializeError(
            f"{requirements.path}: requires-python is {requirements.requires_python!r}, which excludes {subject}",
            hint="name a version that fits in the header, as `image: python:3.12`, or change requires-python",
        )


def _folders(asset_file: Path, stop: Path) -> Iterator[Path]:
    """Give the folders from the asset's up to `stop`; an asset outside of `stop` has its own folder alone."""
    yield asset_file.parent
    if stop in asset_file.parent.parents:
        for folder in asset_file.parent.parents:
            yield folder
            if folder == stop:
                return


def _read_lines(path: Path, stop: Path, including: tuple[Path, ...]) -> Iterator[RequirementLine]:
    """Give the lines of a requirements file, each include followed by the lines of its file."""
    for number, text in _logical_lines(path, _read_text(path)):
        include = _INCLUDE.fullmatch(text)
        if not include:
            yield _parse_line(path, number, text)
            continue
        yield RequirementLine(path, number, text)
        real = (path.parent / include["target"].strip("\"'")).resolve()
        if "://" in include["target"] or not real.is_relative_to(stop.resolve()):
            raise _problem(path, number, f"{text!r} includes a file from outside {stop}", "copy the file to here")
        # As the user knows it: below a link, `..` has another meaning in the text than on the disk.
        target = stop / real.relative_to(stop.resolve())
        if not target.is_file():
            raise _problem(path, number, f"{text!r}: there is no file {target}", "a path relative to this file")
        if real in (path.resolve(), *including):
            raise _problem(path, number, f"{text!r} includes a file that includes this one", "remove one of the two")
        yield from _read_lines(target, stop, (*including, path.resolve()))


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _problem(path, 0, f"is not UTF-8 (byte {error.start})", "save it as UTF-8") from error
    except OSError as error:
        raise _problem(path, 0, f"cannot be read: {error.strerror}", "make it readable for the worker") from error


def _logical_lines(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Give number and text of each line that says something; a backslash at its end continues a line."""
    start, parts = 0, []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        start = start or number
        bare = _COMMENT.sub("", line)
        if "\0" in bare:
            raise _problem(path, number, "has a NUL character", "save it as plain UTF-8 text")
        continued = bare.endswith("\\") and number < len(lines)
        parts.append(bare.removesuffix("\\"))
        if not continued:
            if joined := " ".join(part.strip() for part in parts).strip():
                yield start, joined
            start, parts = 0, []


def _parse_line(path: Path, number: int, text: str) -> RequirementLine:
    match = _WITH_OPTIONS.fullmatch(text)
    requirement, options = (match["requirement"], (match["options"] or "").strip()) if match else (text, "")
    # Paths, URLs and what uv expands from its environment are uv's to judge.
    if requirement.startswith(("-", ".", "/", "~")) or "${" in text or _is_archive(requirement):
        return RequirementLine(path, number, text, options=options)
    return RequirementLine(path, number, text, _package(path, number, requirement), options)


def _is_archive(requirement: str) -> bool:
    named = re.match(r"[\w.-]+\s*(\[[^]]*])?\s*@", requirement)
    bare = requirement.partition(";")[0].strip()
    return not named and ("://" in bare or "/" in bare or bare.endswith((".whl", ".tar.gz", ".zip")))


def _package(path: Path, number: int, requirement: str) -> str:
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement as error:
        what, *marked = str(error).splitlines()
        column = marked[-1].index("^") - 3 if marked and "^" in marked[-1] else 1
        message = f"{requirement!r} is not a requirement: {what[:1].lower()}{what[1:]}"
        raise _problem(path, number, message, "write it as pandas>=2.2,<3", column) from error


def _read_pyproject(path: Path) -> Requirements | None:
    """Read a `pyproject.toml`; None if it describes no project."""
    text = _read_text(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line, column = (int(place[1]), int(place[2])) if place and place[1] else (len(text.splitlines()) or 1, 1)
        message = f"is not TOML: {_TOML_PLACE.sub('', str(error))}"
        raise _problem(path, line, message, "correct its syntax", column) from error
    project = document.get("project")
    if not isinstance(project, dict):
        return None
    dependencies = project.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(each, str) for each in dependencies):
        message = "project.dependencies is not a list of texts"
        raise _problem(path, _line_of("dependencies", text), message, 'write it as ["pandas>=2.2"]')
    lines = tuple(_parse_dependency(path, _line_of(each, text), each) for each in dependencies)
    tool_uv = document.get("tool", {}).get("uv")
    sources = json.dumps(tool_uv, sort_keys=True, default=str) if tool_uv else ""
    return Requirements(path, lines, _requires_python(path, project, text), sources)


def _parse_dependency(path: Path, number: int, text: str) -> RequirementLine:
    return RequirementLine(path, number, text, _package(path, number, text))


def _requires_python(path: Path, project: dict[str, Any], text: str) -> str:
    condition = project.get("requires-python", "")
    try:
        SpecifierSet(condition)
    except (InvalidSpecifier, TypeError, AttributeError) as error:
        message = f"requires-python {condition!r} is no version condition"
        raise _problem(path, _line_of("requires-python", text), message, 'write it as ">=3.11"') from error
    return str(condition)


def _line_of(needle: str, text: str) -> int:
    """Return the number of the line that has the text; 1 where escapes hide it."""
    return next((number for number, line in enumerate(text.splitlines(), 1) if needle in line), 1)


def _problem(path: Path, line: int, message: str, hint: str, column: int = 1) -> AssetError:
    return AssetError([Problem(str(path), line, column, "", message, hint)])
