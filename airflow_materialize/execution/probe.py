"""Looks for a word wherever a process may look: the eyes of a hostile asset. It runs by itself, without a package."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_MOST_BYTES = 1 << 24
_CHUNK = 1 << 22


def look(word: bytes, relatives: Iterable[int], folders: Iterable[str]) -> list[tuple[str, str]]:
    """Return where the word was found, as pairs of a place and a kind.

    Args:
        word: What to look for.
        relatives: Ids of processes whose memory is read as well, which takes long.
        folders: Folders whose files are read.
    """
    found: list[tuple[str, str]] = []

    def keep(place: str, kind: str, read: Callable[[], Iterable[bytes]]) -> None:
        try:
            if any(word in data for data in read()):
                found.append((place, kind))
        except (OSError, ValueError):
            # It cannot be read, or has ended.
            return

    keep("itself", "environment", lambda: [b"\0".join(name + b"=" + os.environb[name] for name in os.environb)])
    keep("itself", "arguments", lambda: [_content("/proc/self/cmdline")])
    keep("itself", "standard input", lambda: [_standard_input()])
    keep("itself", "descriptors", lambda: _descriptors("self"))
    for pid in filter(str.isdecimal, (entry.name for entry in Path("/proc").iterdir())):
        if int(pid) == os.getpid():
            continue
        for name in ("environ", "cmdline", "maps"):
            keep(pid, name, lambda path=f"/proc/{pid}/{name}": [_content(path)])  # type: ignore[misc]
        keep(pid, "fd", lambda pid=pid: _descriptors(pid))  # type: ignore[misc]
        if int(pid) in relatives:
            keep(pid, "mem", lambda pid=pid: _memory(pid))  # type: ignore[misc]
    for path in _files(folders):
        if word in os.fsencode(path):
            found.append((path, "name"))
        keep(path, "file", lambda path=path: [_content(path)])  # type: ignore[misc]
    return found


def _content(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(_MOST_BYTES)


def _standard_input() -> bytes:
    os.set_blocking(0, False)
    return os.read(0, 1 << 16)


def _descriptors(pid: str) -> Iterator[bytes]:
    """Give names and, of files, contents of what a process has open."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield os.fsencode(link.readlink())
            if stat.S_ISREG(link.stat().st_mode):
                yield _content(str(link))
        except OSError:
            continue


def _memory(pid: str) -> Iterator[bytes]:
    process = Path("/proc") / pid
    with (process / "maps").open() as maps, (process / "mem").open("rb", 0) as memory:
        for line in maps:
            span = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if span:
                start, end = (int(each, 16) for each in span.groups())
                memory.seek(start)
                for _ in range(start, end, _CHUNK):
                    try:
                        yield memory.read(_CHUNK)
                    except OSError:
                        break


def _files(folders: Iterable[str]) -> Iterator[str]:
    for folder in folders:
        for where, _, names in os.walk(folder):
            for name in names:
                path = Path(where, name)
                if stat.S_ISREG(path.lstat().st_mode):
                    yield str(path)


def main() -> None:
    """Look as the arguments say, and print what was found and the names of all variables."""
    # In halves: the word itself stands in no argument.
    asked = json.loads(sys.argv[1])
    found = look("".join(asked["word"]).encode(), asked["relatives"], asked["folders"])
    json.dump({"found": found, "variables": sorted(os.environ)}, sys.stdout)


if __name__ == "__main__":
    main()
