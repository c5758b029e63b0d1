"""The lines of requirements files: what each asks for, and where it stands."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from airflow_materialize.errors import AssetError, Problem

_COMMENT = re.compile(r"(^|\s+)#.*$")
_INCLUDE = re.compile(r"(?:-[rc]\s*|--(?:requirement|constraint)(?:\s+|\s*=\s*))(?P<target>.*)")
# What stands before a package's options, as in `six==1.17.0 --hash=sha256:…`.
_WITH_OPTIONS = re.compile(r"(?P<requirement>.*?)(?P<options>\s--\w.*)?")


@dataclass(frozen=True)
class RequirementLine:
    """One line of a requirements file, or one entry of `dependencies` in a `pyproject.toml` or a script.

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
        requires_python: `requires-python` of a `pyproject.toml` or a script.
        tool_uv: The table `[tool.uv]` beside that as JSON: it says where packages come from.
        inline: Whether the file is the script itself, with a block `# /// script`.
    """

    path: Path | None = None
    lines: tuple[RequirementLine, ...] = ()
    requires_python: str = ""
    tool_uv: str = ""
    inline: bool = False

    @property
    def place(self) -> str:
        """Where a package is to be added, in words."""
        return f"the block `# /// script` of {self.path}" if self.inline else str(self.path)

    @property
    def digest(self) -> str:
        """SHA-256 of the content, hexadecimal. The place counts only where a line may be relative to it."""
        texts = [line.text for line in self.lines]
        relative = self.tool_uv or any(line.may_be_relative for line in self.lines)
        place = str(self.path.parent) if self.path and relative else ""
        return hashlib.sha256(json.dumps([texts, self.tool_uv, place]).encode()).hexdigest()


def read_lines(path: Path, stop: Path, including: tuple[Path, ...] = ()) -> Iterator[RequirementLine]:
    """Give the lines of a requirements file, each include followed by the lines of its file.

    Args:
        path: The file.
        stop: Outside of this folder no file is read.
        including: The files that include this one.

    Raises:
        AssetError: A line cannot be used.
    """
    for number, text in _logical_lines(path, read_text(path)):
        include = _INCLUDE.fullmatch(text)
        if not include:
            yield _parse_line(path, number, text)
            continue
        yield RequirementLine(path, number, text)
        real = (path.parent / include["target"].strip("\"'")).resolve()
        if "://" in include["target"] or not real.is_relative_to(stop.resolve()):
            message = f"{text!r} includes a file from outside {stop}"
            raise problem(path, number, message, "copy the file to here", code="AM703")
        # As the user knows it: below a link, `..` has another meaning in the text than on the disk.
        target = stop / real.relative_to(stop.resolve())
        if not target.is_file():
            message = f"{text!r}: there is no file {target}"
            raise problem(path, number, message, "a path relative to this file", code="AM703")
        if real in (path.resolve(), *including):
            message = f"{text!r} includes a file that includes this one"
            raise problem(path, number, message, "remove one of the two", code="AM703")
        yield from read_lines(target, stop, (*including, path.resolve()))


def read_text(path: Path) -> str:
    """Return the text of a file, or raise AssetError where it cannot be read."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise problem(path, 0, f"is not UTF-8 (byte {error.start})", "save it as UTF-8", code="AM701") from error
    except OSError as error:
        hint = "make it readable for the worker"
        raise problem(path, 0, f"cannot be read: {error.strerror}", hint, code="AM701") from error


def _logical_lines(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Give number and text of each line that says something; a backslash at its end continues a line."""
    start, parts = 0, []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        start = start or number
        bare = _COMMENT.sub("", line)
        if "\0" in bare:
            raise problem(path, number, "has a NUL character", "save it as plain UTF-8 text", code="AM701")
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
    return RequirementLine(path, number, text, package(path, number, requirement), options)


def _is_archive(requirement: str) -> bool:
    named = re.match(r"[\w.-]+\s*(\[[^]]*])?\s*@", requirement)
    bare = requirement.partition(";")[0].strip()
    return not named and ("://" in bare or "/" in bare or bare.endswith((".whl", ".tar.gz", ".zip")))


def package(path: Path, number: int, requirement: str) -> str:
    """Return the package that a requirement is about, or raise AssetError at its line where it is none."""
    try:
        return canonicalize_name(Requirement(requirement).name)
    except InvalidRequirement as error:
        what, *marked = str(error).splitlines()
        column = marked[-1].index("^") - 3 if marked and "^" in marked[-1] else 1
        message = f"{requirement!r} is not a requirement: {what[:1].lower()}{what[1:]}"
        raise problem(path, number, message, "write it as pandas>=2.2,<3", column, code="AM702") from error


def problem(path: Path, line: int, message: str, hint: str, column: int = 1, *, code: str) -> AssetError:
    """Return the error for one line of a file."""
    return AssetError([Problem(str(path), line, column, "", message, hint, code=code)])
