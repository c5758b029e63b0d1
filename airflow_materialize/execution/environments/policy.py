"""What the platform lets assets ask for: the setting `requirements`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from airflow_materialize.errors import AssetError, Problem
from airflow_materialize.execution.environments.requirement_lines import RequirementLine, Requirements

# They let uv accept less, never more.
_STRICTER = re.compile(r"--(require-hashes|only-binary[\s=].*|no-build)")
_REMOVE = "remove it: indexes come from the platform"
_PIN = "write it as name==version"
_HASHES = "`uv pip compile --generate-hashes` writes them"
# In `[tool.uv]`: they choose among what an index has, and add nothing to it.
_HARMLESS = frozenset({"exclude-newer", "exclude-newer-package", "no-build", "no-build-package"})
_HARMLESS_TABLES = frozenset({"dev-dependencies", "default-groups", "package", "managed", "required-version"})


def check_policy(requirements: Requirements, policy: str) -> None:
    """Refuse what a policy does not allow.

    Under `pinned` each requirement has an exact version, or a constraint that gives it one, and comes from the indexes
    of the platform. Under `locked` each has its hashes, too. A `uv.lock` is looked at when it is used.

    Raises:
        AssetError: With every line that is refused.
    """
    if policy == "open":
        return
    problems = [
        refusal(line.file, line.number, what, fix, policy) for line, what, fix in _refused(requirements, policy)
    ]
    if requirements.tool_uv_keys - _HARMLESS - _HARMLESS_TABLES and requirements.path:
        named = ", ".join(sorted(requirements.tool_uv_keys - _HARMLESS - _HARMLESS_TABLES))
        what = f"[tool.uv] sets {named}"
        problems.append(refusal(requirements.path, requirements.tool_uv_line, what, _REMOVE, policy))
    if problems:
        raise AssetError(problems)


def refusal(file: object, number: int, what: str, fix: str, policy: str) -> Problem:
    """Return the problem for one line that a policy refuses."""
    message = f"{what}, which the policy [materialize] requirements = {policy} refuses"
    looser = "open" if policy == "pinned" else "pinned or open"
    hint = f"{fix}; the platform team allows it by setting requirements = {looser}"
    return Problem(str(file), number, 1, "", message, hint, code="AM707")


def _refused(requirements: Requirements, policy: str) -> Iterator[tuple[RequirementLine, str, str]]:
    """Give each line that is refused, what is wrong with it, and what would be right."""
    constrained = {line.name for line in requirements.lines if line.constraint and _is_pinned(line)}
    for line in requirements.lines:
        if line.is_include or _STRICTER.fullmatch(line.text):
            continue
        if line.is_option or not line.name or _has_url(line):
            yield line, f"{line.shown!r} {_kind(line)}", _REMOVE if line.is_option else _PIN
        elif line.constraint or requirements.uv_lock:
            continue
        elif not _is_pinned(line) and (policy == "locked" or line.name not in constrained):
            yield line, f"{line.shown!r} is not pinned", _PIN
        elif policy == "locked" and "--hash=" not in line.options:
            yield line, f"{line.shown!r} has no hash", _HASHES


def _is_pinned(line: RequirementLine) -> bool:
    specifiers = list(SpecifierSet(str(_parsed(line).specifier)))
    return any(each.operator in ("==", "===") and not each.version.endswith(".*") for each in specifiers)


def _has_url(line: RequirementLine) -> bool:
    return bool(_parsed(line).url)


def _parsed(line: RequirementLine) -> Requirement:
    return Requirement(line.text.removesuffix(line.options))


def _kind(line: RequirementLine) -> str:
    for kind, pattern in _KINDS:
        if re.search(pattern, line.text):
            return kind
    return "is a path"


# The first that is found says what a line is.
_KINDS = (
    ("is filled in from the environment", r"\$\{"),
    ("is an editable path", r"^(-e|--editable)"),
    ("is an option that says where packages come from", r"^-"),
    ("is a repository", r"(^|@\s*)(git|hg|svn|bzr)\+"),
    ("is a URL", r"https?://|file://|s3://"),
)
