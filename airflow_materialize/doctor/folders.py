"""The folders of staged files and environments: whether they are there, and what they are good for."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from airflow_materialize.doctor.finding import Finding
from airflow_materialize.settings import SECTION, Settings

_LITTLE, _TOO_LITTLE = 2 * 10**9, 2 * 10**8
_NETWORKS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "lustre", "glusterfs", "fuse.sshfs", "9p", "beegfs", "afs")


def folder_findings(settings: Settings, executor: str) -> Iterator[Finding]:
    """Look at both folders.

    Args:
        settings: Say where they are.
        executor: Airflow's, which decides whether other machines have to see them.
    """
    yield from _folder("staged_files", settings.staged_files)
    yield _shared(settings, executor)
    yield from _folder("environments", settings.environments, programs=True)
    kind = _file_system(settings.environments)
    if kind in _NETWORKS:
        hint = f"point [{SECTION}] environments to a local disk"
        yield Finding("environments", "warning", f"on a network ({kind}): imports are slow, locks may fail", hint)


def _folder(option: str, folder: Path, *, programs: bool = False) -> Iterator[Finding]:
    place = next(path for path in (folder, *folder.parents) if path.exists())
    hint = f"point [{SECTION}] {option} to a folder that the worker may write"
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK) or not _can_write(place):
        yield Finding(option, "broken", f"{folder} cannot be written", hint)
        return
    free = shutil.disk_usage(place).free
    text = f"{folder}, {'' if place == folder else 'made when it is needed, '}{free / 1e9:.1f} GB free"
    if programs and os.statvfs(place).f_flag & os.ST_NOEXEC:
        hint = f"point [{SECTION}] {option} to a disk that is not mounted noexec"
        yield Finding(option, "broken", f"{folder} is on a disk from which nothing may be executed", hint)
    elif free < _LITTLE:
        yield Finding(option, "broken" if free < _TOO_LITTLE else "warning", text, "make room on its disk")
    else:
        yield Finding(option, "ok", text)
    if place == folder and folder.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield Finding(option, "warning", f"{folder} is open to other users", f"chmod 700 {folder}")


def _can_write(place: Path) -> bool:
    """Write a file for real: a quota or a mount for reading shows nowhere else."""
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"x")
    except OSError:
        return False
    return True


def _shared(settings: Settings, executor: str) -> Finding:
    names = {name.strip() for name in executor.split(",") if name.strip()}
    kind = _file_system(settings.staged_files)
    if settings.staged_files_shared or names <= {"LocalExecutor"}:
        declared = "declared as shared" if settings.staged_files_shared else "for this machine alone"
        return Finding("staged_files", "ok", f"{declared}{f', on {kind}' if kind else ''}")
    return Finding(
        "staged_files",
        "broken",
        f"not declared as shared, and {executor} may load on another machine than it ran",
        f"point [{SECTION}] staged_files to a folder that every worker mounts and set staged_files_shared",
    )


def _file_system(folder: Path) -> str:
    """Return the kind of file system that a folder is on; empty where the system does not say."""
    try:
        lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return ""
    place = folder.resolve()
    above = [(len(point), kind) for _, point, kind, *_ in lines if place.is_relative_to(point)]
    return max(above, key=lambda each: each[0], default=(0, ""))[1]
