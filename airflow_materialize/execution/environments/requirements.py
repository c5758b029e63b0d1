"""What an asset needs: its requirements file, with everything that it includes, and its Python version."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.environments.policy import check_policy
from airflow_materialize.execution.environments.project_metadata import read_pyproject, read_script
from airflow_materialize.execution.environments.requirement_lines import RequirementLine, Requirements, read_lines

__all__ = ["RequirementLine", "Requirements", "find_requirements", "python_version"]

OLDEST_PYTHON, NEWEST_PYTHON = (3, 9), (3, 14)

_IMAGE = re.compile(r"python:(\d+)\.(\d+)")
_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")


def find_requirements(asset_file: Path, stop: Path, policy: str = "open") -> Requirements:
    """Find and read what an asset needs.

    A block `# /// script` in the asset's file counts alone, as for `uv run`. Else a `requirements.txt` in any folder
    from the asset's up to `stop` wins over a nearer `pyproject.toml`, and of two the nearer one counts, as in Bruin. A
    `pyproject.toml` without `[project]` (settings of a linter) is passed over.

    Args:
        asset_file: The asset.
        stop: The last folder that is searched: the repository's root, else that of the pipelines.
        policy: The setting `requirements`.

    Raises:
        AssetError: The file cannot be used as it is written, or asks for what the policy refuses.
    """
    found = replace(_find(asset_file, stop), policy=policy)
    check_policy(found, policy)
    return found


def _find(asset_file: Path, stop: Path) -> Requirements:
    if inline := read_script(asset_file.absolute()):
        return inline
    folders = list(_folders(asset_file.absolute(), stop.absolute()))
    for folder in folders:
        path = folder / "requirements.txt"
        if path.is_file():
            return Requirements(path, tuple(read_lines(path, stop.absolute())))
    for folder in folders:
        path = folder / "pyproject.toml"
        if path.is_file() and (requirements := read_pyproject(path, stop.absolute())):
            return requirements
    return Requirements()


def python_version(image: str, requirements: Requirements, default: str) -> str:
    """Return the Python version for an asset, as `3.12`, or the path of an interpreter.

    Args:
        image: The header's `image`; only `python:3.X` has a meaning.
        requirements: Where `requires_python` excludes the default, the oldest version that it allows is taken.
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
    if _VERSION.fullmatch(version):
        check_supported(version, origin)
        if not image and not _is_allowed(_patches(version), requirements):
            older = (f"3.{minor}" for minor in range(OLDEST_PYTHON[1], NEWEST_PYTHON[1] + 1))
            version = next((each for each in older if _is_allowed(_patches(each), requirements)), version)
        check_requires_python(_patches(version), requirements, f"Python {version} ({origin})")
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
    if not _is_allowed(versions, requirements):
        raise MaterializeError(
            f"{requirements.path}: requires-python is {requirements.requires_python!r}, which excludes {subject}",
            hint="name a version that fits in the header, as `image: python:3.12`, or change requires-python",
        )


def _patches(version: str) -> list[str]:
    """Return the versions that may be meant by one without a patch."""
    return [f"{version}.{patch}" for patch in range(100)] if version.count(".") == 1 else [version]


def _is_allowed(versions: list[str], requirements: Requirements) -> bool:
    condition = SpecifierSet(requirements.requires_python)
    return any(condition.contains(version, prereleases=True) for version in versions)


def _folders(asset_file: Path, stop: Path) -> Iterator[Path]:
    """Give the folders from the asset's up to `stop`; an asset outside of `stop` has its own folder alone."""
    yield asset_file.parent
    if stop in asset_file.parent.parents:
        for folder in asset_file.parent.parents:
            yield folder
            if folder == stop:
                return
