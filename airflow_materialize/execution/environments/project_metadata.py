"""What a project or a single script says that it needs: `pyproject.toml`, and the block `# /// script` of PEP 723."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from airflow_materialize.errors import AssetError
from airflow_materialize.execution.environments.requirement_lines import (
    RequirementLine,
    Requirements,
    package,
    problem,
    read_text,
)

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_OPENING = "# /// script"
_CLOSING = "# ///"
_ALMOST_OPENING = re.compile(r"#[ \t]*///[ \t]*script[ \t]*")
_FIELDS = ("dependencies", "requires-python", "tool")


@dataclass(frozen=True)
class _Toml:
    """TOML text within a file.

    Attributes:
        path: The file.
        text: The TOML.
        code: The code of its problems.
        before: The lines of the file that stand above it.
        margin: The characters that stand before each of its lines.
    """

    path: Path
    text: str
    code: str
    before: int = 0
    margin: int = 0

    def parsed(self) -> dict[str, Any]:
        """Return its content, or raise AssetError where it is no TOML."""
        # Most assets have a requirements.txt, and their first line waits for this.
        import tomllib

        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            place = _TOML_PLACE.search(str(error))
            known = place and place[1]
            line, column = (int(place[1]), int(place[2])) if place and known else (len(self.text.splitlines()) or 1, 1)
            message = f"is not TOML: {_TOML_PLACE.sub('', str(error))}"
            raise self.problem(line, message, "correct its syntax", column) from error

    def problem(self, line: int, message: str, hint: str, column: int = 1) -> AssetError:
        """Return an error at a line of the TOML."""
        return problem(self.path, self.before + line, message, hint, self.margin + column, code=self.code)

    def line_of(self, needle: str) -> int:
        """Return the number of the line that has a text; 1 where escapes hide it."""
        return next((number for number, line in enumerate(self.text.splitlines(), 1) if needle in line), 1)

    def requirements(self, table: dict[str, Any], field: str, tool: Any, *, inline: bool = False) -> Requirements:
        """Return what `dependencies` and `requires-python` of a table ask for.

        Args:
            table: The table that has them.
            field: What messages call its `dependencies`.
            tool: The table `[tool]`.
            inline: Whether it stands in the script that it is about.
        """
        dependencies = table.get("dependencies", [])
        if not isinstance(dependencies, list) or not all(isinstance(each, str) for each in dependencies):
            hint = 'write it as ["pandas>=2.2"]'
            raise self.problem(self.line_of("dependencies"), f"{field} is not a list of texts", hint)
        lines = []
        for text in dependencies:
            number = self.before + self.line_of(text)
            lines.append(RequirementLine(self.path, number, text, package(self.path, number, text)))
        tool_uv = tool.get("uv") if isinstance(tool, dict) else None
        tool_uv = tool_uv if isinstance(tool_uv, dict) else None
        return Requirements(
            self.path,
            tuple(lines),
            self._requires_python(table),
            json.dumps(tool_uv, sort_keys=True, default=str) if tool_uv else "",
            inline=inline,
            tool_uv_line=self.before + self.line_of("tool.uv"),
        )

    def _requires_python(self, table: dict[str, Any]) -> str:
        condition = table.get("requires-python", "")
        try:
            SpecifierSet(condition)
        except (InvalidSpecifier, TypeError, AttributeError) as error:
            message = f"requires-python {condition!r} is no version condition"
            raise self.problem(self.line_of("requires-python"), message, 'write it as ">=3.11"') from error
        return str(condition)


def read_pyproject(path: Path, stop: Path) -> Requirements | None:
    """Read a `pyproject.toml`, and find its `uv.lock`; None if it describes no project.

    Args:
        path: The file.
        stop: The last folder that is searched for the lock: that of a workspace lies above its members.

    Raises:
        AssetError: It cannot be used as it is written.
    """
    toml = _Toml(path, read_text(path), "AM704")
    document = toml.parsed()
    project = document.get("project")
    if not isinstance(project, dict):
        return None
    found = toml.requirements(project, "project.dependencies", document.get("tool"))
    name = canonicalize_name(str(project.get("name") or ""))
    return replace(found, project=name, uv_lock=_find_lock(path.parent, stop))


def _find_lock(folder: Path, stop: Path) -> Path | None:
    for place in (folder, *(each for each in folder.parents if each.is_relative_to(stop))):
        lock, pyproject = place / "uv.lock", place / "pyproject.toml"
        if lock.is_file() and (place == folder or "[tool.uv.workspace]" in _text_of(pyproject)):
            return lock
    return None


def _text_of(path: Path) -> str:
    return read_text(path) if path.is_file() else ""


def read_script(path: Path) -> Requirements | None:
    """Read the inline metadata of a script; None if it has none.

    Raises:
        AssetError: It cannot be used as it is written.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        # Whether the script can run is said by those who run it.
        return None
    toml = _inline_toml(path, text.splitlines()) if "///" in text else None
    if toml is None:
        return None
    document = toml.parsed()
    for name in document:
        if name not in _FIELDS:
            alike = get_close_matches(name, _FIELDS, 1)
            hint = f"did you mean {alike[0]!r}?" if alike else f"one of: {', '.join(_FIELDS)}"
            raise toml.problem(toml.line_of(name), f"unknown field {name!r} in `# /// script`", hint)
    return toml.requirements(document, "dependencies", document.get("tool"), inline=True)


def _inline_toml(path: Path, lines: list[str]) -> _Toml | None:
    """Return the TOML of the block `# /// script`; its end is the last closing line before the comment ends."""
    found: _Toml | None = None
    number = 0
    while number < len(lines):
        line, start = lines[number], number
        number += 1
        if line != _OPENING:
            if _ALMOST_OPENING.fullmatch(line):
                message = f"{line!r} opens no block of inline metadata"
                raise problem(path, number, message, f"write it as {_OPENING!r}", code="AM706")
            continue
        while number < len(lines) and (lines[number] == "#" or lines[number].startswith("# ")):
            number += 1
        body = lines[start + 1 : number]
        if _CLOSING not in body:
            message = "the block of inline metadata is opened here and never closed"
            raise problem(path, start + 1, message, f"end it with a line {_CLOSING!r}", code="AM706")
        if found:
            message = f"a second block of inline metadata; the first one starts on line {found.before}"
            raise problem(path, start + 1, message, "keep one", code="AM706")
        last = len(body) - 1 - body[::-1].index(_CLOSING)
        text = "\n".join(each[2:] for each in body[:last])
        found = _Toml(path, text, "AM706", before=start + 1, margin=2)
    return found
