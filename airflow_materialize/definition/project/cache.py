"""What parsing gave, kept by the content of all that it read: an unchanged pipeline is not parsed again."""

from __future__ import annotations

import hashlib
import hmac
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from airflow_materialize import __version__
from airflow_materialize.definition.model.parsed import ParsedPipeline
from airflow_materialize.signing import KEY, own_key

_KEPT = 7 * 24 * 3600.0
_DAY = 24 * 3600.0
_MAC = 64
_MODULES = Path(__file__).parents[1]


@dataclass(frozen=True)
class ParseCache:
    """A folder of parsed pipelines.

    Each is a file that bears the digest of what it was made of and is signed, so whoever can write into the folder but
    does not know the key changes nothing. Whatever is wrong with a file or with the folder, the pipeline is parsed.

    Attributes:
        folder: Where the files are; made when it is needed.
        secret: What they are signed with; where it is empty, a key that is made in the folder for its owner's eyes.
    """

    folder: Path
    secret: bytes = b""

    def get(self, digest: str) -> ParsedPipeline | None:
        """Return the pipeline of a digest; None where it is not kept, or not as it was."""
        file = self.folder / digest
        try:
            key = self._key()
            data = file.read_bytes()
            if file.stat().st_mtime < time.time() - _DAY:
                os.utime(file)
        except OSError:
            return None
        mac, text = data[:_MAC], data[_MAC:]
        if not hmac.compare_digest(mac, _mac(key, digest, text)):
            return None
        try:
            return _adapter().validate_json(text)
        except ValidationError:
            return None

    def put(self, digest: str, pipeline: ParsedPipeline) -> None:
        """Keep a pipeline. What has not been asked for in seven days goes."""
        text = _adapter().dump_json(pipeline, exclude_unset=True)
        with suppress(OSError):  # A folder that cannot be written costs time, and nothing else.
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as file:
                file.write(_mac(self._key(), digest, text) + text)
            Path(file.name).rename(self.folder / digest)
            self._prune()

    def _key(self) -> bytes:
        return self.secret or own_key(self.folder)

    def _prune(self) -> None:
        before = time.time() - _KEPT
        for entry in os.scandir(self.folder):
            if entry.name != KEY and entry.stat().st_mtime < before:
                with suppress(FileNotFoundError):
                    os.unlink(entry.path)  # noqa: PTH108  # One call for each of many files.


def _mac(key: bytes, digest: str, text: bytes) -> bytes:
    return hmac.new(key, digest.encode() + text, hashlib.sha256).hexdigest().encode()


def digest_of(parts: Iterable[bytes]) -> str:
    """Return the digest of what a pipeline is parsed from, this package included. SHA-256, hexadecimal."""
    digest = hashlib.sha256(_program())
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


@cache
def _program() -> bytes:
    """What parses: the release, and in a checkout that is worked on the state of its modules."""
    modules = sorted((str(module), module.stat().st_mtime_ns) for module in _MODULES.rglob("*.py"))
    return repr((__version__, sys.version_info, modules)).encode()


@cache
def _adapter() -> TypeAdapter[ParsedPipeline]:
    return TypeAdapter(ParsedPipeline)
