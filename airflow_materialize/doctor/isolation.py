"""How far user code is set apart here, and what it would find that looks for secrets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from airflow_materialize.doctor.finding import Finding
from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.isolation import Isolation, refusal_of_namespaces
from airflow_materialize.execution.leak_scan import scan
from airflow_materialize.execution.warden import kernel, landlock
from airflow_materialize.settings import Settings

_SCOPES = 6


def isolation_findings(settings: Settings, root: Path) -> Iterator[Finding]:
    """Tell the tier that is in effect, then look for planted secrets from within it."""
    if not kernel.LINUX:
        hint = "run assets of strangers on Linux"
        yield Finding("isolation", "warning", "process, of which this system keeps the environment alone", hint)
        return
    refusal = refusal_of_namespaces()
    if settings.isolation == "namespaces":
        if refusal:
            yield Finding("isolation", "broken", f"namespaces are demanded, and {_reason(refusal)}", _HINT)
            return
        yield Finding("isolation", "ok", "namespaces")
    else:
        possible = f"namespaces are not possible: {_reason(refusal)}" if refusal else "namespaces would be possible"
        yield _of_processes(possible)
    yield from _leaks(settings, root)


_HINT = "allow user namespaces (and in a container a /proc of one's own), or set [materialize] isolation = process"


def _of_processes(possible: str) -> Finding:
    version = landlock.version()
    user = "the worker is root" if os.geteuid() == 0 else "the worker is no root"
    text = f"process ({user}; {f'Landlock {version}' if version else 'no Landlock'}; {possible})"
    if not version:
        what = "other processes of this user" if os.geteuid() else "disks and the kernel's switches"
        hint = f"{what} are open to user code; Linux 5.19 with Landlock closes them"
        return Finding("isolation", "warning", text, hint)
    if version < _SCOPES:
        return Finding("isolation", "ok", f"{text}; user code may send signals to its worker, which Linux 6.12 forbids")
    return Finding("isolation", "ok", text)


def _leaks(settings: Settings, root: Path) -> Iterator[Finding]:
    try:
        leaks = scan(Isolation(settings, root))
    except MaterializeError as error:
        yield Finding("leak scan", "broken", error.message, error.hint)
        return
    for leak in leaks:
        hint = "do not run assets here"
        if settings.isolation == "process":
            hint = "set [materialize] isolation = namespaces"
        yield Finding("leak scan", "broken", f"user code finds a planted secret: {leak}", hint)
    if not leaks:
        where = "variables, arguments, descriptors, standard input, processes"
        where += " and files" if settings.isolation == "namespaces" else ""
        yield Finding("leak scan", "ok", f"no planted secret is found ({where})")


def _reason(refusal: str) -> str:
    return refusal.rpartition("set apart: ")[2]
