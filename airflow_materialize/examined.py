"""A file from user code: how it is opened, and what an examination says of it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path


class ArrowFileError(Exception):
    """The file is not what it must be."""


@dataclass(frozen=True)
class Examined:
    """What is known of a file whose every batch was validated.

    Attributes:
        size: In bytes.
        sha256: Of the digests of its pieces (`arrow_file`), hexadecimal.
        rows: Rows in all batches.
        batches: How many there are.
        schema_fingerprint: SHA-256 of the serialized Arrow schema, hexadecimal.
    """

    size: int
    sha256: str
    rows: int
    batches: int
    schema_fingerprint: str


def open_regular(path: Path) -> int:
    """Open a file for reading and return its descriptor.

    Raises:
        FileNotFoundError: There is none.
        ArrowFileError: It is a link, or no ordinary file, or has a second name somewhere else.
    """
    try:
        # O_NONBLOCK: opening a FIFO would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ArrowFileError(f"it cannot be opened ({error.strerror})") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise ArrowFileError("it is not an ordinary file with one name")
    return descriptor
