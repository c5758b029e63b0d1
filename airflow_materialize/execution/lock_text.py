"""Reads locks in the form of a requirements file, as uv writes them."""

from __future__ import annotations

import re

from packaging.utils import canonicalize_name

_NAME = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(\[[^]]*])?\s*(==|@)")


def entries_of(lock: str) -> list[str]:
    """Return the packages of a lock, each with the lines of its hashes."""
    entries: list[str] = []
    for line in lock.splitlines():
        if line.startswith(" ") and entries:
            entries[-1] += f"\n{line}"
        elif line.strip() and not line.startswith("#"):
            entries.append(line)
    return entries


def name_of(entry: str) -> str:
    """Return the package in its normal form; empty for a path."""
    match = _NAME.match(entry)
    return canonicalize_name(match["name"]) if match else ""
