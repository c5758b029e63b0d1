"""What a command sees of the machine: everything, or the files that it needs and none that may hold a secret."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from airflow_materialize.errors import MaterializeError
from airflow_materialize.execution.sandbox import is_allowed

# Folders that are the private ones of users and services, or hold their sockets and mounted secrets.
_PRIVATE = (
    "/root", "/home", "/run", "/var/run", "/var/log", "/var/spool", "/var/backups", "/var/lib/kubelet", "/var/secrets",
    "/vault", "/secrets", "/etc/airflow", "/etc/kubernetes", "/etc/rancher", "/etc/ssh", "/boot", "/lost+found",
)  # fmt: skip
_ROOMS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  # each is a private one
# In these, what not everybody may read is for nobody here, although root's user may.
_SEARCHED = (("/etc", 4), ("/var", 2), ("/opt", 2), ("/srv", 2), ("/usr/local/etc", 3))
_PROGRAMS = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/proc", "/sys", "/dev")
_GRAPHICS = ("/dev/dri", "/dev/kfd")


@dataclass(frozen=True)
class View:
    """What a command sees.

    Attributes:
        apart: Whether it gets namespaces of its own. Without, it sees all files of the worker's user.
        network: Whether it has a network.
        hidden: Files and folders.
        rooms: Folders that are empty and its own.
        readable: Files and folders that stay readable wherever they are.
        writable: Folders that may be changed, each with the path at which it is seen.
    """

    apart: bool = False
    network: bool = True
    hidden: tuple[Path, ...] = ()
    rooms: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    writable: tuple[tuple[Path, Path], ...] = ()

    def __str__(self) -> str:
        """Return the form that the warden reads."""
        words = (["namespaces"] if self.apart else []) + ([] if self.network else ["no-network"])
        if not self.apart:
            return " ".join(words)
        targets = {target for _, target in self.writable}
        lines = [("hide", path, path) for path in self.hidden if path not in targets]
        lines += [("room", path, path) for path in self.rooms if path not in targets]
        lines += [("read", path, path) for path in self.readable if path not in targets]
        lines += [("write", source, target) for source, target in self.writable]
        return "\n".join([" ".join(words), *("\t".join(_plain(part) for part in line) for line in lines)])

    def showing(self, *paths: Path | str) -> View:
        """Return the same where these can be read. A link brings along what it leads to."""
        whole = (Path(path) for path in paths)
        both = (each for path in whole if path.is_absolute() for each in (path, path.resolve()))
        return replace(self, readable=(*self.readable, *(each for each in both if self._covers(each))))

    def writing(self, *folders: Path, at: Mapping[Path, Path] | None = None) -> View:
        """Return the same where these can be changed.

        Args:
            folders: At their own paths.
            at: Others, by the path at which each is seen.
        """
        pairs = [(folder.resolve(), folder) for folder in folders]
        pairs += [(source.resolve(), target) for target, source in (at or {}).items()]
        return replace(self, writable=(*self.writable, *pairs))

    def _covers(self, path: Path) -> bool:
        return any(path.is_relative_to(each) for each in (*self.hidden, *self.rooms, Path("/dev")))


EVERYTHING = View()
"""What the worker's user sees."""


def view_apart(hidden: Iterable[Path], worker: Mapping[str, str] = os.environ) -> View:
    """Return the view of a command in namespaces of its own, before anything is added that it needs.

    Args:
        hidden: Files and folders to hide besides those that hold secrets everywhere.
        worker: The worker's own variables. Files that they name are hidden, unless user code gets the variable.
    """
    home = worker.get("HOME")
    found = {Path(path) for path in _PRIVATE} | {*hidden} | {*_named(worker)} | {*_closed()}
    found |= {Path(home)} if home and home != "/" else set()
    found |= {path.resolve() for path in found}
    shown = [sys.base_prefix, os.path.realpath("/etc/resolv.conf"), *_GRAPHICS]
    shown += [str(device) for device in Path("/dev").glob("nvidia*")]
    shown += [worker[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if worker.get(name)]
    usual = tuple(sorted(path for path in found if not _is_program(path)))
    return View(apart=True, hidden=usual, rooms=tuple(map(Path, _ROOMS))).showing(*shown)


def _named(worker: Mapping[str, str]) -> Iterator[Path]:
    """Give the files that variables of the worker lead to, as AIRFLOW_CONFIG or GOOGLE_APPLICATION_CREDENTIALS do."""
    for name, value in worker.items():
        path = value.removeprefix("FILE:")
        if path.startswith("/") and not is_allowed(name) and _is_file(path) and not os.access(path, os.X_OK):
            yield Path(path)


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:
        # Its folder is closed to this user, so user code does not get there either; or it is no path.
        return False


@lru_cache(maxsize=1)
def _closed() -> tuple[Path, ...]:
    """Return files and folders of the machine's settings that not everybody may read."""
    return tuple(path for folder, depth in _SEARCHED for path in _closed_below(folder, depth))


def _closed_below(folder: str, depth: int) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            continue
        if not mode & (stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH):
            yield Path(entry.path)
        elif stat.S_ISDIR(mode) and depth > 1:
            yield from _closed_below(entry.path, depth - 1)


def _is_program(path: Path) -> bool:
    return any(path == Path(top) or path.is_relative_to(top) for top in _PROGRAMS)


def _plain(part: object) -> str:
    text = str(part)
    if "\t" in text or "\n" in text:
        raise MaterializeError(f"the path {text!r} has a tab or a line break", hint="give it another name")
    return text
