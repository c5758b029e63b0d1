"""The ids that Airflow knows pipelines, assets and steps by: pure functions of their names, no two of them equal."""

from __future__ import annotations

import re
from hashlib import sha256

# Words joined by single underscores, segments joined by dots. Such a name can be read back from its id.
_PLAIN_SEGMENT = r"(?:[^\W_]|-)+(?:_(?:[^\W_]|-)+)*"
_PLAIN_SEGMENT_ALONE = re.compile(_PLAIN_SEGMENT)
_PLAIN_NAME = re.compile(rf"{_PLAIN_SEGMENT}(?:\.{_PLAIN_SEGMENT})*")
_PLAIN_DAG = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_HASHED = re.compile(r"___[0-9a-f]{16}$")

# Airflow takes 200 characters for a group and 250 for a DAG or a task with its group.
_LONGEST = 150
_LONGEST_CHECK = 60


def group_id(name: str) -> str:
    """Return the id of an asset's task group: `raw.orders` is `raw__orders`.

    Group ids take no dots. No two names have one id: a name that is not plain ends in a hash of itself.
    """
    if _PLAIN_NAME.fullmatch(name) and len(name) <= _LONGEST:
        return name.replace(".", "__")
    return _hashed(name)


def dag_id(name: str) -> str:
    """Return the id of a pipeline's DAG: the name itself where Airflow takes it, else one that ends in its hash."""
    if _PLAIN_DAG.fullmatch(name) and len(name) <= _LONGEST and not _HASHED.search(name):
        return name
    return _hashed(name)


def _hashed(name: str) -> str:
    slug = re.sub(r"[^0-9A-Za-z-]+", "_", name)[:100].strip("_")
    return f"{slug}___{_hash(name)}"


def _hash(name: str) -> str:
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def check_id(column: str, check: str) -> str:
    """Return the id of the task of one check: `check__amount__unique`, or `check__no_gaps` of a custom one.

    Args:
        column: The check's column; empty for a custom check.
        check: Its name.
    """
    parts = (column, check) if column else (check,)
    if all(map(_PLAIN_SEGMENT_ALONE.fullmatch, parts)) and len(column) + len(check) <= _LONGEST_CHECK:
        return "__".join(("check", *parts))
    slug = re.sub(r"[^0-9A-Za-z-]+", "_", "_".join(parts))[:_LONGEST_CHECK].strip("_")
    return f"check__{slug}___{_hash(chr(0).join((column, check)))}"
