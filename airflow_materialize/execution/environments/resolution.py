"""What exactly an asset's requirements come to: resolved once for each content of them, and remembered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sysconfig
import tempfile
from pathlib import Path

from airflow_materialize.execution.environments.cache import RESOLUTIONS, RESOLVING
from airflow_materialize.execution.environments.installation import Installation
from airflow_materialize.execution.environments.runtime import PYARROW
from airflow_materialize.execution.environments.turns import turn

_TITLE = re.compile(r"# (?P<sha256>[0-9a-f]{64})\n")


def platform_identity(installation: Installation) -> list[str]:
    """Return what tells apart interpreters and systems for which packages are built."""
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else ""
    return [installation.interpreter.version, sysconfig.get_platform(), libc or ""]


def find_lock(installation: Installation, folder: Path, *, renew: bool = False) -> str:
    """Return the exact packages in the form of a requirements file, each with its hashes.

    Args:
        installation: Its requirements are resolved where that was not done before.
        folder: Where environments live.
        renew: Whether a resolution that is remembered is made anew.

    Raises:
        MaterializeError: They do not resolve, or do not fit their `uv.lock`.
        TransientError: The package index was not reached.
    """
    parts = [
        installation.requirements.digest,
        *platform_identity(installation),
        *installation.index_identity,
        PYARROW,
    ]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    record = folder / RESOLUTIONS / f"{digest[:32]}.txt"
    known = None if renew else _remembered(record)
    if known is not None:
        return known
    record.parent.mkdir(mode=0o700, exist_ok=True)
    doing = f"resolves {installation.requirements.path or PYARROW}"
    turns = turn(record.with_suffix(".lock"), doing, installation.asset, installation.log, installation.child)
    with turns as held:
        known = None if renew else _remembered(record)
        if known is None:
            # Not before: what is remembered needs none of it.
            from airflow_materialize.execution.environments.resolving import resolve

            known = resolve(installation, record, held)
            _remember(record, known)
        return known


def _remembered(record: Path) -> str | None:
    try:
        text = record.read_text()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    title = _TITLE.match(text)
    if not title or hashlib.sha256(text[title.end() :].encode()).hexdigest() != title["sha256"]:
        return None
    # Where nothing can be written, nothing is pruned either.
    with contextlib.suppress(OSError):
        os.utime(record)
    return text[title.end() :]


def _remember(record: Path, lock: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f"{record.stem}.", suffix=RESOLVING, dir=record.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"# {hashlib.sha256(lock.encode()).hexdigest()}\n{lock}")
    Path(name).rename(record)
