"""Reads locks in the form of a requirements file, as uv writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.utils import canonicalize_name

_URL = re.compile(r"(https?://)([^/@\s]*@)?([^/@\s]+)")
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


def without_credentials(entry: str) -> str:
    """Return an entry to be kept: requirements may name a URL with a password."""
    return _URL.sub(r"\1\3", entry)


def with_credentials(entry: str, texts: Iterable[str]) -> str:
    """Return an entry to be installed.

    Args:
        entry: As it is kept.
        texts: The requirements, whose credentials are those for the same servers.
    """
    known = {host: credential for text in texts for _, credential, host in _URL.findall(text) if credential}
    return _URL.sub(lambda url: f"{url[1]}{known.get(url[3], '')}{url[3]}", entry)
