"""The Arrow file between `run` and `load`: where it lies, how it is sealed, and what is checked before it is read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from airflow_materialize.errors import MaterializeError
from airflow_materialize.examined import ArrowFileError, Examined, open_regular
from airflow_materialize.manifest import Manifest, StagedFile, is_attempt, opened, signed
from airflow_materialize.plan.run_plan import RunPlan
from airflow_materialize.settings import SECTION
from airflow_materialize.signing import Signer

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Manifest",
    "StagedFile",
    "discard",
    "discard_part",
    "folder_of",
    "newest_manifest",
    "open_verified",
    "part_path",
    "prune",
    "seal",
    "write_manifest",
]

_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*")
_MAX_NAME = 80
_KEY_LENGTH = 32
_PLACE = re.compile(r"[A-Za-z0-9_-]+/[0-9a-f]{32}/[A-Za-z0-9][A-Za-z0-9._-]*\.arrow")
_SECONDS_PER_DAY = 86_400
_LEAVE = "return the data from materialize(), and do not touch the staged file"


def folder_of(plan: RunPlan) -> str:
    """Return the folder of a load's files, relative to that of all staged files: the asset, then the load key."""
    return f"{_folder_name(plan.asset.name)}/{plan.load_key[:_KEY_LENGTH]}"


def part_path(root: Path, plan: RunPlan, attempt: str) -> Path:
    """Return where user code writes its result, and make the folders, for the worker's own user alone.

    Raises:
        MaterializeError: The folder cannot be made or written.
    """
    folder = root / folder_of(plan)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in (folder.parent, folder):
            each.mkdir(mode=0o700, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise _unwritable(root, error.strerror or str(error), plan) from error
    if not writable:
        raise _unwritable(root, "no permission", plan)
    return folder / f"{_checked_attempt(attempt, plan)}.part"


def seal(root: Path, plan: RunPlan, attempt: str, examine: Callable[[int], Examined]) -> StagedFile:
    """Make what user code wrote a staged file: flushed to disk, validated, counted, summed and renamed.

    Args:
        root: The folder of all staged files.
        plan: What this DAG run does.
        attempt: Names this try.
        examine: Examines the file of a descriptor, or raises ArrowFileError. Nothing of the file is parsed here.

    Raises:
        MaterializeError: There is no complete Arrow file of the types that a result may have.
    """
    part = root / folder_of(plan) / f"{_checked_attempt(attempt, plan)}.part"
    sealed = part.with_suffix(".arrow")
    try:
        if part.parent.resolve() != root.resolve() / folder_of(plan):
            raise ArrowFileError("its folder was replaced by a link")
        descriptor = open_regular(part)
        try:
            os.fsync(descriptor)
            checked = examine(descriptor)
            os.fchmod(descriptor, 0o400)
            part.rename(sealed)
        finally:
            os.close(descriptor)
        _flush_folder(sealed.parent)
    except FileNotFoundError as error:
        raise MaterializeError("it left no file with its result", hint=_LEAVE, unchanged=plan.asset.name) from error
    except ArrowFileError as error:
        message = f"the file with its result is refused: {error}"
        raise MaterializeError(message, hint=_LEAVE, unchanged=plan.asset.name) from error
    except OSError as error:
        raise _unwritable(root, error.strerror or str(error), plan) from error
    return StagedFile(
        path=f"{folder_of(plan)}/{sealed.name}",
        size=checked.size,
        sha256=checked.sha256,
        rows=checked.rows,
        schema_fingerprint=checked.schema_fingerprint,
    )


def open_verified(file: StagedFile, root: Path, plan: RunPlan) -> pa.ipc.RecordBatchFileReader:
    """Open a staged file for its load. The reader's batches lie in the file and are mapped, not copied.

    Nothing in the manifest is trusted: place, size, sum, format, rows and schema are compared with the file.

    Raises:
        MaterializeError: The file is missing, or not the one that was sealed.
    """
    table = plan.asset.name
    path = _place(file, root)
    if str(PurePosixPath(file.path).parent) != folder_of(plan):
        raise MaterializeError(
            f"The manifest names the staged file {file.path!r}, which is not one of this run of {table}",
            hint="clear the step run",
            unchanged=table,
        )
    try:
        descriptor = open_regular(path)
        try:
            return _compared(descriptor, file)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise MaterializeError(
            f"The staged file {file.path} is not in {root} on the host {socket.gethostname()}",
            hint=f"clear the step run; where run and load are on different machines, point [{SECTION}] staged_files "
            "to a folder that every worker mounts, and set staged_files_shared = True",
            unchanged=table,
        ) from error
    except ArrowFileError as error:
        raise MaterializeError(
            f"The staged file {path} is not the one that was sealed: {error}",
            hint="clear the step run to make a new one",
            unchanged=table,
        ) from error


def write_manifest(root: Path, manifest: Manifest, signer: Signer) -> None:
    """Write the manifest beside its file, signed, so that a later `load` finds it without Airflow.

    Raises:
        MaterializeError: The folder cannot be written.
    """
    attempt = _checked_attempt(manifest.attempt, manifest.plan)
    target = root / folder_of(manifest.plan) / f"{attempt}.json"
    draft = target.with_name(f"{attempt}.json.part")
    try:
        draft.write_text(json.dumps(signed(manifest, signer)))
        draft.replace(target)
        _flush_folder(target.parent)
    except OSError as error:
        raise _unwritable(root, error.strerror or str(error), manifest.plan) from error


def newest_manifest(root: Path, asset: str, signer: Signer) -> Manifest | None:
    """Return the manifest of the asset's newest staged file that is still there, or None.

    Raises:
        MaterializeError: There are manifests, and none that can be believed.
    """
    refused = None
    found = (_age_and_path(path) for path in (root / _folder_name(asset)).glob("*/*.json"))
    for _, path in sorted(found, reverse=True):
        with suppress(OSError, ValueError):
            try:
                manifest = opened(json.loads(path.read_bytes()), signer, asset)
                if manifest.plan.asset.name == asset and all(_place(file, root).is_file() for file in manifest.files):
                    return manifest
            except MaterializeError as error:
                refused = refused or error
    if refused:
        raise refused
    return None


def discard(root: Path, file: StagedFile) -> None:
    """Remove a staged file and its manifest after the load. One that is gone already is fine."""
    path = _place(file, root)
    for each in (path, path.with_suffix(".json")):
        each.unlink(missing_ok=True)


def discard_part(root: Path, plan: RunPlan, attempt: str) -> None:
    """Remove what an attempt that failed left behind, however it ended. A sealed file stays."""
    name = f"{_checked_attempt(attempt, plan)}.part"
    for path in (root / folder_of(plan)).glob(f"{name}*"):
        if path.name == name or path.name.removeprefix(f"{name}.").isdigit():
            with suppress(OSError, RecursionError):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)


def prune(root: Path, plan: RunPlan, attempt: str = "", days: float = 7) -> None:
    """Remove files of this asset older than `days`; of this DAG run those that earlier attempts left unfinished.

    Names of attempts are as long as each other, and in the order of their time.
    """
    before = time.time() - days * _SECONDS_PER_DAY
    folder, own = root / _folder_name(plan.asset.name), root / folder_of(plan)
    for path in folder.glob("*/*"):
        if path.parent != own and _is_ours(path):
            with suppress(OSError):
                if path.lstat().st_mtime < before:
                    path.unlink()
    for path in own.glob("*.part*"):
        if len(earlier := path.name.partition(".part")[0]) == len(attempt) and earlier < attempt:
            discard_part(root, plan, earlier)
    for each in folder.glob("*/"):
        # An old folder only: another DAG run may just have made its own, to write into it next.
        with suppress(OSError):
            if each != own and each.stat().st_mtime < before:
                each.rmdir()


def _is_ours(path: Path) -> bool:
    return re.fullmatch(r".+\.(arrow|json|part|json\.part|part\.\d+)", path.name) is not None


def _folder_name(asset: str) -> str:
    """Return a folder's name for an asset's, another one for each, also where a disk ignores case."""
    name = asset.replace(".", "__")
    if _PLAIN_NAME.fullmatch(asset) and "__" not in asset and len(name) <= _MAX_NAME:
        return name
    readable = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:_MAX_NAME]
    return f"{readable}-{hashlib.sha256(asset.encode(errors='surrogatepass')).hexdigest()[:12]}"


def _place(file: StagedFile, root: Path) -> Path:
    """Return a staged file's path, or raise where it does not lie two folders below `root`, without any link."""
    path = root / file.path
    inside = _PLACE.fullmatch(file.path) and path.parent.resolve() == root.resolve() / PurePosixPath(file.path).parent
    if not inside:
        raise MaterializeError(f"The manifest names the staged file {file.path!r}, which is no place for one")
    return path


def _compared(descriptor: int, file: StagedFile) -> pa.ipc.RecordBatchFileReader:
    from airflow_materialize.arrow_file import open_summed

    size = os.fstat(descriptor).st_size
    if size != file.size:
        raise ArrowFileError(f"it has {size:,} bytes, and {file.size:,} were written")
    opened = open_summed(descriptor, file.sha256)
    if opened.rows != file.rows:
        raise ArrowFileError(f"it has {opened.rows:,} rows, and {file.rows:,} were written")
    if opened.schema_fingerprint != file.schema_fingerprint:
        raise ArrowFileError("it has other columns than were written")
    return opened.reader


def _checked_attempt(attempt: str, plan: RunPlan) -> str:
    if not is_attempt(attempt):
        raise MaterializeError(
            f"{attempt!r:.80} cannot name an attempt",
            hint="letters, digits, dots, hyphens and underscores, 100 at most",
            unchanged=plan.asset.name,
        )
    return attempt


def _age_and_path(path: Path) -> tuple[int, Path]:
    try:
        return path.stat().st_mtime_ns, path
    except OSError:
        return 0, path


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(root: Path, reason: str, plan: RunPlan) -> MaterializeError:
    return MaterializeError(
        f"The folder of staged files {root} cannot be written on the host {socket.gethostname()}: {reason}",
        hint=f"point [{SECTION}] staged_files to a folder that the worker may write",
        unchanged=plan.asset.name,
    )
