"""The lines of requirements files: what each asks for, and where it stands."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from airflow_materialize.errors import AssetError, Problem
from airflow_materialize.execution.environments.local_content import content_digest

_COMMENT = re.compile(r"(^|\s+)#.*$")
_INCLUDE = re.compile(r"(?:-[rc]\s*|--(?:requirement|constraint)(?:\s+|\s*=\s*))(?P<target>.*)")
_LINKS = re.compile(r"(?:-f\s*|--find-links(?:\s+|\s*=\s*))(?P<target>.*)")
# What stands before a package's options, as in `six==1.17.0 --hash=sha256:…`.
_WITH_OPTIONS = re.compile(r"(?P<requirement>.*?)(?P<options>\s--\w.*)?")
# A member of a workspace, and a package from a path, as a `uv.lock` writes them.
_LOCAL_IN_LOCK = re.compile(r'name = "([^"]+)"\n(?:version = .*\n)?source = { (?:editable|directory) = "([^"]+)" }')


@dataclass(frozen=True)
class RequirementLine:
    """One line of a requirements file, or one entry of `dependencies` in a `pyproject.toml` or a script.

    Attributes:
        file: The file that has it.
        number: Counted from 1; the first one of a continued line.
        text: Without comment and continuation marks.
        name: The package in its normal form; empty for an option, a path and a URL.
        options: The package's own options, as `--hash=sha256:…`.
        constraint: Whether it only limits what others ask for: its file is included with `-c`.
    """

    file: Path
    number: int
    text: str
    name: str = ""
    options: str = ""
    constraint: bool = False

    @property
    def is_option(self) -> bool:
        """Whether it holds for the file as a whole, as `--index-url` does."""
        return self.text.startswith("-") and not self.text.startswith(("-e", "--editable"))

    @property
    def shown(self) -> str:
        """The line, without a credential in its URL."""
        return re.sub(r"://[^/@\s]*@", "://***@", self.text)

    @property
    def is_include(self) -> bool:
        """Whether it names another file, whose lines follow it."""
        return _INCLUDE.fullmatch(self.text) is not None

    @property
    def may_be_relative(self) -> bool:
        """Whether it may name a place relative to the requirements file."""
        if self.is_option:
            return _LINKS.fullmatch(self.text) is not None
        return not self.name or "@" in self.text

    @property
    def anywhere(self) -> str:
        """The line as it means the same in a file of another folder."""
        links = _LINKS.fullmatch(self.text)
        folder = self.file.parent / links["target"].strip("\"'") if links else None
        return f"--find-links {folder.absolute().as_uri()}" if folder and folder.exists() else self.text

    @property
    def local_path(self) -> str:
        """The path of the package's file or folder on this machine, as it is written; empty where there is none."""
        if self.is_option or self.text.startswith("-") or (self.name and "@" not in self.text):
            return ""
        target = self.text.partition("@")[2] if self.name else self.text
        path = re.split(r"\s+;|\s--|\[", target.strip())[0].strip()
        return "" if "://" in path.removeprefix("file://") or "${" in path else path.removeprefix("file://")


@dataclass(frozen=True)
class Requirements:
    """What an asset's environment is made from.

    Attributes:
        path: The file; None where there is none.
        lines: Its lines, each include followed by the lines of the file that it names.
        requires_python: `requires-python` of a `pyproject.toml` or a script.
        tool_uv: The table `[tool.uv]` beside that as JSON: it says where packages come from.
        inline: Whether the file is the script itself, with a block `# /// script`.
        tool_uv_line: Where that table starts.
        project: The name of the project of a `pyproject.toml`.
        uv_lock: The `uv.lock` that belongs to the file. What it says is installed, and nothing is resolved.
        policy: The setting `requirements` that they were found under.
    """

    path: Path | None = None
    lines: tuple[RequirementLine, ...] = ()
    requires_python: str = ""
    tool_uv: str = ""
    inline: bool = False
    tool_uv_line: int = 1
    project: str = ""
    uv_lock: Path | None = None
    policy: str = "open"

    @property
    def place(self) -> str:
        """Where a package is to be added, in words."""
        return f"the block `# /// script` of {self.path}" if self.inline else str(self.path)

    @property
    def tool_uv_keys(self) -> frozenset[str]:
        """What `[tool.uv]` sets."""
        return frozenset(json.loads(self.tool_uv)) if self.tool_uv else frozenset()

    @property
    def is_particular(self) -> bool:
        """Whether more than the names and versions of packages decides on what is installed."""
        particular = (line.may_be_relative or (line.is_option and not line.is_include) for line in self.lines)
        return self.policy == "locked" or bool(self.tool_uv) or any(particular)

    @property
    def digest(self) -> str:
        """SHA-256 of the content, hexadecimal. The place counts only where a line may be relative to it."""
        texts = [(line.text, line.constraint) for line in self.lines]
        relative = self.tool_uv or any(line.may_be_relative for line in self.lines)
        place = str(self.path.parent) if self.path and relative else ""
        frozen = hashlib.sha256(self.uv_lock.read_bytes()).hexdigest() if self.uv_lock else ""
        contents = [content_digest(path) for _, path in self.local_packages]
        parts = [texts, self.tool_uv, place, frozen, self.policy, *contents]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def local_packages(self) -> list[tuple[str, Path]]:
        """The packages that are built from files of this machine: the name where it is known, and the path.

        An editable one is none of them: it is used as it is at any time.
        """
        if not self.path:
            return []
        tool = json.loads(self.tool_uv) if self.tool_uv else {}
        sources = tool.get("sources")
        found = [(line.name, self.path.parent / line.local_path) for line in self.lines if line.local_path]
        for name, given in sources.items() if isinstance(sources, dict) else ():
            paths = (
                each.get("path") for each in (given if isinstance(given, list) else [given]) if isinstance(each, dict)
            )
            found += [(name, self.path.parent / path) for path in paths if isinstance(path, str)]
        if self.uv_lock:
            locked = _LOCAL_IN_LOCK.findall(self.uv_lock.read_text())
            found += [(name, self.uv_lock.parent / path) for name, path in locked if name != self.project]
        return found


def read_lines(
    path: Path, stop: Path, including: tuple[Path, ...] = (), *, constraint: bool = False
) -> Iterator[RequirementLine]:
    """Give the lines of a requirements file, each include followed by the lines of its file.

    Args:
        path: The file.
        stop: Outside of this folder no file is read.
        including: The files that include this one.
        constraint: Whether one of these includes it with `-c`.

    Raises:
        AssetError: A line cannot be used.
    """
    for number, text in _logical_lines(path, read_text(path)):
        include = _INCLUDE.fullmatch(text)
        if not include:
            yield replace(_parse_line(path, number, text), constraint=constraint)
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
        limits = constraint or text.startswith(("-c", "--constraint"))
        yield from read_lines(target, stop, (*including, path.resolve()), constraint=limits)


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
